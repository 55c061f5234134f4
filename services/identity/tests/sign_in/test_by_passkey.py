"""Sign-in by a passkey instead of name and password: what identity makes of mfa's word (MFA-3, ENU-1, D32, LNK-7)."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from identity.accounts import store as accounts
from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.errors import FlowEnded, PasskeyWrong

from .test_service import CALLER, OLD, live_sessions, made, sign_in

__all__ = ["made"]
MFA = replace(CALLER, service="mfa")


class Signing:
    def __init__(self, customers: Any, made: Any) -> None:
        self.customers, self.db = customers, customers.db
        self.sign_ins, _, self.account_id = made

    async def begin(self, identifier: str | None = None) -> Any:
        return await self.sign_ins.start("demo", SignInRequest(identifier=identifier), CALLER)

    def prove(self, flow_id: UUID, account_id: UUID | None = None, *methods: str) -> None:
        state = AccessState(
            decision="proven",
            methods=list(methods or ("hwk",)),
            proven_at=self.db.clock.now(),
            account_id=account_id or self.account_id,
        )
        self.customers.mfa.states[flow_id] = state

    async def read(self, flow_id: UUID, caller: Any = MFA) -> Any:
        return await self.sign_ins.read("demo", flow_id, caller)


@pytest.fixture
def signing(customers, made) -> Signing:
    return Signing(customers, made)


async def test_offered_to_everybody_alike(signing):
    """ENU-1."""
    flows = [await signing.begin(name) for name in (None, "mira@posteo.example", "nobody@posteo.example")]
    assert [one.next for one in flows] == [["password", "passkey"]] * 3


async def test_leads_to_one_session(signing):
    """INV-13: whoever asks again at once, the session is told once; it says what was proven."""
    flow = await signing.begin()
    signing.prove(flow.id)
    found = await asyncio.gather(*(signing.read(flow.id) for _ in range(8)))
    assert [one.status for one in found] == ["complete"] * 8
    assert sum(one.session is not None for one in found) == 1
    async with signing.db.read() as conn:
        assert await conn.fetchval("SELECT methods FROM session") == ["hwk", "mfa"]


async def test_only_mfa_is_heard(signing):
    """A look of the window asks nobody, while a password would do as well."""
    flow = await signing.begin()
    signing.prove(flow.id)
    assert (await signing.read(flow.id, CALLER)).status == "password"
    signing.customers.mfa.states.clear()
    assert (await signing.read(flow.id)).status == "password"


async def test_by_nothing_but_a_passkey(signing):
    """One factor of another kind is too little here."""
    flow = await signing.begin()
    signing.prove(flow.id, None, "otp")
    assert (await signing.read(flow.id)).status == "password"
    assert await live_sessions(signing.db) == 0


async def test_of_a_locked_account(signing):
    """LNK-7: and the flow is over, so that it leads nowhere once the account is open again."""
    flow = await signing.begin()
    signing.prove(flow.id)
    async with signing.db.transaction() as tx:
        await accounts.set_status(tx, signing.account_id, "frozen")
    with pytest.raises(PasskeyWrong):
        await signing.read(flow.id)
    async with signing.db.transaction() as tx:
        await accounts.set_status(tx, signing.account_id, "active")
    assert (await signing.read(flow.id)).status == "ended"
    assert await live_sessions(signing.db) == 0


async def test_of_another_store_or_nobody(signing):
    for account_id in (uuid4(), signing.account_id):
        flow = await signing.begin()
        signing.prove(flow.id, account_id)
        async with signing.db.transaction() as tx:
            await tx.execute("UPDATE account SET store_id = $1", uuid4())
        with pytest.raises(PasskeyWrong):
            await signing.read(flow.id)


async def test_what_is_newly_required_comes_first(signing):
    """D32."""
    async with signing.db.transaction() as tx:
        await accounts.require(tx, signing.account_id, "username")
    flow = await signing.begin()
    signing.prove(flow.id)
    done = await signing.read(flow.id)
    assert (done.status, done.actions, done.session) == ("needs_action", ["username"], None)


async def test_somebody_else_s_password_in_the_same_flow(signing):
    """What one person proved at mfa is nobody else's second factor."""
    flow = await signing.begin("mira@posteo.example")
    signing.prove(flow.id, uuid4())
    with pytest.raises(FlowEnded):
        await signing.sign_ins.password("demo", flow.id, PasswordRequest(password=OLD), CALLER)
    assert await live_sessions(signing.db) == 0


async def test_as_the_second_factor(signing):
    flow = await sign_in(signing.sign_ins, OLD)
    signing.prove(flow.id)
    assert (await signing.read(flow.id, CALLER)).status == "complete"
    async with signing.db.read() as conn:
        assert await conn.fetchval("SELECT methods FROM session") == ["pwd", "hwk", "mfa"]


async def test_too_late(signing):
    flow = await signing.begin()
    signing.prove(flow.id)
    signing.db.clock.move(601)
    assert (await signing.read(flow.id)).status == "ended"


async def test_where_there_are_no_passwords(signing):
    """R43: without any name it is the first step, and the only one."""
    await signing.customers.workflow("factor_only")
    flow = await signing.begin()
    assert (flow.status, flow.next) == ("needs_factor", ["passkey"])
    signing.prove(flow.id)
    assert (await signing.read(flow.id)).status == "complete"
