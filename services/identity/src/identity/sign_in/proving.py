"""One try of a password: counted first, the same work for known and unknown names, and what a right one brings to light."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.identity import CredentialCompromised
from servicekit.db import Conn, Database, Tx
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts.rules import candidates
from identity.credentials import store as credentials
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Count, Slowdown


@dataclass(frozen=True, slots=True)
class Found:
    """What one look says of a typed name; `count`: under which its tries are counted."""

    account_id: UUID | None
    active: bool
    hash: str | None
    count: Count
    second_factor: bool


@dataclass(frozen=True, slots=True)
class Proven:
    """A right password. `hash`: the one it was held against; `fresh`: under newer parameters, where it is due (PWD-5)."""

    account_id: UUID
    hash: str
    fresh: str | None
    breached: bool
    count: Count
    second_factor: bool


class Proving:
    def __init__(self, db: Database, passwords: Passwords, slowdown: Slowdown) -> None:
        self._db = db
        self._passwords = passwords
        self._slowdown = slowdown

    async def look(self, conn: Conn, app: Resolved, typed: str, caller: Caller) -> Found:
        """The same statement for known and unknown names (ENU-2)."""
        account, stored = await accounts.find_with_password(conn, app.store.id, candidates(typed, app.store))
        account_id = account.id if account is not None else None
        active = account is not None and account.status == "active"
        count = self._slowdown.at_sign_in(app, typed, account_id, caller)
        return Found(account_id, active, stored, count, account is not None and account.second_factor)

    async def prove(self, found: Found, password: str) -> Proven | None:
        """One try is counted before it is looked at, whoever it is for; None for a wrong one."""
        await self._slowdown.take(self._db, found.count)
        right = await self._passwords.verify(found.hash if found.active else None, password)
        if not right or found.account_id is None or found.hash is None:
            return None
        fresh = await self._passwords.hash(password) if self._passwords.outdated(found.hash) else None
        return Proven(found.account_id, found.hash, fresh, self._passwords.breached(password), found.count, found.second_factor)

    async def heed(self, tx: Tx, proven: Proven, application: str) -> int:
        """With account and password locked: the tries before are forgotten, an outdated hash is replaced, and a leaked
        password must be changed before anything else (PWD-7). Answers how many wrong tries came before.
        """
        wrong = await self._slowdown.forget(tx, proven.count)
        if proven.fresh is not None:
            await credentials.replace(tx, proven.account_id, proven.hash, proven.fresh)
        if proven.breached:
            await accounts.require(tx, proven.account_id, "password")
            await tx.emit(CredentialCompromised(account_id=proven.account_id, application=application))
            security_event("authn_login_fail", "fail", account_id=str(proven.account_id), reason="password_breached")
        return wrong
