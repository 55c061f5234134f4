"""Applying: all or nothing, idempotent, published in full (docs/architecture.md, D31)."""

import asyncio
from copy import deepcopy
from typing import Any

import orjson
import pytest
from identity.configuration.service import REPUBLISH, ConfigurationService
from latchkey_contracts.configuration import configuration_id
from servicekit.db import Database
from servicekit.errors import NotFound, ValidationFailed
from servicekit.events.wakeups import Wakeups
from servicekit.process.configuration import Friendly

DOCUMENT: dict[str, Any] = {
    "identity_stores": [{"name": "Default"}],
    "self_service_policies": [{"name": "Default", "registration": {"link_lifetime": "12 h"}}],
    "applications": [{"slug": "zinnia", "brand": {"name": "Zinnia", "brand": "#0b3d45"}, "friendly_urls": ["flower"]}],
}
LABELS = ["store Default", "self_service_policy Default", "application zinnia"]


@pytest.fixture
def document() -> dict[str, Any]:
    return deepcopy(DOCUMENT)


@pytest.fixture
def configuration(db: Database, wakeups: Wakeups) -> ConfigurationService:
    return ConfigurationService(db, wakeups)


async def published(db: Database) -> list[tuple[str, str, int]]:
    async with db.read() as conn:
        rows = await conn.fetch("SELECT attributes, subject, aggregateversion FROM outbox ORDER BY id")
    return [(row["attributes"]["type"].split(".")[2], row["subject"], row["aggregateversion"]) for row in rows]


class TestApply:
    async def test_everything_is_published_in_full(self, configuration, db, document):
        answer = await configuration.apply(document)
        assert answer == {"applied": LABELS, "unchanged": [], "warnings": []}
        assert await published(db) == [
            ("identity_store_published", str(configuration_id("store", "Default")), 1),
            ("self_service_policy_published", str(configuration_id("self_service_policy", "Default")), 1),
            ("application_published", str(configuration_id("application", "zinnia")), 1),
        ]
        async with db.read() as conn:
            value = orjson.loads(await conn.fetchval("SELECT value FROM outbox ORDER BY id DESC LIMIT 1"))
        assert (value["name"], value["revision"], value["content"]["brand"]["name"]) == ("zinnia", 1, "Zinnia")

    async def test_a_second_apply_changes_and_publishes_nothing(self, configuration, db, document):
        await configuration.apply(document)
        before = await published(db)
        assert await configuration.apply(document) == {"applied": [], "unchanged": LABELS, "warnings": []}
        assert await published(db) == before

    async def test_only_what_changed_gets_a_new_revision(self, configuration, db, document):
        await configuration.apply(document)
        document["self_service_policies"][0]["resend"] = {"spacing": "30 s"}
        assert (await configuration.apply(document))["applied"] == ["self_service_policy Default"]
        async with db.read() as conn:
            rows = await conn.fetch("SELECT kind, revision FROM configuration ORDER BY kind")
        assert {row["kind"]: row["revision"] for row in rows} == {"application": 1, "self_service_policy": 2, "store": 1}

    async def test_nothing_is_applied_when_there_is_an_error(self, configuration, db, document):
        document["applications"].append({"slug": "go", "brand": {"name": "G", "brand": "#0b3d45"}})
        document["identity_stores"][0]["password"] = {"min_length": 7}
        with pytest.raises(ValidationFailed) as caught:
            await configuration.apply(document)
        assert [(one.field, bool(one.message)) for one in caught.value.errors] == [
            ("/identity_stores/0/password/min_length", True),
            ("/applications/1/slug", True),
        ]
        assert await published(db) == []
        with pytest.raises(NotFound):
            configuration.application("zinnia")

    async def test_what_is_too_large_for_an_event(self, configuration, db, document):
        """Each such object with its name and size; nothing is applied."""
        text = {"en": "x" * 80_000}
        consents = [{"id": f"c{number}", "version": "1.0", "title": {"en": "t"}, "text": text} for number in range(12)]
        document["applications"] += [
            {"slug": slug, "brand": {"name": slug, "brand": "#0b3d45"}, "languages": ["en"], "consents": consents}
            for slug in ("rose", "tulip")
        ]
        with pytest.raises(ValidationFailed) as caught:
            await configuration.apply(document)
        found = caught.value.errors
        assert [one.field for one in found] == ["/applications/1", "/applications/2"]
        assert found[0].message.startswith("application rose has 96")
        assert "kB" in found[0].message
        assert await published(db) == []
        with pytest.raises(NotFound):
            configuration.application("zinnia")

    async def test_a_part_may_refer_to_what_was_applied_before(self, configuration, document):
        await configuration.apply(document)
        rose = {"applications": [{"slug": "rose", "brand": {"name": "Rose", "brand": "#5a1030"}}]}
        assert (await configuration.apply(rose))["applied"] == ["application rose"]
        assert configuration.slugs() == ["rose", "zinnia"]

    async def test_ten_at_once_are_one_after_the_other(self, configuration, db, document):
        answers = await asyncio.gather(*(configuration.apply(document) for _ in range(10)))
        assert sorted(len(one["applied"]) for one in answers) == [0] * 9 + [3]
        assert len(await published(db)) == 3


class TestLookUp:
    async def test_an_application_with_its_store_and_policy(self, configuration, document):
        await configuration.apply(document)
        found = configuration.application("zinnia")
        assert found.store.id == configuration_id("store", "Default")
        assert found.policy.registration.link_lifetime.total_seconds() == 12 * 3600
        assert configuration.friendly("Flower") == Friendly("flower", "zinnia", enabled=True)
        assert configuration.friendly("weed") is None

    async def test_d31_another_replica_sees_it_within_five_seconds(self, configuration, db, document):
        other = ConfigurationService(db, Wakeups(db))
        running = asyncio.create_task(other.run())
        try:
            await configuration.apply(document)
            async with asyncio.timeout(5):
                while "zinnia" not in other.slugs():
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()


class TestRepublish:
    async def test_once_a_day_whatever_restarts(self, configuration, db, clock, document):
        await configuration.apply(document)
        await configuration.republish()
        assert len(await published(db)) == 3
        clock.move(REPUBLISH.total_seconds())
        await asyncio.gather(configuration.republish(), configuration.republish())
        versions = [version for _, _, version in await published(db)]
        assert sorted(versions) == [1, 1, 1, 2, 2, 2]

    async def test_one_that_is_too_large_holds_up_no_other(self, configuration, db, clock, document):
        """Applied before there was a limit."""
        await configuration.apply(document)
        async with db.transaction() as tx:
            large = {"x": "x" * 1_000_000}
            await tx.execute("UPDATE configuration SET content = $1 WHERE kind = 'store'", large)
        clock.move(REPUBLISH.total_seconds())
        await configuration.republish()
        again = {name for name, _, version in await published(db) if version == 2}  # in any order: what waits for another waits
        assert again == {"self_service_policy_published", "application_published"}
        async with db.read() as conn:
            assert await conn.fetchval("SELECT max(revision) FROM configuration") == 1
