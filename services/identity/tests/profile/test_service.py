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


HOME = {"country_code": "DE", "street_address": "Karl-Heine-Str. 12", "postal_code": "04229", "city": "Leipzig"}


class TestAddress:
    """R33: a postal address is one attribute, changed as a whole."""

    @pytest.fixture
    async def mira(self, customers, mira):
        await restore(customers, {"name": "home", "type": "address", "label": {"en": "Address"}})
        return mira

    async def test_changed_and_taken_out(self, customers, mira):
        found = await change(customers, mira, profile={"home": {**HOME, "city": " Leipzig ", "country_area": ""}})
        assert found.profile["home"] == HOME
        assert (await change(customers, mira, profile={"home": None})).profile == {"given_name": "Mira", "about": "Likes bees"}
        assert [told["changed"] for told in await customers.told("profile_changed")] == [["home"], ["home"]]

    async def test_whole_or_not_at_all(self, customers, mira):
        """Beside another attribute; nothing of a former one is mixed in."""
        await change(customers, mira, profile={"home": HOME})
        with pytest.raises(ValidationFailed) as refused:
            await change(
                customers, mira, profile={"about": "x", "home": {"country_code": "DE", "city": "Bonn", "postal_code": "1"}}
            )
        assert [(one.field, one.code) for one in refused.value.errors] == [
            ("/profile/home/street_address", "required"),
            ("/profile/home/postal_code", "postal_code_not_valid"),
        ]
        assert (await customers.profiles.read(mira)).profile["home"] == HOME

    async def test_nothing_but_a_country_is_none(self, customers, mira):
        """As a form has it that nobody filled in."""
        assert "home" not in (await change(customers, mira, profile={"home": {"country_code": "DE"}})).profile
        await restore(customers, {"name": "home", "type": "address", "label": {"en": "Address"}, "required": True})
        with pytest.raises(ValidationFailed) as refused:
            await change(customers, mira, profile={"home": {"country_code": "DE"}})
        needed = [f"/profile/home/{name}" for name in ("street_address", "postal_code", "city")]
        assert [(one.field, one.code) for one in refused.value.errors] == [(name, "required") for name in needed]
        with pytest.raises(ValidationFailed) as refused:
            await change(customers, mira, profile={"home": None})
        assert [(one.field, one.code) for one in refused.value.errors] == [("/profile/home", "required")]


async def restore(customers: Any, *attributes: dict[str, Any]) -> None:
    """The store with these, beside what it has or in their place."""
    names = {one["name"] for one in attributes}
    [store] = customers.document["identity_stores"]
    kept = [one for one in store["attributes"] if one["name"] not in names]
    await customers.configuration.apply(
        {**customers.document, "identity_stores": [{**store, "attributes": [*kept, *attributes]}]}
    )


class TestOtherType:
    """E20: the type of an attribute changes, and what was written before stays of use, or is out of the way."""

    @pytest.mark.parametrize(
        ("stored", "attribute", "shown"),
        [
            ("blue", {"type": "select", "options": ["red", "blue"]}, "blue"),
            ("green", {"type": "select", "options": ["red", "blue"]}, None),
            ("1984-02-29", {"type": "date"}, "1984-02-29"),
            ("19840229", {"type": "date"}, "1984-02-29"),
            ("29 February", {"type": "date"}, None),
            ("bees, books", {"type": "list"}, ["bees", "books"]),
            ("Yes", {"type": "checkbox"}, True),
            ("perhaps", {"type": "checkbox"}, None),
            ("mira@posteo.example", {"type": "email"}, "mira@posteo.example"),
            ("no address", {"type": "email"}, None),
            ("+49 341 5550141", {"type": "phone"}, "+49 341 5550141"),
            ("Karl-Heine-Str. 12", {"type": "address"}, None),
            (True, {"type": "text"}, "yes"),
            (False, {"type": "select", "options": ["yes", "no"]}, "no"),
            (["bees", "books"], {"type": "text"}, "bees, books"),
            (["red"], {"type": "select", "options": ["red", "blue"]}, "red"),
            (["red", "blue"], {"type": "select", "options": ["red", "blue"]}, None),
            (HOME, {"type": "text"}, None),
            (HOME, {"type": "list"}, None),
            (["a"], {"type": "address"}, None),
            ({"country_code": "XX"}, {"type": "address"}, None),
            (7, {"type": "text"}, None),
            ("x" * 300, {"type": "text", "max_length": 10}, "x" * 300),
        ],
    )
    def test_read_as_it_is_now(self, stored, attribute, shown):
        attributes = [{"name": "one", "label": {"en": "One"}, **attribute}]
        store = IdentityStore.model_validate({"name": "Default", "attributes": attributes})
        assert rules.shown({"one": stored}, store) == ({} if shown is None else {"one": shown})

    async def test_back_again(self, customers, mira):
        """Whatever else is changed meanwhile, a value that doesn't fit stays where it is."""
        await restore(customers, {"name": "about", "type": "date", "label": {"en": "About"}})
        found = await change(customers, mira, profile={"given_name": "Bea"})
        assert found.profile == {"given_name": "Bea"}
        await restore(customers, {"name": "about", "type": "text", "label": {"en": "About"}})
        assert (await customers.profiles.read(mira)).profile == {"given_name": "Bea", "about": "Likes bees"}

    async def test_written_anew(self, customers, mira):
        await restore(customers, {"name": "about", "type": "date", "label": {"en": "About"}})
        assert (await change(customers, mira, profile={"about": "1984-02-29"})).profile["about"] == "1984-02-29"
        assert (await change(customers, mira, profile={"about": None})).profile == {"given_name": "Mira"}

    @pytest.mark.parametrize("kind", ["address", "checkbox", "list", "date"])
    async def test_the_name_to_greet_by(self, customers, mira, kind: str):
        """Of another type it greets as it was, and nothing breaks; nor where it was of another type before."""
        await restore(customers, {"name": "given_name", "type": kind, "label": {"en": "Name"}})
        assert (await customers.profiles.read(mira)).display_name == "Mira"
        value = {"address": HOME, "checkbox": True, "list": ["a"], "date": "1984-02-29"}[kind]
        await change(customers, mira, profile={"given_name": value})
        await restore(customers, {"name": "given_name", "type": "text", "label": {"en": "Name"}})
        assert (await customers.profiles.read(mira)).display_name in {None, "1984-02-29"}
        assert (await customers.sign_in(EMAIL)).status == "complete"
