"""A sign-in by what is linked to an account: the first factor, as a password is; all else follows as after one (MFA-7)."""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.db import Database
from servicekit.errors import FlowEnded, NotAllowedByPolicy, NotFound, SocialRefused
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.access.service import Access
from identity.accounts import store as accounts
from identity.linked import store as linked
from identity.linked.rules import FEDERATED, Linked
from identity.sign_in import store as sign_ins
from identity.sign_in.attempts import view
from identity.sign_in.completing import Completing
from identity.sign_in.due import NOTHING, due
from identity.sign_in.first_step import DENIED
from identity.sign_in.store import Attempt

OPEN = frozenset({"password", "needs_factor"})  # and nothing proven


class Entering:
    def __init__(self, db: Database, completing: Completing, access: Access) -> None:
        self._db = db
        self._completing = completing
        self._access = access

    async def enter(self, app: Resolved, flow_id: UUID, one: Linked, shown: str | None, caller: Caller) -> SignInFlow:
        """Raises SocialRefused where the account isn't open, FlowEnded, NotAllowedByPolicy, Overloaded."""
        async with self._db.read() as conn:
            attempt = await sign_ins.get(conn, flow_id)
            account = await accounts.get(conn, one.account_id)
        if attempt is None:
            raise NotFound
        if account is None or account.status != "active":
            security_event("authn_login_fail", "fail", flow_id=str(flow_id), reason="social_account_not_open")
            raise SocialRefused(provider=one.provider)
        access = await self._decide(app, attempt, account.id, asked=account.second_factor, caller=caller)
        async with self._db.transaction() as tx:
            locked = await sign_ins.lock(tx, flow_id)
            if locked is None or locked.expires_at <= tx.now or self._completing.left(locked) or locked.status == "ended":
                raise FlowEnded
            if locked.account_id is not None or locked.status not in OPEN:  # by a twin of this answer, or otherwise
                left = await due(tx, app, locked.account_id, caller) if locked.account_id else NOTHING
                return view(tx, locked, left)
            found = await accounts.lock(tx, one.account_id)
            if found is None or found.status != "active" or not await linked.used(tx, one, shown):
                raise FlowEnded
            if access is None or access.decision != "deny":
                known = replace(
                    locked, account_id=found.id, methods=(FEDERATED,), proven_at=tx.now, identity_id=one.id, newcomer=None
                )
                return await self._completing.go_on(tx, app, known, found.id, caller=caller, access=access)
            await sign_ins.deny(tx, flow_id)
        raise NotAllowedByPolicy(DENIED)

    async def _decide(
        self, app: Resolved, attempt: Attempt, account_id: UUID, *, asked: bool, caller: Caller
    ) -> AccessState | None:
        """As after a password: None where the account has no second factor and the policy asks of nobody else. Raises Overloaded."""
        if app.access.asks_never:
            return AccessState(decision="allow")
        if not asked and not app.access.asks_always:
            return None
        question = AccessQuestion(
            flow_id=attempt.id,
            kind="sign_in",
            application=attempt.application,
            account_id=account_id,
            expires_at=attempt.expires_at,
            typed=attempt.identifier,
        )
        return await self._access.decide(question, caller)
