"""Sign-ins that ask for a factor before anything else: mfa holds that step, and once it is proven there, whoever asked goes on here.

Before that nothing is known of the name, and nothing looked up (ENU-1).
"""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts import ways
from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.context import set_tenant
from servicekit.db import Conn, Database
from servicekit.errors import FlowEnded, NotAllowedByPolicy, NotFound
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller

from identity.access.service import Access
from identity.accounts import store as accounts

from . import store
from .attempts import first_ways, view
from .completing import Completing
from .due import due
from .store import Attempt

DENIED = "We can't let you sign in from here"  # by a rule of the access policy, told only after what was proven


def waits(attempt: Attempt) -> bool:
    return attempt.status == "needs_factor" and attempt.account_id is None


def generic(conn: Conn, app: Resolved, attempt: Attempt, *, over: bool = False) -> SignInFlow:
    """What everybody is told, whatever was typed."""
    shown = view(conn, attempt, over=over)
    if shown.status != "needs_factor":
        return shown
    named = attempt.identifier is not None  # else only a passkey says whose it is
    told = (
        {"factors": ways.generic(app.access, app.notification), "next": ["challenges"]} if named else {"factors": [], "next": []}
    )
    return first_ways(app, attempt, shown.model_copy(update=told))


class FirstSteps:
    def __init__(self, db: Database, configuration: Configuration, completing: Completing, access: Access) -> None:
        self._db = db
        self._configuration = configuration
        self._completing = completing
        self._access = access

    async def go_on(self, slug: str, attempt: Attempt, caller: Caller) -> SignInFlow:
        """How far it is; proven, what follows. Raises NotAllowedByPolicy, Overloaded."""
        app = self._configuration.application(slug)
        async with self._db.read() as conn:
            shown = generic(conn, app, attempt, over=self._completing.left(attempt) or not app.access.factor_first)
        if shown.status != "needs_factor":
            return shown
        try:
            access = await self._access.state(attempt.id, caller)
        except NotFound:
            return shown  # nothing was asked for yet
        if access.decision == "challenge":
            return first_ways(app, attempt, shown.model_copy(update=access.told_to_anybody))
        if access.decision != "proven" or access.account_id is None:
            async with self._db.read() as conn:
                return view(conn, attempt, over=True)
        set_tenant(str(app.store.id), "user")
        if app.access.passwordless:
            return await self._in(app, attempt, access, access.account_id, caller)
        return await self._to_password(attempt, access, access.account_id)

    async def _to_password(self, attempt: Attempt, access: AccessState, account_id: UUID) -> SignInFlow:
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, attempt.id)
            if locked is None:
                raise FlowEnded
            if waits(locked):
                locked = replace(
                    locked, status="password", account_id=account_id, methods=tuple(access.methods), proven_at=access.proven_at
                )
                await store.put(tx, locked)
            return view(tx, locked)

    async def _in(self, app: Resolved, attempt: Attempt, access: AccessState, account_id: UUID, caller: Caller) -> SignInFlow:
        """Passwordless: a session, unless the account has a factor that this wasn't, or a rule says more."""
        question = AccessQuestion(
            flow_id=attempt.id,
            kind="sign_in",
            application=attempt.application,
            account_id=account_id,
            expires_at=attempt.expires_at,
            typed=attempt.identifier,
        )
        decided = await self._access.decide(question, caller)
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, attempt.id)
            if locked is None:
                raise FlowEnded
            account = await accounts.lock(tx, account_id)
            open_here = account is not None and account.status == "active" and account.store_id == locked.store_id
            if not waits(locked) or not open_here:
                return view(tx, locked, await due(tx, app, account_id, caller), over=not open_here)
            if decided.decision == "deny":
                await store.deny(tx, locked.id)
            else:
                known = replace(locked, account_id=account_id, methods=tuple(access.methods), proven_at=access.proven_at)
                return await self._completing.go_on(tx, app, known, account_id, caller=caller, access=decided)
        raise NotAllowedByPolicy(DENIED)
