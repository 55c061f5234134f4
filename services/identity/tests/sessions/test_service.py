"""Sessions that end together, and what gateways that remember them are told, against a real database (SES-3, SES-4, PWD-6)."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest
from identity.accounts import store as accounts
from identity.sessions import store
from identity.sessions.ending import Endings
from identity.sessions.routes import router
from identity.sessions.service import Sessions
from servicekit.clock import ManualClock
from servicekit.context import new_trace, use_trace
from servicekit.db import Database
from servicekit.errors import CredentialsWrong
from servicekit.keys import Keys
from servicekit.proof import hash_token, new_token
from servicekit.web.caller import HEADER, Caller, Signer
from servicekit.web.http import create_internal_app
from servicekit.web.idempotency import Idempotency
from servicekit.web.step_up import StepUps

LIFETIME, IDLE = timedelta(hours=12), timedelta(minutes=30)


@pytest.fixture
async def account(db: Database) -> UUID:
    async with db.transaction() as tx:
        account_id = await accounts.insert(tx, uuid4(), "en")
        await accounts.set_status(tx, account_id, "active")
    return account_id


async def start(db: Database, account_id: UUID) -> UUID:
    session_id = uuid4()
    async with db.transaction() as tx:
        await store.insert(
            tx,
            session_id,
            account_id,
            application="demo",
            token_hash=hash_token(new_token()),
            methods=["pwd"],
            device=None,
            ip=None,
            idle=IDLE,
            expires_at=tx.now + LIFETIME,
            authenticated_at=tx.now,
            beside=19,
        )
    return session_id


class TestTouch:
    async def touch(self, db: Database, *ids: UUID) -> list[UUID]:
        return await Sessions(db).touch([(one, db.clock.now()) for one in ids])

    async def test_live_ones(self, db: Database, account: UUID) -> None:
        assert await self.touch(db, await start(db, account), await start(db, account)) == []
        assert await self.touch(db) == []

    async def test_revoked_and_unknown(self, db: Database, account: UUID) -> None:
        revoked, live, unknown = await start(db, account), await start(db, account), uuid4()
        async with db.transaction() as tx:
            await Sessions(db).revoke(tx, revoked, "signed_out")
        assert set(await self.touch(db, revoked, live, unknown)) == {revoked, unknown}

    async def test_beyond_its_end(self, db: Database, account: UUID, clock: ManualClock) -> None:
        session_id = await start(db, account)
        clock.move(LIFETIME.total_seconds())
        assert await self.touch(db, session_id) == [session_id]

    async def test_of_a_disabled_account(self, db: Database, account: UUID) -> None:
        session_id = await start(db, account)
        async with db.transaction() as tx:
            await accounts.set_status(tx, account, "disabled")
        assert await self.touch(db, session_id) == [session_id]

    async def test_used_at_a_gateway_alone(self, db: Database, account: UUID, clock: ManualClock) -> None:
        """SES-3: idle is the gateway's to say, which hears of the use first."""
        session_id = await start(db, account)
        clock.move(2 * IDLE.total_seconds())
        assert await self.touch(db, session_id) == []

    async def test_the_answer(self, db: Database, account: UUID, keys: Keys, clock: ManualClock) -> None:
        """The gateway of the release before reads `touched` alone (REL-14)."""
        live, unknown = await start(db, account), uuid4()
        app = create_internal_app(
            "identity",
            [router(Sessions(db), Endings(db, Sessions(db), StepUps(keys), Idempotency(keys)))],
            keys=keys,
            clock=clock,
        )
        headers = {HEADER: Signer("gateway", keys, clock).sign(Caller("gateway"), "identity")}
        seen = {str(one): clock.now().isoformat() for one in (live, unknown)}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://identity") as client:
            answer = await client.post("/internal/sessions/touch", json={"seen": seen}, headers=headers)
        assert answer.json() == {"touched": 2, "gone": [str(unknown)]}


class TestRevokeOthers:
    async def test_idle_ones_too(self, customers, clock):
        """PWD-6: their last use may still be on its way from a gateway, and would bring them back."""
        account_id = await customers.join(email="mira@posteo.example", username="mira")
        for caller in (customers.here, customers.elsewhere):
            await customers.sign_in("mira@posteo.example", caller=caller)
            clock.move(1)
        async with customers.db.read() as conn:
            own, other = [row.id for row in await store.live(conn, account_id)]
        clock.move(1700)
        used = clock.now()
        clock.move(130)
        await customers.sessions.touch([(own, used)])
        async with customers.db.transaction() as tx:
            assert await customers.sessions.revoke_others(tx, account_id, own, "password_changed") == 0, "none was signed in"
        await customers.sessions.touch([(other, used)])
        async with customers.db.read() as conn:
            assert [row.id for row in await store.live(conn, account_id)] == [own]
        assert [one["session_id"] for one in await customers.told("session_revoked")] == [str(other)]

    async def test_live_ones_are_counted(self, customers, clock):
        account_id = await customers.join(email="mira@posteo.example", username="mira")
        for _ in range(3):
            await customers.sign_in("mira@posteo.example")
            clock.move(1)
        async with customers.db.read() as conn:
            own = (await store.live(conn, account_id))[1].id
        async with customers.db.transaction() as tx:
            assert await customers.sessions.revoke_others(tx, account_id, own, "password_changed") == 2
        async with customers.db.read() as conn:
            assert [row.id for row in await store.live(conn, account_id)] == [own]


class TestTold:
    async def test_whose_and_by_whom(self, customers, db: Database, clock):
        """EVT-5: every way in which sessions end names the store, whoever ended them; a failed sign-in was nobody's that we know."""
        account_id = await customers.join(email="mira@posteo.example", username="mira")
        for _ in range(2):
            await customers.sign_in("mira@posteo.example")
            clock.move(1)
        async with db.read() as conn:
            first, _second = [row.id for row in await store.live(conn, account_id)]
        with pytest.raises(CredentialsWrong):
            await customers.sign_in("mira@posteo.example", "some other password")
        await customers.work()
        with use_trace(new_trace(authtype="unauthenticated")):
            await customers.sessions.sign_out(replace(customers.here, account_id=account_id, session_id=first))
        with use_trace(new_trace(authtype="admin")):
            await customers.sessions.disable_account(account_id)
        store_id = str(customers.configuration.application("demo").store.id)
        async with db.read() as conn:
            rows = await conn.fetch("SELECT attributes FROM outbox WHERE subject = $1 ORDER BY id", str(account_id))
        said = [(one["attributes"]["type"].split(".")[2], one["attributes"].get("authtype")) for one in rows]
        assert {one["attributes"].get("tenant") for one in rows} == {store_id}
        assert ("sign_in_failed", "unauthenticated") in said
        assert [one for one in said if one[0] == "session_revoked"] == [("session_revoked", "user"), ("session_revoked", "admin")]
