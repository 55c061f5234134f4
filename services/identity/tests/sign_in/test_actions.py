"""What is newly required before the first session (D32, PWD-7), against a real database: for whoever's proof still stands."""

from typing import Any

import pytest
from identity.accounts import store as accounts
from latchkey_contracts.http.sign_in import RequiredActionRequest, SignInFlow
from servicekit.errors import FlowEnded, StepMissing
from servicekit.ids import random_id

EMAIL = "other@posteo.example"


@pytest.fixture
async def waiting(customers, clock) -> SignInFlow:
    """A right password of an account whose username was taken."""
    await customers.join(email="mira@posteo.example", username="mira")
    clock.move(30)
    await customers.join(email=EMAIL, username="mira")
    flow = await customers.sign_in(EMAIL)
    assert (flow.status, flow.actions) == ("needs_action", ["username"])
    return flow


async def choose(customers: Any, flow: SignInFlow, **what: str) -> SignInFlow:
    done: SignInFlow = await customers.actions.act("demo", flow.id, RequiredActionRequest(**what), customers.here)
    return done


async def live_sessions(customers: Any) -> int:
    async with customers.db.read() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM session"))


class TestUsername:
    async def test_then_the_session(self, customers, waiting):
        """D32."""
        assert (await choose(customers, waiting, username="other")).status == "complete"

    async def test_read_again_it_says_what_it_waits_for(self, customers, waiting):
        found = await customers.sign_ins.read("demo", waiting.id, customers.here)
        assert (found.status, found.next, found.actions) == ("needs_action", ["action"], ["username"])
        await choose(customers, waiting, username="other")
        found = await customers.sign_ins.read("demo", waiting.id, customers.here)
        assert (found.status, found.next, found.actions) == ("complete", [], [])

    async def test_read_after_a_reset_it_has_ended(self, customers, waiting):
        """REC-6: nor does it tell what is required of the account since."""
        await customers.changes.reset(await customers.account(EMAIL), "demo", random_id(), customers.new, customers.elsewhere)
        found = await customers.sign_ins.read("demo", waiting.id, customers.here)
        assert (found.status, found.next, found.actions) == ("ended", [], [])

    async def test_not_after_a_reset(self, customers, waiting):
        """REC-6, LNK-7: whoever knows the old password alone is out, wherever they had got to."""
        await customers.changes.reset(await customers.account(EMAIL), "demo", random_id(), customers.new, customers.elsewhere)
        with pytest.raises(FlowEnded):
            await choose(customers, waiting, username="other")
        assert await live_sessions(customers) == 0

    @pytest.mark.parametrize("status", ["frozen", "disabled"])
    async def test_not_of_a_closed_account(self, customers, waiting, status: str):
        """REC-6: "this wasn't me" ends this, too."""
        async with customers.db.transaction() as tx:
            await accounts.set_status(tx, await customers.account(EMAIL), status)
        with pytest.raises(FlowEnded):
            await choose(customers, waiting, username="other")
        assert await live_sessions(customers) == 0


class TestPassword:
    @pytest.fixture
    async def both(self, customers, waiting) -> SignInFlow:
        """A new password is wanted, too (PWD-7)."""
        async with customers.db.transaction() as tx:
            await accounts.require(tx, await customers.account(EMAIL), "password")
        return waiting

    async def test_the_next_step_goes_on_with_the_new_one(self, customers, both):
        """The flow itself has set it, so its proof stands."""
        then = await choose(customers, both, password=customers.new)
        assert (then.status, then.actions) == ("needs_action", ["username"])
        assert (await choose(customers, both, username="other")).status == "complete"

    async def test_not_after_a_change(self, customers, both):
        """REC-6: nor does it tell whether a guess is the new password."""
        await choose(customers, await customers.sign_in(EMAIL), password=customers.new)
        for guess in (customers.new, "quite another set of words"):
            with pytest.raises(FlowEnded):
                await choose(customers, both, password=guess)

    async def test_not_where_none_is_wanted(self, customers, waiting):
        with pytest.raises(StepMissing):
            await choose(customers, waiting, password=customers.old)
