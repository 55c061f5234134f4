"""Sessions: opaque tokens with idle and absolute limits, ended at the backend at once (SES-1 to SES-4, SES-7)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from latchkey_contracts.http.account import OpenSession, OpenSessions
from latchkey_contracts.http.common import Session
from latchkey_contracts.http.sign_in import SessionInfo
from latchkey_contracts.identity import AccountDisabled, SessionRevoked, SessionStarted
from servicekit.context import set_authtype
from servicekit.db import Database, Tx
from servicekit.devices import in_words
from servicekit.errors import NotFound, SessionRequired
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof import hash_token, new_token
from servicekit.web.caller import Caller

from identity.accounts import store as accounts

from . import store

MAX_PARALLEL = 20  # SES-7: the oldest ends when one more starts
KEEP_DEAD = timedelta(days=30)
TOUCH_AFTER = timedelta(minutes=1)
PASSWORD = "pwd"  # noqa: S105 - its name among the methods (RFC 8176)


@dataclass(frozen=True)
class Started:
    session_id: UUID
    token: str
    expires_at: datetime

    def for_client(self) -> Session:
        return Session(token=self.token, expires_at=self.expires_at)


class Sessions:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def start(
        self,
        tx: Tx,
        *,
        account_id: UUID,
        app: Resolved,
        caller: Caller,
        methods: Sequence[str],
        authenticated_at: datetime | None = None,
        remember: bool = False,
    ) -> Started:
        """A new session with a new token; the one this browser had before ends (SES-1). `methods`: what was proven (RFC 8176 `amr`),
        at `authenticated_at`, or just now.
        """
        if caller.session_id is not None:
            await self.revoke(tx, caller.session_id, "signed_out")
        policy = app.policy.session
        lifetime = policy.remember_me if remember else policy.lifetime
        token, session_id = new_token(), random_id()
        ended = await store.insert(
            tx,
            session_id,
            account_id,
            application=app.application.slug,
            token_hash=hash_token(token),
            methods=methods,
            authenticated_at=authenticated_at or tx.now,
            device=in_words(caller.user_agent),
            ip=caller.ip,
            idle=lifetime if remember else min(policy.idle, lifetime),
            expires_at=(expires_at := tx.now + lifetime),
            beside=MAX_PARALLEL - 1,
        )
        for one in ended:
            await self._tell_revoked(tx, store.Ended(account_id, app.store.id), one, "limit")
        await tx.emit(
            SessionStarted(account_id=account_id, session_id=session_id, application=app.application.slug, expires_at=expires_at)
        )
        security_event("session_created", "success", account_id=str(account_id), session_id=str(session_id))
        return Started(session_id, token, expires_at)

    async def revoke(self, tx: Tx, session_id: UUID, reason: str) -> None:
        ended = await store.revoke(tx, session_id)
        if ended is not None:
            await self._tell_revoked(tx, ended, session_id, reason)

    @staticmethod
    async def _tell_revoked(tx: Tx, ended: store.Ended, session_id: UUID, reason: str) -> None:
        revoked = SessionRevoked(account_id=ended.account_id, session_id=session_id, reason=reason)
        await tx.emit(revoked, tenant=ended.store_id)
        about = {"account_id": str(ended.account_id), "session_id": str(session_id)}
        security_event("authn_token_revoked", "success", **about, reason=reason)

    async def revoke_all(self, tx: Tx, account_id: UUID, reason: str) -> int:
        """Whoever holds a token of this account holds nothing any more. Answers how many places were signed in."""
        live = len(await store.live(tx, account_id))
        if await store.revoke_all(tx, account_id):
            account = await accounts.get(tx, account_id)
            revoked = SessionRevoked(account_id=account_id, session_id=None, reason=reason)
            await tx.emit(revoked, tenant=account.store_id if account is not None else None)
        return live

    async def revoke_others(self, tx: Tx, account_id: UUID, but: UUID, reason: str) -> int:
        """Every one but the caller's own. Idle ones, too: their last use may still be on its way from a gateway, and would bring them
        back. Answers how many places were signed in.
        """
        live = [row for row in await store.live(tx, account_id) if row.id != but]
        for session_id in await store.others(tx, account_id, but):
            await self.revoke(tx, session_id, reason)
        return len(live)

    async def disable_account(self, account_id: UUID) -> None:
        """SES-4: no session of a disabled account lives on."""
        async with self._db.transaction() as tx:
            account = await accounts.lock(tx, account_id)
            if account is None:
                raise NotFound
            if account.status == "active":
                await accounts.set_status(tx, account_id, "disabled")
                await tx.emit(AccountDisabled(account_id=account_id), tenant=account.store_id)
                await self.revoke_all(tx, account_id, "account_disabled")

    async def end_nameless(self, tx: Tx, account_ids: Sequence[UUID]) -> None:
        """Accounts whose last identifier another account has proven to be its own (REG-3): nobody signs in there any more."""
        for account_id in account_ids:
            account = await accounts.lock(tx, account_id)
            if account is not None and account.status == "active":
                await accounts.set_status(tx, account_id, "disabled")
                await tx.emit(AccountDisabled(account_id=account_id))
                await self.revoke_all(tx, account_id, "account_disabled")
                security_event("user_updated", "success", account_id=str(account_id), change="disabled_unproven")

    async def look_up(self, token_hash: bytes) -> SessionInfo:
        async with self._db.read() as conn:
            row = await store.by_token(conn, token_hash)
            now = conn.now
        if row is None:
            raise SessionRequired
        if now - row.seen_at > TOUCH_AFTER:
            # Being looked up is being used; the gateway tells the rest in batches.
            async with self._db.single() as tx:
                await store.touch(tx, [(row.id, now)])
        return info(row, now)

    async def touch(self, seen: Sequence[tuple[UUID, datetime]]) -> list[UUID]:
        """Answers which of them are over, for gateways that haven't heard of it from Kafka yet (SES-4)."""
        if not seen:
            return []
        async with self._db.single() as tx:  # two statements, each of which stands by itself
            now = tx.now
            await store.touch(tx, [(session_id, min(moment, now)) for session_id, moment in seen])
            return await store.gone(tx, [session_id for session_id, _ in seen])

    async def sign_out(self, caller: Caller) -> None:
        _, session_id = caller.account()
        set_authtype("user")
        async with self._db.transaction() as tx:
            await self.revoke(tx, session_id, "signed_out")

    async def listing(self, caller: Caller) -> OpenSessions:
        account_id, session_id = caller.account()
        async with self._db.read() as conn:
            rows = await store.live(conn, account_id)
        return OpenSessions(
            items=[
                OpenSession(
                    id=row.id,
                    device=row.device,
                    ip=row.ip,
                    application=row.application,
                    created_at=row.created_at,
                    seen_at=row.seen_at,
                    current=row.id == session_id,
                )
                for row in rows
            ]
        )

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP_DEAD)


def info(row: store.Session, used_at: datetime) -> SessionInfo:
    return SessionInfo(
        id=row.id,
        account_id=row.account_id,
        application=row.application,
        created_at=row.created_at,
        authenticated_at=row.authenticated_at,
        expires_at=row.expires_at,
        idle_expires_at=min(used_at + row.idle, row.expires_at),
        idle_seconds=int(row.idle.total_seconds()),
        methods=list(row.methods),
    )
