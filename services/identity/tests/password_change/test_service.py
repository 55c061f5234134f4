"""A password changed in the portal, against a real database: what is counted, and what is done once (PWD-6, BRF-1)."""

import asyncio
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from identity.sessions import store as sessions
from latchkey_contracts.http.access import SecondFactor
from latchkey_contracts.http.account import PasswordChange
from latchkey_contracts.http.sign_in import RequiredActionRequest
from latchkey_contracts.http.step_up import StepUpRequest
from servicekit.errors import ServiceError, StepUpRequired
from servicekit.ids import random_id
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Replay


@pytest.fixture
async def mira(customers, db) -> Caller:
    """Signed in."""
    account_id = await customers.join(email="mira@posteo.example", username="mira")
    await customers.sign_in("mira@posteo.example")
    async with db.read() as conn:
        (session,) = await sessions.live(conn, account_id)
    return replace(customers.here, account_id=account_id, session_id=session.id)


async def change(customers: Any, caller: Caller, current: str | None, password: str) -> int:
    """What the customer is told; 204: done."""
    try:
        await customers.changes.change(PasswordChange(current_password=current, password=password), caller)
    except ServiceError as error:
        return error.status
    return 204


class TestOnce:
    """API-4, E19."""

    @pytest.fixture
    def keyed(self, mira) -> Caller:
        return replace(mira, idempotency_key="11" * 32, fingerprint="body-1")

    async def test_a_repetition_gets_the_first_answer(self, customers, keyed):
        """Also where the current password isn't any more; and it is no wrong one that would count."""
        assert await change(customers, keyed, customers.old, customers.new) == 204
        for _ in range(7):
            with pytest.raises(Replay) as again:
                await change(customers, keyed, customers.old, customers.new)
            assert (again.value.status, again.value.body) == (204, None)
        assert len(await customers.told("password_changed")) == 1

    async def test_twins_at_once(self, customers, keyed):
        """Each is done or told what was done."""
        twins = (change(customers, keyed, customers.old, customers.new) for _ in range(4))
        found = await asyncio.gather(*twins, return_exceptions=True)
        assert found.count(204) == 1
        assert all(one == 204 or isinstance(one, Replay) for one in found), found
        assert len(await customers.told("password_changed")) == 1

    async def test_a_refusal_is_not_kept(self, customers, keyed):
        assert await change(customers, keyed, "not the password at all", customers.new) == 403
        assert await change(customers, keyed, customers.old, customers.new) == 204

    async def test_another_body_is_another_request(self, customers, keyed):
        assert await change(customers, keyed, customers.old, customers.new) == 204
        assert await change(customers, replace(keyed, fingerprint="body-2"), customers.new, customers.old) == 409


class TestByGrant:
    """STP-1, STP-2: fresh authentication in place of the current password, and where there is a factor always."""

    @pytest.fixture
    def granted(self, customers, mira) -> Any:
        async def make(prove: bool = False, action: str = "password.change") -> Caller:
            flow = await customers.step_ups.start(StepUpRequest(action=action), mira)
            if prove:
                customers.mfa.prove(flow.id, customers.db.clock.now())
                done = await customers.step_ups.read(flow.id, mira)
            else:
                done = await customers.step_ups.password(flow.id, customers.old, mira)
            return replace(mira, step_up=done.grant)

        return make

    async def test_without_the_current_one(self, customers, mira, granted):
        caller = await granted()
        assert await change(customers, mira, None, customers.new) == 403
        assert await change(customers, await granted(action="sessions.end"), None, customers.new) == 403
        assert await change(customers, caller, None, "short") == 422, "and the grant is not spent by that"
        assert await change(customers, caller, None, customers.new) == 204
        assert await change(customers, caller, None, "once more, and long enough") == 403

    async def test_with_a_factor_the_current_one_is_too_little(self, customers, mira, granted):
        by_password = await granted()
        await customers.second_factors.put(mira.account_id, SecondFactor(enrolled=True, version=1))
        assert await change(customers, mira, customers.old, customers.new) == 403
        assert await change(customers, mira, "not the password at all", customers.new) == 403
        assert await change(customers, by_password, None, customers.new) == 403, "given before there was a factor"
        assert await change(customers, await granted(prove=True), customers.old, customers.new) == 204

    async def test_fifty_at_once(self, customers, mira, granted):
        caller = await granted()
        found = await asyncio.gather(*(change(customers, caller, None, f"{customers.new} {one}") for one in range(50)))
        assert found.count(204) == 1
        assert set(found) <= {204, 403, 410}

    async def test_of_no_use_for_guessing(self, customers, mira):
        """Without a grant nobody is told whether this is the password of now."""
        with pytest.raises(StepUpRequired):
            await customers.changes.change(PasswordChange(password=customers.old), mira)


class TestReset:
    async def test_a_pending_account_lacks_its_username(self, customers):
        """D5, D32: nothing of the attempt is taken over, so what the store requires is asked for at the first sign-in."""
        await customers.register(email="mira@posteo.example", username="mira")
        await customers.changes.reset(
            await customers.account("mira@posteo.example"), "demo", random_id(), customers.new, customers.elsewhere
        )
        flow = await customers.sign_in("mira@posteo.example", customers.new)
        assert (flow.status, flow.actions) == ("needs_action", ["username"])
        done = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira"), customers.here)
        assert done.status == "complete"

    async def test_nothing_is_asked_of_whom_the_store_asks_nothing(self, customers):
        document = deepcopy(customers.document)
        document["identity_stores"][0]["identifiers"]["username"] = {"use": "optional"}
        await customers.configuration.apply(document)
        await customers.register(email="mira@posteo.example")
        await customers.changes.reset(
            await customers.account("mira@posteo.example"), "demo", random_id(), customers.new, customers.elsewhere
        )
        assert (await customers.sign_in("mira@posteo.example", customers.new)).status == "complete"


class TestPurge:
    async def test_resets_are_remembered_for_30_days(self, customers, mira, clock):
        """A flow's last call may be repeated as long as the flow lives, not for ever."""
        assert mira.account_id is not None
        flow_id, reset = random_id(), partial(customers.changes.reset, mira.account_id, "demo")
        await reset(flow_id, customers.new, customers.elsewhere)
        clock.move(29 * 86400)
        await customers.changes.purge()
        assert await reset(flow_id, customers.old, customers.elsewhere) is False
        clock.move(86401)
        await customers.changes.purge()
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM completed_reset") == 0


class TestSlowedDown:
    async def test_twenty_at_once(self, customers, mira):
        """BRF-1, INV-13: as many are looked at as one after the other would be."""
        tries = (change(customers, mira, "not the password at all", customers.new) for _ in range(20))
        assert sorted(await asyncio.gather(*tries)) == [403] * 5 + [429] * 15

    async def test_right_ones_are_not_counted(self, customers, mira):
        """PWD-4: whoever looks for a password that will do may look as long as it takes."""
        assert [await change(customers, mira, customers.old, "short") for _ in range(7)] == [422] * 7
        assert await change(customers, mira, customers.old, customers.new) == 204
