"""Sign-in with a password: the same answer and the same work for every identifier (ENU-1, ENU-2)."""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInFlow, SignInRequest
from latchkey_contracts.identity import CredentialCompromised, SignedIn, SignInFailed
from servicekit.caller import Caller
from servicekit.configuration import Configuration, Resolved
from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Record, Tx
from servicekit.errors import CredentialsWrong, FieldError, FlowEnded, NotFound, StepMissing, ValidationFailed
from servicekit.idempotency import Idempotency
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.onetime import same_browser

from identity.accounts import store as accounts
from identity.accounts.rules import Identifier, candidates, canonical_username
from identity.credentials import store as credentials
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.password_change.service import PasswordChanges
from identity.sessions.service import Sessions

from . import store
from .factors import Factors, NoFactors

KEEP_FLOWS = timedelta(days=1)


class SignIns:
    def __init__(
        self,
        *,
        db: Database,
        configuration: Configuration,
        passwords: Passwords,
        changes: PasswordChanges,
        sessions: Sessions,
        slowdown: Slowdown,
        idempotency: Idempotency,
        factors: Factors | None = None,
    ) -> None:
        self._factors = factors or NoFactors()
        self._db = db
        self._configuration = configuration
        self._passwords = passwords
        self._changes = changes
        self._sessions = sessions
        self._slowdown = slowdown
        self._idempotency = idempotency

    async def start(self, slug: str, body: SignInRequest, caller: Caller) -> SignInFlow:
        """Nothing is looked up, so there is nothing to tell apart."""
        app = self._configuration.application(slug)
        if body.return_to is not None and body.return_to not in app.application.return_urls:
            raise ValidationFailed([FieldError("/return_to", "not_an_option", "This address is not registered")])
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            flow_id = random_id()
            await store.insert(
                tx,
                flow_id,
                store_id=app.store.id,
                application=slug,
                identifier=body.identifier,
                browser=caller.browser,
                return_to=body.return_to,
                expires_at=tx.now + app.policy.sign_in.attempt_lifetime,
            )
            row = await store.get(tx, flow_id)
            assert row is not None  # noqa: S101 - inserted above
            answer = _view(tx, row, [])
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def read(self, slug: str, flow_id: UUID, caller: Caller) -> SignInFlow:
        async with self._db.read() as conn:
            row = await self._mine(conn, slug, flow_id, caller)
            waits = row["status"] == "needs_action" and await store.still_proven(conn, flow_id)
            return _view(conn, row, await accounts.required(conn, row["account_id"]) if waits else [])

    async def password(self, slug: str, flow_id: UUID, body: PasswordRequest, caller: Caller) -> SignInFlow:
        """One try. The third wrong one ends the attempt; many wrong ones for one identifier are slowed down."""
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.read() as conn:
            await self._idempotency.recall(conn, caller)
            row = await self._mine(conn, slug, flow_id, caller)
            typed = row["identifier"] or body.identifier
            self._check_step(conn, row, typed)
            account = await accounts.find(conn, app.store.id, candidates(typed or "", app.store))
            count = self._slowdown.at_sign_in(app, typed or "", account["id"] if account else None, caller)
            stored = await credentials.get(conn, account["id"] if account else random_id())
        await self._slowdown.take(self._db, count)
        active = account is not None and account["status"] == "active"
        right = await self._passwords.verify(stored if active else None, body.password)
        if not right or account is None:
            await self._failed(app, flow_id, account["id"] if active and account else None)
            raise CredentialsWrong
        fresh = await self._passwords.hash(body.password) if stored and self._passwords.outdated(stored) else None
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            locked = await store.lock(tx, flow_id)
            current = await accounts.lock(tx, account["id"])
            # What was verified must still be so: no session for a password that was changed while it was checked.
            same = await credentials.get(tx, account["id"]) == stored
            if locked is None or locked["status"] != "password" or current is None or current["status"] != "active" or not same:
                raise FlowEnded
            await self._slowdown.forget(tx, count)
            if fresh is not None and stored is not None:
                await credentials.replace(tx, account["id"], stored, fresh)
            if self._passwords.breached(body.password):
                await accounts.require(tx, account["id"], "password")
                await tx.emit(CredentialCompromised(account_id=account["id"], application=slug))
                security_event("authn_login_fail", "fail", account_id=str(account["id"]), reason="password_breached")
            answer = await self._complete(tx, app, locked, account["id"], remember=body.remember_me, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def act(self, slug: str, flow_id: UUID, body: RequiredActionRequest, caller: Caller) -> SignInFlow:
        """What is newly required before the first session (D32)."""
        if body.username is not None:
            return await self.choose_username(slug, flow_id, body.username, caller)
        return await self.choose_password(slug, flow_id, body.password or "", caller)

    async def choose_password(self, slug: str, flow_id: UUID, password: str, caller: Caller) -> SignInFlow:
        """PWD-7: the one just used is known from a leak; nothing else is reachable before there is another."""
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.read() as conn:
            await self._idempotency.recall(conn, caller)
            row = await self._mine(conn, slug, flow_id, caller)
            await self._check_waiting(conn, row, "password")  # else it would tell whether this is the account's new one
        fresh = await self._changes.fresh_for(app, row["account_id"], password)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            row = await self._waiting(tx, flow_id, "password")
            await self._changes.forced(tx, app, row["account_id"], fresh, caller)
            answer = await self._complete(tx, app, row, row["account_id"], remember=row["remember"], caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _waiting(self, tx: Tx, flow_id: UUID, action: str) -> Record:
        """The flow, locked with its account, if this is what it waits for."""
        row = await store.lock(tx, flow_id)
        if row is None or row["account_id"] is None:
            raise StepMissing
        await accounts.lock(tx, row["account_id"])
        await self._check_waiting(tx, row, action)
        return row

    @staticmethod
    async def _check_waiting(conn: Conn, row: Record, action: str) -> None:
        """Whatever has ended the sessions of the account has ended this, too: a reset, a change, a freeze (REC-6, LNK-7)."""
        if row["status"] != "needs_action" or row["expires_at"] <= conn.now:
            raise StepMissing
        if not await store.still_proven(conn, row["id"]):
            raise FlowEnded
        if action not in await accounts.required(conn, row["account_id"]):
            raise StepMissing

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
            await self._mine(tx, slug, flow_id, caller)
            row = await self._waiting(tx, flow_id, "username")
            if not await accounts.add_identifier(tx, row["account_id"], app.store.id, chosen, verified_at=None):
                raise ValidationFailed([FieldError("/username", "username_taken", "This username is taken. Choose another one")])
            await accounts.no_longer_required(tx, row["account_id"], "username")
            answer = await self._complete(tx, app, row, row["account_id"], remember=row["remember"], caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP_FLOWS)

    # --- parts -----------------------------------------------------------------------------------------------------------

    async def _complete(
        self, tx: Tx, app: Resolved, row: Record, account_id: UUID, *, remember: bool, caller: Caller
    ) -> SignInFlow:
        if factors := await self._factors.enrolled(tx, account_id):
            await store.progress(tx, row["id"], "needs_factor", account_id, remember=remember)
            return SignInFlow(
                id=row["id"], status="needs_factor", expires_at=row["expires_at"], next=["challenge"], factors=factors
            )
        actions = await accounts.required(tx, account_id)
        if actions:
            await store.progress(tx, row["id"], "needs_action", account_id, remember=remember)
            return SignInFlow(id=row["id"], status="needs_action", expires_at=row["expires_at"], next=["action"], actions=actions)
        started = await self._sessions.start(
            tx, account_id=account_id, app=app, caller=caller, methods=["password"], remember=remember
        )
        await tx.emit(
            SignedIn(account_id=account_id, application=row["application"], session_id=started.session_id, methods=["password"])
        )
        await store.progress(tx, row["id"], "complete", account_id, remember=remember)
        security_event("authn_login_success", "success", account_id=str(account_id), flow_id=str(row["id"]))
        return SignInFlow(
            id=row["id"],
            status="complete",
            expires_at=row["expires_at"],
            next=[],
            session=started.for_client(),
            return_to=row["return_to"],
        )

    async def _failed(self, app: Resolved, flow_id: UUID, account_id: UUID | None) -> None:
        """For unknown identifiers, too; the event is for an account that exists."""
        async with self._db.transaction() as tx:
            await store.failed(tx, flow_id, app.policy.sign_in.max_failures)
            if account_id is not None:
                await tx.emit(SignInFailed(account_id=account_id, application=app.application.slug, reason="credentials_wrong"))
        security_event("authn_login_fail", "fail", flow_id=str(flow_id), reason="credentials_wrong")

    @staticmethod
    def _check_step(conn: Conn, row: Record, typed: str | None) -> None:
        if row["expires_at"] <= conn.now or row["status"] in {"ended", "complete"}:
            raise FlowEnded
        if row["status"] != "password":
            raise StepMissing
        if typed is None:
            raise ValidationFailed([FieldError("/identifier", "required", "This is needed")])

    @staticmethod
    async def _mine(conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Record:
        row = await store.get(conn, flow_id)
        if row is None or row["application"] != slug or not same_browser(row["browser"], caller.browser):
            raise NotFound
        return row


def _view(conn: Conn, row: Record, actions: list[str]) -> SignInFlow:
    """`actions`: what it still waits for, if its proof stands; with none it can't go on."""
    status = row["status"]
    if status in {"password", "needs_factor", "needs_action"} and row["expires_at"] <= conn.now:
        status = "ended"
    if status == "needs_action" and not actions:
        status = "ended"
    following = {"password": ["password"], "needs_action": ["action"]}.get(status, [])
    return SignInFlow(
        id=row["id"],
        status=status,
        expires_at=row["expires_at"],
        next=following,
        actions=actions if status == "needs_action" else [],
    )
