"""Sign-in by a passkey instead of name and password: mfa verified it, and whose it is comes to light with it (MFA-3).

A passkey that has verified its user is two factors, so nothing but what is newly required (D32) stands between it and the session.
"""

from dataclasses import replace

from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.context import set_tenant
from servicekit.db import Database
from servicekit.errors import FlowEnded, NotFound, PasskeyWrong
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.access.service import Access
from identity.accounts import store as accounts

from . import store
from .attempts import view
from .completing import Completing
from .due import NOTHING, due
from .store import Attempt

PROVER = "mfa"
OPEN = {"password", "needs_factor"}
BY_PASSKEY = {"hwk", "swk"}  # RFC 8176; nothing else stands for a password, too


class ByPasskey:
    def __init__(self, db: Database, completing: Completing, access: Access) -> None:
        self._db = db
        self._completing = completing
        self._access = access

    async def go_on(self, app: Resolved, attempt: Attempt, caller: Caller, shown: SignInFlow) -> SignInFlow:
        """Of an attempt in which nothing is proven yet. Asked by mfa, which has just proven a passkey or is about to look at one."""
        if caller.service != PROVER or "passkey" not in shown.next:
            return shown
        try:
            access = await self._access.state(attempt.id, caller)
        except NotFound:
            return shown  # nothing is proven yet
        if access.decision != "proven" or access.account_id is None or not BY_PASSKEY & set(access.methods):
            return shown
        set_tenant(str(app.store.id), "user")
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, attempt.id)
            if locked is None or locked.expires_at <= tx.now or self._completing.left(locked):
                raise FlowEnded
            if locked.account_id is not None or locked.status not in OPEN:
                return view(tx, locked, await due(tx, app, locked.account_id, caller) if locked.account_id else NOTHING)
            account = await accounts.lock(tx, access.account_id)
            if account is not None and account.status == "active" and account.store_id == locked.store_id:
                known = replace(locked, account_id=account.id, methods=(), proven_at=tx.now)
                return await self._completing.go_on(tx, app, known, account.id, caller=caller, access=access)
            await store.put(tx, replace(locked, status="ended"))
        security_event("authn_login_fail", "fail", flow_id=str(attempt.id), reason="passkey_account_not_open")
        raise PasskeyWrong
