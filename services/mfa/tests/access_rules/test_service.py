"""Access rules at a sign-in: by network, country, travel, device and time, with reasons that tell no address, against a real database."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from mfa.access_rules.places import PlaceDatabase
from mfa.wiring import MfaSettings
from pydantic import ValidationError
from servicekit.errors import NotFound
from testkit.places import write_places

LEIPZIG, SYDNEY, NOWHERE = "192.0.2.7", "198.51.100.9", "203.0.113.1"
OFFICE = {"name": "office", "effect": "skip", "when": {"networks": ["192.0.2.0/24"]}}
ABROAD = {"name": "abroad", "effect": "deny", "when": {"countries": ["AU"]}}
NEW = {"name": "new-device", "effect": "require", "when": {"new_device": True}}
NIGHT = {"name": "night", "effect": "deny", "when": {"between": ["22:00", "06:00"]}}
TRAVEL = {"name": "travel", "effect": "deny", "when": {"improbable_travel": True}}


@pytest.fixture
def places(tmp_path, desk):
    path = write_places(
        tmp_path / "places.mmdb",
        {"192.0.2.0/24": ("DE", 51.34, 12.37), "198.51.100.0/24": ("AU", -33.87, 151.21)},
    )
    desk.made.access_rules._places = PlaceDatabase(path)
    return path


async def decided(desk, ip=LEIPZIG, **who):
    flow, state = await desk.ask(replace(desk.here, ip=ip, **who))
    told = (await desk.told("access_decided"))[-1]
    assert told["flow_id"] == str(flow)
    assert ip not in str(told)
    return state.decision, told["reasons"]


class TestEffects:
    async def test_deny(self, desk):
        desk.policy(rules=[{**OFFICE, "effect": "deny"}])
        assert await decided(desk) == ("deny", ["rule:office"])
        assert await decided(desk, SYDNEY) == ("allow", ["no_factor"])

    async def test_skip_spares_the_factor(self, desk):
        await desk.enrol()
        desk.policy(rules=[OFFICE])
        assert await decided(desk) == ("allow", ["rule:office"])
        assert await decided(desk, SYDNEY) == ("challenge", ["factor_enrolled"])

    async def test_require_beats_the_trusted_device(self, desk):
        known = {"device": "her-laptop", "device_account_id": desk.identity.account_id}
        app = await desk.enrol()
        flow, _ = await desk.ask(replace(desk.here, **known))
        from latchkey_contracts.http.factors import FactorCode

        body = FactorCode(code=desk.app_code(app), trust_device=True)
        await desk.made.challenges.sign_in_code("demo", flow, body, replace(desk.here, **known))
        assert await decided(desk, **known) == ("allow", ["trusted_device"])
        desk.policy(rules=[{**OFFICE, "effect": "require"}])
        assert await decided(desk, **known) == ("challenge", ["rule:office", "factor_enrolled"])

    async def test_deny_beats_require_beats_skip(self, desk):
        await desk.enrol()
        require, deny = {**OFFICE, "name": "b", "effect": "require"}, {**OFFICE, "name": "c", "effect": "deny"}
        desk.policy(rules=[OFFICE, require])
        assert (await decided(desk))[0] == "challenge"
        desk.policy(rules=[OFFICE, require, deny])
        assert await decided(desk) == ("deny", ["rule:c"])

    async def test_step_ups_have_none(self, desk):
        desk.policy(rules=[{**OFFICE, "effect": "deny"}])
        _, state = await desk.ask(replace(desk.mira, ip=LEIPZIG), "step_up")
        assert state.decision == "allow"


class TestConditions:
    async def test_country(self, desk, places):
        desk.policy(rules=[ABROAD])
        assert [await decided(desk, ip) for ip in (SYDNEY, LEIPZIG, NOWHERE)] == [
            ("deny", ["rule:abroad"]),
            ("allow", ["no_factor"]),
            ("allow", ["no_factor"]),
        ]

    async def test_new_device(self, desk):
        await desk.enrol()
        desk.policy(rules=[{**NEW, "effect": "deny"}])
        assert (await decided(desk))[0] == "deny"
        assert (await decided(desk, device="x", device_account_id=desk.identity.account_id))[0] == "challenge"

    async def test_time_in_the_application_s_zone(self, desk):
        """21:30 in London is 22:30 in Berlin."""
        desk.policy(rules=[NIGHT], timezone="Europe/Berlin")
        desk.db.clock.move((datetime(2030, 1, 7, 21, 30, tzinfo=UTC) - desk.db.clock.now()).total_seconds())
        assert (await decided(desk))[0] == "deny"
        desk.policy(rules=[NIGHT], timezone="Europe/London")
        assert (await decided(desk))[0] == "allow"

    async def test_travel(self, desk, places):
        desk.policy(rules=[TRAVEL])
        assert (await decided(desk))[0] == "allow"
        desk.db.clock.move(3600)
        assert await decided(desk, SYDNEY) == ("deny", ["rule:travel"])
        assert (await decided(desk))[0] == "allow"  # who was refused hasn't been there
        desk.db.clock.move(19 * 3600)
        assert (await decided(desk, SYDNEY))[0] == "allow"

    async def test_travel_begins_where_a_factor_was_proven(self, desk, places):
        app = await desk.enrol()
        desk.policy(rules=[TRAVEL])
        flow, _ = await desk.ask(replace(desk.here, ip=SYDNEY))
        assert (await decided(desk))[0] == "challenge"  # nobody has arrived there yet
        await desk.code(flow, desk.app_code(app))
        assert (await decided(desk))[0] == "deny"

    async def test_places_are_kept_only_for_such_a_rule_and_a_day(self, desk, places):
        async def kept():
            async with desk.db.read() as conn:
                return await conn.fetchval("SELECT count(*) FROM sign_in_place")

        desk.policy(rules=[ABROAD])
        await decided(desk)
        assert await kept() == 0
        desk.policy(rules=[TRAVEL])
        await decided(desk)
        assert await kept() == 1
        desk.db.clock.move(86_401)
        await desk.made.access_rules.purge()
        assert await kept() == 0


class TestExplained:
    async def test_each_rule_with_what_it_lacked(self, desk, places):
        desk.policy(rules=[ABROAD, {**OFFICE, "effect": "deny"}])
        flow, _ = await desk.ask(replace(desk.here, ip=LEIPZIG))
        found = await desk.made.access_rules.explain(flow)
        assert (found.decision, found.reasons, found.policy) == ("deny", ["rule:office"], "Default")
        assert [(one.name, one.lacked) for one in found.rules] == [("abroad", ["countries"]), ("office", [])]
        assert LEIPZIG not in found.model_dump_json()

    async def test_kept_for_a_month(self, desk):
        flow, _ = await desk.ask()
        desk.db.clock.move(31 * 86_400)
        await desk.made.access_rules.purge()
        with pytest.raises(NotFound):
            await desk.made.access_rules.explain(flow)


class TestDatabase:
    def test_what_it_knows(self, tmp_path, desk, places):
        countries = PlaceDatabase(write_places(tmp_path / "c.mmdb", {"192.0.2.0/24": ("DE", None, None)}))
        assert (countries.countries, countries.coordinates) == (True, False)
        assert desk.made.access_rules.abilities().coordinates
        assert countries.country("::ffff:192.0.2.9") == "DE"

    @pytest.mark.parametrize(("content", "said"), [(None, "can't be read"), (b"no database", "is no MMDB file")])
    def test_refuses_the_start(self, tmp_path, content, said):
        path = tmp_path / "places.mmdb"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ValidationError, match=said):
            MfaSettings(
                environment="test", origin="http://x", postgres_dsn="postgresql://x/y", kafka_bootstrap="x:1", http_port=1,
                management_port=2, keys_dir=tmp_path, place_database=path,
            )  # fmt: skip
