"""STP-1, STP-2: fresh authentication by the strongest of what the account has, for one call of one action with one payload."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from latchkey_contracts.http.access import AccessState, SecondFactor
from latchkey_contracts.http.step_up import StepUpRequest
from servicekit.errors import CredentialsWrong, FlowEnded, NotFound, Overloaded, StepMissing, StepUpRequired, TooManyRequests
from servicekit.web.caller import Caller
from servicekit.web.step_up import StepUps

EMAIL = "mira@posteo.example"
ADD = StepUpRequest(action="factor.add", payload={"kind": "totp", "target": None})
WRONG = "not the password at all"


@pytest.fixture
async def mira(customers, db) -> Caller:
    """Signed in."""
    account_id = await customers.join(email=EMAIL, username="mira")
    await customers.sign_in(EMAIL)
    async with db.read() as conn:
        session_id = await conn.fetchval("SELECT id FROM session WHERE account_id = $1", account_id)
    return replace(customers.here, account_id=account_id, session_id=session_id)


@pytest.fixture
async def with_app(customers, mira: Caller) -> Caller:
    await customers.second_factors.put(mira.account_id, SecondFactor(enrolled=True, version=1))
    return mira


async def granted(customers: Any, caller: Caller, body: StepUpRequest = ADD) -> str:
    flow = await customers.step_ups.start(body, caller)
    done = await customers.step_ups.password(flow.id, customers.old, caller)
    assert done.status == "complete"
    return str(done.grant)


class TestMethods:
    """What `step_up_required` says: by what it can be done now."""

    async def test_the_password_where_there_is_no_factor(self, customers, mira):
        """Nobody else is asked."""
        customers.mfa.away = True
        assert await customers.step_ups.methods(mira) == ["password"]

    async def test_factors_where_there_are(self, customers, with_app):
        assert await customers.step_ups.methods(with_app) == ["passkey", "totp"]

    async def test_nobody_can_tell(self, customers, with_app):
        customers.mfa.away = True
        with pytest.raises(Overloaded):
            await customers.step_ups.methods(with_app)


class TestByPassword:
    async def test_where_there_is_no_factor(self, customers, mira):
        flow = await customers.step_ups.start(ADD, mira)
        assert (flow.status, flow.next, flow.grant) == ("password", ["password"], None)
        assert await granted(customers, mira)

    async def test_a_wrong_one(self, customers, mira):
        flow = await customers.step_ups.start(ADD, mira)
        for _ in range(3):
            with pytest.raises(CredentialsWrong):
                await customers.step_ups.password(flow.id, WRONG, mira)
        with pytest.raises(FlowEnded):
            await customers.step_ups.password(flow.id, customers.old, mira)
        assert (await customers.step_ups.read(flow.id, mira)).status == "ended"

    async def test_is_slowed_down_over_all_flows(self, customers, mira):
        """BRF-1: a session in a stranger's hands is no place to guess."""
        told = []
        for _ in range(6):
            flow = await customers.step_ups.start(ADD, mira)
            with pytest.raises((CredentialsWrong, TooManyRequests)) as refused:
                await customers.step_ups.password(flow.id, WRONG, mira)
            told.append(refused.type)
        assert told == [CredentialsWrong] * 5 + [TooManyRequests]

    async def test_another_session_sees_nothing_of_it(self, customers, mira):
        flow = await customers.step_ups.start(ADD, mira)
        for stranger in (replace(mira, session_id=UUID(int=1)), replace(mira, account_id=UUID(int=1))):
            with pytest.raises(NotFound):
                await customers.step_ups.read(flow.id, stranger)
            with pytest.raises(NotFound):
                await customers.step_ups.password(flow.id, customers.old, stranger)

    async def test_mfa_away_is_no_matter(self, customers, mira):
        customers.mfa.away = True
        assert await granted(customers, mira)


class TestByFactor:
    async def test_where_there_is_one_the_password_is_too_little(self, customers, with_app, db):
        """STP-1: the highest level that the account has."""
        flow = await customers.step_ups.start(ADD, with_app)
        assert (flow.status, [one.kind for one in flow.factors]) == ("needs_factor", ["totp"])
        with pytest.raises(StepMissing):
            await customers.step_ups.password(flow.id, customers.old, with_app)
        assert (await customers.step_ups.read(flow.id, with_app)).grant is None
        customers.mfa.prove(flow.id, db.clock.now())
        done = await customers.step_ups.read(flow.id, with_app)
        assert (done.status, done.grant is not None) == ("complete", True)
        assert (await customers.step_ups.read(flow.id, with_app)).grant == done.grant

    @pytest.mark.parametrize(
        ("payload", "about"),
        [({"kind": "phone", "target": "+4915112345678"}, "•••78"), ({"kind": "email", "target": "mira@posteo.example"}, "m•••@p•••"),
         ({"kind": "totp", "target": None}, None), ({"kind": "phone", "target": 7}, None), (None, None)],
    )  # fmt: skip
    async def test_its_message_says_what_for(self, customers, with_app, payload, about):
        """OTP-10: the action, and the new value masked."""
        await customers.step_ups.start(StepUpRequest(action="factor.add", payload=payload), with_app)
        assert (customers.mfa.asked[-1].action, customers.mfa.asked[-1].about) == ("factor.add", about)

    async def test_enrolled_meanwhile(self, customers, mira):
        flow = await customers.step_ups.start(ADD, mira)
        await customers.second_factors.put(mira.account_id, SecondFactor(enrolled=True, version=1))
        with pytest.raises(FlowEnded):
            await customers.step_ups.password(flow.id, customers.old, mira)

    async def test_mfa_away(self, customers, with_app):
        customers.mfa.away = True
        with pytest.raises(Overloaded):
            await customers.step_ups.start(ADD, with_app)

    async def test_too_many_wrong_codes(self, customers, with_app):
        flow = await customers.step_ups.start(ADD, with_app)
        customers.mfa.states[flow.id] = AccessState(decision="ended")
        assert (await customers.step_ups.read(flow.id, with_app)).status == "ended"


class TestGrant:
    """At the point where the action is executed."""

    @pytest.fixture
    def redeem(self, keys, db) -> Any:
        async def run(caller: Caller, grant: str | None, action: str = "factor.add", **payload: Any) -> Any:
            async with db.transaction() as tx:
                told = payload or {"target": None, "kind": "totp"}
                return await StepUps(keys).redeem(tx, replace(caller, step_up=grant), action, told)

        return run

    async def test_once(self, customers, mira, redeem):
        grant = await granted(customers, mira)
        assert await redeem(mira, grant) == ["pwd"]
        with pytest.raises(StepUpRequired) as refused:
            await redeem(mira, grant)
        assert refused.value.extra == {"action": "factor.add", "payload": {"kind": "totp", "target": None}}

    async def test_one_of_fifty_at_once(self, customers, mira, redeem):
        grant = await granted(customers, mira)
        found = await asyncio.gather(*(redeem(mira, grant) for _ in range(50)), return_exceptions=True)
        assert sum(one == ["pwd"] for one in found) == 1
        assert sum(isinstance(one, StepUpRequired) for one in found) == 49

    async def test_for_nothing_else(self, customers, mira, redeem):
        grant = await granted(customers, mira)
        for other in (
            redeem(mira, grant, "factor.remove"),
            redeem(mira, grant, kind="phone"),
            redeem(replace(mira, session_id=UUID(int=1)), grant),
            redeem(replace(mira, account_id=UUID(int=1)), grant),
            redeem(mira, None),
            redeem(mira, grant[:-4] + "AAAA"),
            redeem(mira, "x"),
        ):
            with pytest.raises(StepUpRequired):
                await other
        assert await redeem(mira, grant) == ["pwd"], "what was refused used nothing up"

    async def test_no_token_of_another_kind(self, mira, redeem, keys, db):
        from servicekit.web.caller import Signer

        with pytest.raises(StepUpRequired):
            await redeem(mira, Signer("identity", keys, db.clock).sign(mira, "mfa"))

    async def test_five_minutes(self, customers, mira, redeem, db):
        grant = await granted(customers, mira)
        db.clock.move(301)
        with pytest.raises(StepUpRequired):
            await redeem(mira, grant)
