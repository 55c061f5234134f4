"""Workflows: a factor before the password, or instead of it, and the password alone (R43, ENU-1); mfa holds the first step."""

import asyncio
from dataclasses import replace

import pytest
from identity.reach.owners import Owners
from latchkey_contracts.http.access import AccessState, OwnerQuestion, SecondFactor
from latchkey_contracts.http.account import PasswordChange
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from latchkey_contracts.messages import Contact
from servicekit.errors import (
    CredentialsWrong,
    FeatureDisabled,
    FlowEnded,
    NotAllowedByPolicy,
    NotFound,
    Overloaded,
    StepMissing,
    ValidationFailed,
)
from servicekit.ids import random_id
from servicekit.sealing import Opener, Sealer

EMAIL, NOBODY = "mira@posteo.example", "nobody@posteo.example"
ALLOW = AccessState(decision="allow")


@pytest.fixture
async def mira(customers):
    """Her account's id."""
    return await customers.join(email=EMAIL, username="mira")


async def begin(customers, typed=EMAIL):
    return await customers.sign_ins.start("demo", SignInRequest(identifier=typed), customers.here)


async def read(customers, flow, caller=None):
    return await customers.sign_ins.read("demo", flow.id, caller or customers.here)


async def password(customers, flow, text=None):
    return await customers.sign_ins.password("demo", flow.id, PasswordRequest(password=text or customers.old), customers.here)


def prove(customers, flow, account_id, *methods):
    customers.mfa.states[flow.id] = AccessState(
        decision="proven", methods=list(methods or ("otp",)), proven_at=customers.db.clock.now(), account_id=account_id
    )


async def methods(db):
    async with db.read() as conn:
        return [row["methods"] for row in await conn.fetch("SELECT methods FROM session ORDER BY created_at")]


class TestAlike:
    @pytest.mark.parametrize("workflow", ["factor_only", "factor_then_password"])
    async def test_known_and_unknown(self, customers, mira, workflow):
        await customers.workflow(workflow)
        found = []
        for name in (EMAIL, NOBODY):
            flow = await begin(customers, name)
            shown = await read(customers, flow)
            found.append([one.model_dump(mode="json") | {"id": 0, "typed": 0} for one in (flow, shown)])
        assert found[0] == found[1]
        started = found[0][0]
        assert (started["status"], started["next"], started["delivery"]) == ("needs_factor", ["challenges", "passkey"], None)
        assert [(one["kind"], one["to"]) for one in started["factors"]] == [("email", None)]

    async def test_no_password_before_the_factor(self, customers, mira):
        await customers.workflow("factor_then_password")
        flow = await begin(customers)
        with pytest.raises(StepMissing):
            await password(customers, flow)
        body = SignInRequest(identifier=EMAIL, password=customers.old, client="api")
        with pytest.raises(ValidationFailed):
            await customers.sign_ins.start("demo", body, replace(customers.here, api_client=True))

    async def test_without_a_name(self, customers):
        """Only a passkey says by itself whose it is; the password after it asks for a name."""
        await customers.workflow("factor_only")
        assert ((flow := await begin(customers, None)).next, flow.factors) == (["passkey"], [])
        for workflow, more in (("factor_only", {"passkey": {"enabled": False}}), ("factor_then_password", {})):
            await customers.workflow(workflow, **more)
            with pytest.raises(ValidationFailed):
                await begin(customers, None)

    async def test_away(self, customers, mira):
        await customers.workflow("factor_only")
        flows = [await begin(customers, name) for name in (EMAIL, NOBODY)]
        customers.mfa.away = True
        for flow in flows:
            with pytest.raises(Overloaded):
                await read(customers, flow)


class TestFactorOnly:
    async def test_one_session(self, customers, mira, db):
        """INV-13: every open tab looks."""
        await customers.workflow("factor_only")
        customers.mfa.always = ALLOW
        flow = await begin(customers)
        prove(customers, flow, mira)
        found = await asyncio.gather(*(read(customers, flow) for _ in range(8)))
        assert sum(one.session is not None for one in found) == 1
        assert await methods(db) == [["otp"]]

    async def test_an_enrolled_factor_that_this_was_not(self, customers, mira, db):
        await customers.workflow("factor_only")
        await customers.second_factors.put(mira, SecondFactor(enrolled=True, version=1))
        flow = await begin(customers)
        prove(customers, flow, mira)
        customers.mfa.always = AccessState(decision="challenge")
        assert (await read(customers, flow)).status == "needs_factor"
        customers.mfa.states[flow.id] = AccessState(decision="proven", methods=["hwk"], proven_at=db.clock.now())
        assert (await read(customers, flow)).status == "complete"
        assert await methods(db) == [["otp", "hwk", "mfa"]]

    async def test_denied(self, customers, mira):
        await customers.workflow("factor_only")
        customers.mfa.always = AccessState(decision="deny")
        flow = await begin(customers)
        prove(customers, flow, mira)
        for _ in range(2):
            with pytest.raises(NotAllowedByPolicy):  # the window's own look may have been the first
                await read(customers, flow)

    async def test_what_is_required_comes_after_it(self, customers, mira):
        await customers.workflow("factor_only")
        customers.mfa.always = AccessState(decision="allow", enrol=["totp"])
        flow = await begin(customers)
        prove(customers, flow, mira)
        assert (await read(customers, flow)).actions == ["factor"]

    async def test_not_in_another_browser(self, customers, mira):
        await customers.workflow("factor_only")
        flow = await begin(customers)
        prove(customers, flow, mira)
        with pytest.raises(NotFound):
            await read(customers, flow, customers.elsewhere)

    async def test_of_a_frozen_account(self, customers, mira, db):
        from identity.accounts import store as accounts

        await customers.workflow("factor_only")
        customers.mfa.always = ALLOW
        flow = await begin(customers)
        prove(customers, flow, mira)
        async with db.transaction() as tx:
            await accounts.set_status(tx, mira, "frozen")
        assert (await read(customers, flow)).status == "ended"
        assert await methods(db) == []

    async def test_the_password_is_not_changed(self, customers, mira):
        """R43: refused here, not only hidden."""
        caller = replace(customers.here, account_id=mira, session_id=await _session(customers))
        await customers.workflow("factor_only")
        with pytest.raises(FeatureDisabled):
            await customers.changes.change(PasswordChange(current_password=customers.old, password=customers.new), caller)


async def _session(customers):
    await customers.sign_in(EMAIL)
    async with customers.db.read() as conn:
        return await conn.fetchval("SELECT id FROM session")


class TestFactorThenPassword:
    async def test_both(self, customers, mira, db):
        await customers.workflow("factor_then_password")
        customers.mfa.always = ALLOW
        flow = await begin(customers)
        prove(customers, flow, mira, "sms")
        shown = await read(customers, flow)
        assert (shown.status, shown.next) == ("password", ["password"])
        with pytest.raises(CredentialsWrong):
            await password(customers, flow, "not the password at all")
        assert (await password(customers, flow)).status == "complete"
        assert await methods(db) == [["pwd", "sms", "mfa"]]

    async def test_of_one_account(self, customers, mira):
        """The factor was hers, and the name isn't any more."""
        await customers.workflow("factor_then_password")
        other = await customers.join(email="lena@posteo.example", username="lena")
        flow = await begin(customers)
        prove(customers, flow, other)
        await read(customers, flow)
        with pytest.raises(FlowEnded):
            await password(customers, flow)

    async def test_wrong_passwords_end_it(self, customers, mira):
        await customers.workflow("factor_then_password")
        flow = await begin(customers)
        prove(customers, flow, mira)
        await read(customers, flow)
        for _ in range(3):
            with pytest.raises(CredentialsWrong):
                await password(customers, flow, "not the password at all")
        with pytest.raises(FlowEnded):
            await password(customers, flow)


class TestPasswordOnly:
    @pytest.mark.parametrize("enrolled", [True, False])
    async def test_nobody_is_asked(self, customers, mira, db, enrolled):
        """And so it goes on while mfa is away."""
        await customers.workflow("password_only")
        await customers.second_factors.put(mira, SecondFactor(enrolled=enrolled, version=1))
        customers.mfa.away = True
        assert (await customers.sign_in(EMAIL)).status == "complete"
        with pytest.raises(CredentialsWrong):
            await customers.sign_in(EMAIL, "not the password at all")
        assert await methods(db) == [["pwd"]]

    async def test_rules_are(self, customers, mira):
        rule = {"name": "night", "effect": "deny", "when": {"between": ["22:00", "06:00"]}}
        await customers.workflow("password_only", rules=[rule])
        customers.mfa.always = AccessState(decision="deny")
        with pytest.raises(NotAllowedByPolicy):
            await customers.sign_in(EMAIL)


class TestOwner:
    @pytest.fixture
    def owners(self, customers, keys):
        return Owners(customers.db, customers.configuration, Sealer(keys))

    def asked(self, customers, typed, channel="email", store_id=None):
        store = customers.configuration.application("demo").store.id
        return OwnerQuestion(application="demo", store_id=store_id or store, identifier=typed, channel=channel)

    @pytest.mark.parametrize("typed", [EMAIL, "mira", "MIRA@posteo.example"])
    async def test_by_any_of_her_names(self, customers, owners, keys, mira, typed):
        found = await owners.find(self.asked(customers, typed))
        assert (found.account_id, found.to) == (mira, "m•••@p•••")
        assert Opener(keys, customers.db.clock).open(found.contact, Contact).to == EMAIL

    async def test_only_what_is_proven(self, customers, owners, mira):
        found = await owners.find(self.asked(customers, EMAIL, "sms"))
        assert (found.account_id, found.contact) == (mira, None)

    async def test_nobody(self, customers, owners, mira, db):
        from identity.accounts import store as accounts

        assert (await owners.find(self.asked(customers, NOBODY))).account_id is None
        assert (await owners.find(self.asked(customers, EMAIL, store_id=random_id()))).account_id is None
        async with db.transaction() as tx:
            await accounts.set_status(tx, mira, "frozen")
        assert (await owners.find(self.asked(customers, EMAIL))).account_id is None

    async def test_not_before_activation(self, customers, owners):
        await customers.register(email="new@posteo.example", username="newcomer")
        assert (await owners.find(self.asked(customers, "new@posteo.example"))).account_id is None
