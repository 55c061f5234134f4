"""What is newly required before the first session: another username, another password, attributes (D32, PWD-7)."""

from typing import Any
from uuid import UUID

from latchkey_contracts.http.sign_in import Action, RequiredActionRequest, SignInFlow
from latchkey_contracts.identity import ProfileChanged
from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Tx
from servicekit.errors import FieldError, FlowEnded, StepMissing, ValidationFailed
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.accounts import store as accounts
from identity.accounts import values
from identity.accounts.rules import Account, Identifier, canonical_username
from identity.password_change.service import PasswordChanges

from . import due, store
from .attempts import mine
from .completing import Completing
from .store import Attempt


class RequiredActions:
    """A flow that waits for one has proven all else, a factor included."""

    def __init__(
        self,
        db: Database,
        configuration: Configuration,
        changes: PasswordChanges,
        completing: Completing,
        idempotency: Idempotency,
    ) -> None:
        self._db = db
        self._configuration = configuration
        self._changes = changes
        self._completing = completing
        self._idempotency = idempotency

    async def act(self, slug: str, flow_id: UUID, body: RequiredActionRequest, caller: Caller) -> SignInFlow:
        """What is newly required before the first session (D32)."""
        if body.username is not None:
            return await self.choose_username(slug, flow_id, body.username, caller)
        if body.profile is not None:
            return await self.fill_in(slug, flow_id, body.profile, caller)
        return await self.choose_password(slug, flow_id, body.password or "", caller)

    async def choose_password(self, slug: str, flow_id: UUID, password: str, caller: Caller) -> SignInFlow:
        """PWD-7: the one just used is known from a leak; nothing else is reachable before there is another."""
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.read() as conn:
            await self._idempotency.recall(conn, caller)
            attempt = await mine(conn, slug, flow_id, caller)
            # Else it would tell whether this is the account's new one.
            account_id = await self._check_waiting(conn, app, attempt, "password", caller)
        fresh = await self._changes.fresh_for(app, account_id, password)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            attempt, account_id = await self._waiting(tx, app, flow_id, "password", caller)
            await self._changes.forced(tx, app, account_id, fresh, caller)
            answer = await self._completing.go_on(tx, app, attempt, account_id, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _waiting(self, tx: Tx, app: Resolved, flow_id: UUID, action: Action, caller: Caller) -> tuple[Attempt, UUID]:
        """The attempt, locked with its account, if this is what it waits for; and whose it is."""
        attempt = await store.lock(tx, flow_id)
        if attempt is None or attempt.account_id is None:
            raise StepMissing
        if self._completing.left(attempt):
            raise FlowEnded
        await accounts.lock(tx, attempt.account_id)
        return attempt, await self._check_waiting(tx, app, attempt, action, caller)

    @staticmethod
    async def _check_waiting(conn: Conn, app: Resolved, attempt: Attempt, action: Action, caller: Caller) -> UUID:
        """Whatever has ended the sessions of the account has ended this, too: a reset, a change, a freeze (REC-6, LNK-7)."""
        if attempt.account_id is None or attempt.status != "needs_action" or attempt.expires_at <= conn.now:
            raise StepMissing
        if not await store.still_proven(conn, attempt.id):
            raise FlowEnded
        if action not in (await due.due(conn, app, attempt.account_id, caller)).actions:
            raise StepMissing
        return attempt.account_id

    async def choose_username(self, slug: str, flow_id: UUID, username: str, caller: Caller) -> SignInFlow:
        """D32: the username of the registration was taken; another is asked before the first session."""
        app = self._configuration.application(slug)
        try:
            chosen = Identifier("username", username, canonical_username(username))
        except ValueError as error:
            raise ValidationFailed([FieldError("/username", "username_not_valid", str(error))]) from None
        set_tenant(str(app.store.id), "user")
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            await mine(tx, slug, flow_id, caller)
            attempt, account_id = await self._waiting(tx, app, flow_id, "username", caller)
            if not await accounts.add_identifier(tx, account_id, app.store.id, chosen, verified_at=None):
                raise ValidationFailed([FieldError("/username", "username_taken", "This username is taken. Choose another one")])
            await accounts.no_longer_required(tx, account_id, "username")
            answer = await self._completing.go_on(tx, app, attempt, account_id, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def fill_in(self, slug: str, flow_id: UUID, given: dict[str, Any], caller: Caller) -> SignInFlow:
        """D32: attributes that the store requires by now, all at once. Raises ValidationFailed."""
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            await mine(tx, slug, flow_id, caller)
            attempt, account_id = await self._waiting(tx, app, flow_id, "profile", caller)
            account = await accounts.lock(tx, account_id)
            if account is None:
                raise StepMissing
            if wrong := due.check(given, due.missing(account.profile, app)):
                raise ValidationFailed(wrong)
            await accounts.set_profile(tx, account_id, values.put(account.profile, given, app.store))
            await tx.emit(self._told(app, account, sorted(given)))
            security_event("user_updated", "success", account_id=str(account_id), change="profile", attributes=sorted(given))
            answer = await self._completing.go_on(tx, app, attempt, account_id, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    @staticmethod
    def _told(app: Resolved, account: Account, names: list[str]) -> ProfileChanged:
        """Without a notice: its owner was asked for it, and a new device is told of anyway."""
        language = account.language or app.application.default_language
        return ProfileChanged(
            account_id=account.id, application=app.application.slug, changed=names, language=language, notices=[]
        )
