"""D32: a factor that the policy requires is added before the session; mfa holds it, and the window that asked goes on here."""

import pytest
from latchkey_contracts.http.access import AccessState, SecondFactor
from latchkey_contracts.http.sign_in import RequiredActionRequest
from servicekit.errors import NotFound, Overloaded
from servicekit.ids import random_id

EMAIL = "mira@posteo.example"
REQUIRED = AccessState(decision="allow", enrol=["totp", "email"])
POLICY = {"access_policies": [{"name": "Default", "second_factor": {"required": True}}]}


@pytest.fixture
async def asked(customers):
    """Mira's sign-in waits for a factor to be added."""
    account_id = await customers.join(email=EMAIL, username="mira")
    await customers.configuration.apply({**customers.document, **POLICY})
    customers.mfa.always = REQUIRED
    flow = await customers.sign_in(EMAIL)
    assert (flow.status, flow.actions, flow.enrol, flow.next) == ("needs_action", ["factor"], ["totp", "email"], ["factors"])
    customers.mfa.states[flow.id] = REQUIRED
    return flow.id, account_id


def read(customers, flow_id, caller=None):
    return customers.sign_ins.read("demo", flow_id, caller or customers.here)


async def test_no_session_before_it(customers, asked):
    flow, _ = asked
    found = await read(customers, flow)
    assert (found.status, found.session, found.enrol) == ("needs_action", None, ["totp", "email"])


async def test_added(customers, asked, db):
    flow, account_id = asked
    await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=1))
    customers.mfa.states[flow] = AccessState(decision="allow")
    done = await read(customers, flow)
    assert (done.status, done.session is not None) == ("complete", True)
    assert (await read(customers, flow)).session is None
    async with db.read() as conn:
        assert await conn.fetchval("SELECT methods FROM session") == ["pwd"]


async def test_ended_where_one_was_added_elsewhere(customers, asked):
    flow, _ = asked
    customers.mfa.states[flow] = AccessState(decision="ended")
    assert (await read(customers, flow)).status == "ended"


async def test_not_after_the_password_was_changed(customers, asked):
    """LNK-7: and mfa, which asks here, adds nothing then."""
    flow, account_id = asked
    await customers.changes.reset(account_id, "demo", random_id(), customers.new, customers.here)
    customers.mfa.states[flow] = AccessState(decision="allow")
    assert (await read(customers, flow)).status == "ended"


async def test_not_in_another_browser(customers, asked):
    flow, _ = asked
    with pytest.raises(NotFound):
        await read(customers, flow, customers.elsewhere)


async def test_away(customers, asked):
    flow, _ = asked
    customers.mfa.away = True
    with pytest.raises(Overloaded):
        await read(customers, flow)


async def test_beside_another_action(customers, db):
    from identity.accounts import store as accounts

    account_id = await customers.join(email=EMAIL, username="mira")
    await customers.configuration.apply({**customers.document, **POLICY})
    async with db.transaction() as tx:
        await accounts.require(tx, account_id, "username")
    customers.mfa.always = REQUIRED
    flow = await customers.sign_in(EMAIL)
    assert (flow.actions, flow.next) == (["username", "factor"], ["action", "factors"])
    customers.mfa.states[flow.id] = REQUIRED
    found = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira.too"), customers.here)
    assert (found.status, found.actions) == ("needs_action", ["factor"])
    customers.mfa.states[flow.id] = AccessState(decision="allow")
    assert (await read(customers, flow.id)).status == "complete"


async def test_after_a_factor(customers, asked, db):
    """Its methods stay."""
    _, account_id = asked
    await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=1))
    customers.mfa.always = None
    flow = await customers.sign_in(EMAIL)
    assert flow.status == "needs_factor"
    proven = AccessState(decision="proven", methods=["otp"], proven_at=db.clock.now(), enrol=["totp"])
    customers.mfa.states[flow.id] = proven
    assert (await read(customers, flow.id)).actions == ["factor"]
    customers.mfa.states[flow.id] = proven.model_copy(update={"enrol": []})
    assert (await read(customers, flow.id)).status == "complete"
    async with db.read() as conn:
        assert await conn.fetchval("SELECT methods FROM session") == ["pwd", "otp", "mfa"]
