"""D32: what the store requires by now is asked for before the session, of whoever lacks it, and only where somebody could give it."""

from typing import Any

import pytest
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.sign_in import RequiredActionRequest, SignInFlow
from pydantic import ValidationError
from servicekit.errors import FlowEnded, StepMissing, ValidationFailed
from servicekit.ids import random_id

EMAIL = "mira@posteo.example"
HOME = {"country_code": "DE", "street_address": "Karl-Heine-Str. 12", "postal_code": "04229", "city": "Leipzig"}
BIRTHDAY = {"name": "birthday", "type": "date", "label": {"en": "Birthday", "de": "Geburtstag"}, "required": True}
ADDRESS = {"name": "home", "type": "address", "label": {"en": "Address"}, "required": True}


async def require(customers: Any, *attributes: dict[str, Any], policy: dict[str, Any] | None = None) -> dict[str, Any]:
    """The store has these, too, from now on."""
    [store] = customers.document["identity_stores"]
    names = {one["name"] for one in attributes}
    kept = [one for one in store["attributes"] if one["name"] not in names]
    document = {**customers.document, "identity_stores": [{**store, "attributes": [*kept, *attributes]}]}
    if policy is not None:
        document["self_service_policies"] = [{**customers.document["self_service_policies"][0], **policy}]
    applied: dict[str, Any] = await customers.configuration.apply(document)
    return applied


async def fill_in(customers: Any, flow: SignInFlow, **profile: Any) -> SignInFlow:
    body = RequiredActionRequest(profile=profile)
    done: SignInFlow = await customers.actions.act("demo", flow.id, body, customers.here)
    return done


def wrong(refused: Any) -> list[tuple[str, str]]:
    return [(one.field, one.code) for one in refused.value.errors]


@pytest.fixture
async def mira(customers):
    return await customers.join(email=EMAIL, username="mira", profile={"given_name": "Mira"})


class TestAsked:
    async def test_several_at_once(self, customers, mira):
        await require(customers, BIRTHDAY, ADDRESS)
        flow = await customers.sign_in(EMAIL)
        assert (flow.status, flow.actions, flow.next, flow.session) == ("needs_action", ["profile"], ["action"], None)
        assert [(one.name, one.type, one.label) for one in flow.attributes] == [
            ("birthday", "date", "Birthday"),
            ("home", "address", "Address"),
        ]
        assert await customers.sign_ins.read("demo", flow.id, customers.here) == flow
        done = await fill_in(customers, flow, birthday="1984-02-29", home=HOME)
        assert (done.status, done.attributes) == ("complete", [])
        [told] = await customers.told("profile_changed")
        assert (told["changed"], told["notices"]) == (["birthday", "home"], [])
        assert (await customers.sign_in(EMAIL)).status == "complete"

    async def test_all_of_them_and_nothing_else(self, customers, mira):
        await require(customers, BIRTHDAY, ADDRESS)
        flow = await customers.sign_in(EMAIL)
        with pytest.raises(ValidationFailed) as refused:
            await fill_in(customers, flow, birthday="yesterday", home={"country_code": "DE", "city": "Bonn"}, given_name="Bea")
        assert wrong(refused) == [
            ("/profile/given_name", "unknown_field"),
            ("/profile/birthday", "not_this_form"),
            ("/profile/home/street_address", "required"),
            ("/profile/home/postal_code", "required"),
        ]
        with pytest.raises(ValidationFailed) as refused:
            await fill_in(customers, flow, birthday="1984-02-29")
        assert wrong(refused) == [("/profile/home", "required")]
        assert (await customers.sign_ins.read("demo", flow.id, customers.here)).attributes == flow.attributes

    async def test_in_the_language_of_the_page(self, customers, mira):
        from dataclasses import replace

        await require(customers, BIRTHDAY)
        flow = await customers.sign_in(EMAIL, caller=replace(customers.here, language="de"))
        assert [one.label for one in flow.attributes] == ["Geburtstag"]

    async def test_a_box_may_stay_empty(self, customers, mira):
        """No is an answer."""
        await require(customers, {"name": "green", "type": "checkbox", "label": {"en": "Green power"}, "required": True})
        flow = await customers.sign_in(EMAIL)
        assert (await fill_in(customers, flow, green=False)).status == "complete"
        assert (await customers.sign_in(EMAIL)).status == "complete"

    async def test_one_of_another_type(self, customers, mira):
        """E20: what doesn't fit the type of now is missing; what does, isn't."""
        await require(customers, {**BIRTHDAY, "name": "given_name"})
        flow = await customers.sign_in(EMAIL)
        assert [one.type for one in flow.attributes] == ["date"]
        assert (await fill_in(customers, flow, given_name="1984-02-29")).status == "complete"
        await require(customers, {"name": "given_name", "type": "text", "label": {"en": "Name"}, "required": True})
        assert (await customers.sign_in(EMAIL)).status == "complete"

    async def test_a_username(self, customers):
        """That the store requires since."""
        [store] = customers.document["identity_stores"]
        optional = {**store, "identifiers": {**store["identifiers"], "username": {"use": "optional"}}}
        await customers.configuration.apply({**customers.document, "identity_stores": [optional]})
        await customers.join(email=EMAIL)
        assert (await customers.sign_in(EMAIL)).status == "complete"
        await customers.configuration.apply(customers.document)
        flow = await customers.sign_in(EMAIL)
        assert (flow.status, flow.actions) == ("needs_action", ["username"])
        done = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira"), customers.here)
        assert done.status == "complete"


class TestNobodyIsKeptOut:
    @pytest.mark.parametrize("place", ["hidden", "shown"])
    async def test_for_what_cannot_be_given(self, customers, mira, place: str):
        """Apply says so."""
        applied = await require(customers, {**BIRTHDAY, "in_portal": place})
        assert (await customers.sign_in(EMAIL)).status == "complete"
        assert [one["path"] for one in applied["warnings"]] == ["/identity_stores/0/attributes/2/required"]

    async def test_asked_at_registration_only(self, customers, mira):
        """As a new customer is."""
        applied = await require(customers, {**BIRTHDAY, "in_portal": "hidden", "at_registration": "shown"})
        assert applied["warnings"] == []
        assert (await customers.sign_in(EMAIL)).actions == ["profile"]

    async def test_where_the_portal_has_no_such_page(self, customers, mira):
        await require(customers, BIRTHDAY, policy={"personal_information": {"enabled": False}})
        assert (await customers.sign_in(EMAIL)).status == "complete"

    async def test_no_longer_required(self, customers, mira):
        """The attempt that waited has nothing to wait for; the next one goes through."""
        await require(customers, BIRTHDAY)
        flow = await customers.sign_in(EMAIL)
        await customers.configuration.apply(customers.document)
        assert (await customers.sign_ins.read("demo", flow.id, customers.here)).status == "ended"
        with pytest.raises(StepMissing):
            await fill_in(customers, flow, birthday="1984-02-29")
        assert (await customers.sign_in(EMAIL)).status == "complete"


class TestWithOthers:
    async def test_one_after_the_other(self, customers, db, mira):
        """A password, then attributes, then a factor: all before the session."""
        from identity.accounts import store as accounts

        await require(customers, BIRTHDAY)
        await customers.configuration.apply({"access_policies": [{"name": "Default", "second_factor": {"required": True}}]})
        async with db.transaction() as tx:
            await accounts.require(tx, mira, "password")
        customers.mfa.always = AccessState(decision="allow", enrol=["totp"])
        flow = await customers.sign_in(EMAIL)
        assert flow.actions == ["password", "profile", "factor"]
        customers.mfa.states[flow.id] = customers.mfa.always
        then = await customers.actions.act("demo", flow.id, RequiredActionRequest(password=customers.new), customers.here)
        assert then.actions == ["profile", "factor"]
        then = await fill_in(customers, flow, birthday="1984-02-29")
        assert (then.status, then.actions) == ("needs_action", ["factor"])
        customers.mfa.states[flow.id] = AccessState(decision="allow")
        assert (await customers.sign_ins.read("demo", flow.id, customers.here)).status == "complete"

    async def test_not_after_a_reset(self, customers, mira):
        """REC-6, LNK-7."""
        await require(customers, BIRTHDAY)
        flow = await customers.sign_in(EMAIL)
        await customers.changes.reset(mira, "demo", random_id(), customers.new, customers.elsewhere)
        with pytest.raises(FlowEnded):
            await fill_in(customers, flow, birthday="1984-02-29")
        async with customers.db.read() as conn:
            assert "birthday" not in await conn.fetchval("SELECT profile FROM account WHERE id = $1", mira)

    async def test_only_what_is_waited_for(self, customers, mira):
        await require(customers, BIRTHDAY)
        flow = await customers.sign_in(EMAIL)
        with pytest.raises(StepMissing):
            await customers.actions.act("demo", flow.id, RequiredActionRequest(username="other"), customers.here)
        await fill_in(customers, flow, birthday="1984-02-29")
        with pytest.raises(StepMissing):
            await fill_in(customers, flow, birthday="1984-02-29")

    @pytest.mark.parametrize("given", [{}, {"username": "a", "profile": {}}, {"password": "x" * 20, "profile": {}}])
    def test_one_at_a_time(self, given):
        with pytest.raises(ValidationError):
            RequiredActionRequest.model_validate(given)


def test_an_address_is_not_asked_for_at_registration():
    from identity.configuration import item_rules
    from identity.configuration.findings import Checked

    checked = Checked()
    store = IdentityStore.model_validate({"name": "Default", "attributes": [{**ADDRESS, "at_registration": "shown"}]})
    item_rules.check_store(checked, "", store)
    assert [path for path, _ in checked.errors] == ["/attributes/0/at_registration"]
