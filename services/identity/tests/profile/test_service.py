"""R32, R34: personal information, seen and changed by its owner, as the store lets it; nothing is overwritten unseen."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from identity.profile import rules
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.http.account import MeChange
from servicekit.errors import PreconditionFailed, PreconditionRequired, ValidationFailed
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"


@pytest.fixture
async def mira(customers, db) -> Caller:
    """Signed in."""
    account_id = await customers.join(email=EMAIL, username="mira", profile={"given_name": "Mira", "about": "Likes bees"})
    await customers.sign_in(EMAIL)
    async with db.read() as conn:
        session_id = await conn.fetchval("SELECT id FROM session WHERE account_id = $1", account_id)
    return replace(customers.here, account_id=account_id, session_id=session_id, application="demo")


async def change(customers: Any, caller: Caller, seen: str | None = None, **given: Any) -> Any:
    version = seen if seen is not None else f'"{(await customers.profiles.read(caller)).version}"'
    return await customers.profiles.change(MeChange.model_validate(given), replace(caller, if_match=version))


class TestChange:
    async def test_what_is_given_and_nothing_else(self, customers, mira):
        """RFC 7396: the rest stays, null takes out."""
        found = await change(customers, mira, profile={"given_name": " Mira Adaeze "})
        assert (found.profile, found.display_name) == ({"given_name": "Mira Adaeze", "about": "Likes bees"}, "Mira Adaeze")
        found = await change(customers, mira, profile={"about": None}, language="de")
        assert (found.profile, found.language) == ({"given_name": "Mira Adaeze"}, "de")
        assert await customers.profiles.read(mira) == found

    async def test_what_others_are_told(self, customers, mira):
        """Names only: what they are now stays here."""
        await change(customers, mira, profile={"given_name": "Bea", "about": "Likes bees"}, language="de")
        [told] = await customers.told("profile_changed")
        assert (told["changed"], told["application"]) == (["given_name", "language"], "demo")
        assert "Bea" not in str(told)

    async def test_the_owner_is_told_once_an_hour(self, customers, mira, clock):
        """D27's own kind of message: one for an evening of changes."""
        for name in ("Bea", "Ada"):
            await change(customers, mira, profile={"given_name": name})
        clock.move(3601)
        await change(customers, mira, profile={"given_name": "Mira"})
        assert [len(one["notices"]) for one in await customers.told("profile_changed")] == [1, 0, 1]

    async def test_nothing_changed_is_nothing_told(self, customers, mira):
        before = await customers.profiles.read(mira)
        assert await change(customers, mira, profile={"given_name": "Mira"}) == before
        assert await customers.told("profile_changed") == []

    @pytest.mark.parametrize(
        ("given", "field", "code"),
        [
            ({"profile": {"shoe_size": "43"}}, "/profile/shoe_size", "unknown_field"),
            ({"profile": {"given_name": "x" * 101}}, "/profile/given_name", "not_this_form"),
            ({"profile": {"given_name": "a\x00b"}}, "/profile/given_name", "not_this_form"),
            ({"profile": {"given_name": ["Mira"]}}, "/profile/given_name", "not_this_form"),
            ({"language": "tlh"}, "/language", "not_an_option"),
        ],
    )
    async def test_bad_input_changes_nothing(self, customers, mira, given: dict[str, Any], field: str, code: str):
        before = await customers.profiles.read(mira)
        given = {**given, "profile": {"about": "lost?", **given.get("profile", {})}}
        with pytest.raises(ValidationFailed) as refused:
            await change(customers, mira, **given)
        assert [(one.field, one.code) for one in refused.value.errors] == [(field, code)]
        assert await customers.profiles.read(mira) == before


class TestTwoWindows:
    async def test_the_second_one_overwrites_nothing(self, customers, mira):
        seen = f'"{(await customers.profiles.read(mira)).version}"'
        await change(customers, mira, seen, profile={"given_name": "Bea"})
        with pytest.raises(PreconditionFailed) as refused:
            await change(customers, mira, seen, profile={"given_name": "Mia"})
        assert (refused.value.status, refused.value.code) == (412, "version_conflict")
        assert (await customers.profiles.read(mira)).display_name == "Bea"

    async def test_without_a_version(self, customers, mira):
        with pytest.raises(PreconditionRequired):
            await customers.profiles.change(MeChange(profile={"given_name": "Bea"}), mira)

    @pytest.mark.parametrize("seen", ["*", '"0", "{}"'])
    async def test_as_http_says_it(self, customers, mira, seen: str):
        """RFC 9110 §13.1.1: any, or one of several."""
        version = (await customers.profiles.read(mira)).version
        assert (await change(customers, mira, seen.format(version), profile={"given_name": "Bea"})).display_name == "Bea"

    async def test_fifty_at_once(self, customers, mira):
        """One of them has seen what it changes."""
        seen = f'"{(await customers.profiles.read(mira)).version}"'
        tries = [change(customers, mira, seen, profile={"given_name": f"Mira {one}"}) for one in range(50)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["Me"] + ["PreconditionFailed"] * 49


class TestRules:
    """R34: per attribute, whether it is shown, and whether it may be edited."""

    store = IdentityStore.model_validate(
        {
            "name": "Default",
            "attributes": [
                {"name": "given_name", "label": {"en": "First name"}, "required": True},
                {"name": "customer_number", "label": {"en": "Customer number"}, "in_portal": "shown"},
                {"name": "risk_class", "label": {"en": "Risk class"}, "in_portal": "hidden"},
            ],
        }
    )

    def test_hidden_ones_are_not_shown(self):
        profile = {"risk_class": "b", "customer_number": "E-204", "given_name": "Mira", "no_longer_asked": "x"}
        assert rules.shown(profile, self.store) == {"given_name": "Mira", "customer_number": "E-204"}

    def test_what_cannot_be_edited(self):
        """A hidden one looks like one that isn't there."""
        given = {"customer_number": "E-1", "risk_class": "a", "nothing": "x", "given_name": " "}
        assert [(one.field, one.code) for one in rules.check(given, self.store)] == [
            ("/profile/customer_number", "not_editable"),
            ("/profile/risk_class", "unknown_field"),
            ("/profile/nothing", "unknown_field"),
            ("/profile/given_name", "required"),
        ]
