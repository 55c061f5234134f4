"""Sign-in with a password: the same answer and the same work for every identifier (ENU-1, ENU-2)."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.sign_in import PasswordRequest, SignInFlow, SignInRequest
from servicekit.context import set_tenant
from servicekit.db import Conn, Database, Tx
from servicekit.errors import CredentialsWrong, FieldError, FlowEnded, NotAllowedByPolicy, StepMissing, ValidationFailed
from servicekit.events import work
from servicekit.ids import random_id
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration, Resolved
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.access.service import Access
from identity.accounts import store as accounts
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.sessions.service import PASSWORD

from . import store
from .attempts import begun, first_ways, mine, view, with_challenge
from .by_passkey import ByPasskey
from .completing import MULTIPLE, Completing
from .due import NOTHING, due
from .first_step import DENIED, FirstSteps, generic, waits
from .proving import Proven, Proving
from .store import Attempt

KEEP_FLOWS = timedelta(days=1)
FAILED = "sign_in.failed"


class SignIns:
    def __init__(
        self,
        *,
        db: Database,
        configuration: Configuration,
        passwords: Passwords,
        slowdown: Slowdown,
        idempotency: Idempotency,
        completing: Completing,
        access: Access,
    ) -> None:
        self._db = db
        self._configuration = configuration
        self._access = access
        self._completing = completing
        self._by_passkey = ByPasskey(db, completing, access)
        self._proving = Proving(db, passwords, slowdown)
        self._first = FirstSteps(db, configuration, completing, access)
        self._idempotency = idempotency

    async def start(self, slug: str, body: SignInRequest, caller: Caller) -> SignInFlow:
        """Nothing is looked up, so there is nothing to tell apart."""
        app = self._configuration.application(slug)
        if body.return_to is not None and body.return_to not in app.application.return_urls:
            raise ValidationFailed([FieldError("/return_to", "not_an_option", "This address is not registered")])
        app.language_for(body.language, caller)  # refused as anywhere; nothing is written to anybody at sign-in
        by_passkey = app.access.passwordless and app.access.passkey.enabled  # which says by itself whose it is
        if body.identifier is None and app.access.factor_first and not (by_passkey or app.application.social):
            raise ValidationFailed([FieldError("/identifier", "required", "This is needed")])
        if body.password is not None:
            return await self._at_once(app, body, body.password, caller)
        # One statement needs no transaction around it; a stored answer does.
        async with self._db.single() if caller.idempotency_key is None else self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            attempt = begun(tx, app, body, caller)
            await store.put(tx, attempt)
            answer = generic(tx, app, attempt) if waits(attempt) else first_ways(app, attempt, view(tx, attempt))
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def read(self, slug: str, flow_id: UUID, caller: Caller) -> SignInFlow:
        """Raises NotAllowedByPolicy as often as whoever asked looks at one that a rule has refused."""
        async with self._db.read() as conn:
            attempt = await mine(conn, slug, flow_id, caller)
            if attempt.denied:
                raise NotAllowedByPolicy(DENIED)
            if self._completing.left(attempt):
                return view(conn, attempt, over=True)
            stands = attempt.status in {"needs_factor", "needs_action"} and await store.still_proven(conn, flow_id)
            app = self._configuration.application(slug)
            what = await due(conn, app, attempt.account_id, caller) if stands and attempt.account_id else NOTHING
            shown = view(conn, attempt, what, over=attempt.status in {"needs_factor", "needs_action"} and not stands)
        if waits(attempt):
            return await self._first.go_on(slug, attempt, caller)
        if shown.status == "password":
            app = self._configuration.application(slug)
            return await self._by_passkey.go_on(app, attempt, caller, first_ways(app, attempt, shown))
        if shown.status == "needs_factor":
            return await self._with_factor(slug, attempt, caller)
        return await self._with_required(slug, attempt, caller) if "factor" in shown.actions else shown

    async def _with_required(self, slug: str, attempt: Attempt, caller: Caller) -> SignInFlow:
        """What must be added, as mfa says it now; once it is, whoever asked goes on here."""
        access = await self._access.state(attempt.id, caller)
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, attempt.id)
            if locked is None or locked.account_id is None:
                raise FlowEnded
            await accounts.lock(tx, locked.account_id)
            what = await due(tx, app, locked.account_id, caller)
            over = access.decision not in {"allow", "proven"} or not await store.still_proven(tx, locked.id)
            if over or access.enrol or locked.status != "needs_action" or not locked.factor_due:
                over = over and locked.status == "needs_action"
                return view(tx, locked, what, over=over, enrol=access.enrol)
            added = AccessState(decision="allow")
            return await self._completing.go_on(tx, app, locked, locked.account_id, caller=caller, access=added)

    async def _with_factor(self, slug: str, attempt: Attempt, caller: Caller) -> SignInFlow:
        """How far its challenge is: mfa holds it, and once it is proven there, whoever asked goes on here (D17)."""
        access = await self._access.state(attempt.id, caller)
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        if access.decision != "proven":
            async with self._db.read() as conn:
                shown = view(conn, attempt, over=access.decision != "challenge")
            return with_challenge(shown, access) if access.decision == "challenge" else shown
        async with self._db.transaction() as tx:
            locked = await store.lock(tx, attempt.id)
            if locked is None or locked.account_id is None:
                raise FlowEnded
            await accounts.lock(tx, locked.account_id)
            if locked.status != "needs_factor" or not await store.still_proven(tx, locked.id):
                return view(tx, locked, await due(tx, app, locked.account_id, caller), over=locked.status == "needs_factor")
            return await self._completing.go_on(tx, app, locked, locked.account_id, caller=caller, access=access)

    async def password(self, slug: str, flow_id: UUID, body: PasswordRequest, caller: Caller) -> SignInFlow:
        """One try. The third wrong one ends the attempt; many wrong ones for one identifier are slowed down."""
        app = self._configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._db.read() as conn:
            await self._idempotency.recall(conn, caller)
            attempt = await mine(conn, slug, flow_id, caller)
            if self._completing.left(attempt):
                raise FlowEnded
            typed = attempt.identifier or body.identifier
            self._check_step(conn, attempt, typed)
            found = await self._proving.look(conn, app, typed or "", caller)
        if (proven := await self._proving.prove(found, body.password)) is None:
            await self._failed(app, flow_id, found.account_id if found.active else None)
            await self._check_reachable(app)
            raise CredentialsWrong
        if attempt.account_id not in {None, proven.account_id}:
            raise FlowEnded  # the factor was another account's
        access = await self._ask(app, attempt, proven, caller)
        if access is not None and access.decision == "deny":
            async with self._db.transaction() as tx:
                await store.deny(tx, flow_id)
            raise NotAllowedByPolicy(DENIED)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            # What was verified must still be so: no session for a password that was changed while it was checked.
            locked = await store.lock_proven(tx, flow_id, proven.account_id, proven.hash)
            if locked is None or locked.status != "password" or self._completing.left(locked):
                raise FlowEnded
            answer = await self._go_on(tx, app, locked, proven, access, remember=body.remember_me, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _at_once(self, app: Resolved, body: SignInRequest, password: str, caller: Caller) -> SignInFlow:
        """Name and password in one call, for API clients: counted, looked at and answered as the second of two calls is."""
        if not caller.api_client:
            raise ValidationFailed([FieldError("/password", "not_an_option", "Browsers give it in a second step")])
        if body.identifier is None:
            raise ValidationFailed([FieldError("/identifier", "required", "This is needed")])
        if app.access.factor_first:
            raise ValidationFailed([FieldError("/password", "not_an_option", "A factor comes first here")])
        set_tenant(str(app.store.id), "user")
        async with self._db.read() as conn:
            await self._idempotency.recall(conn, caller)
            found = await self._proving.look(conn, app, body.identifier, caller)
            attempt = begun(conn, app, body, caller)
        if (proven := await self._proving.prove(found, password)) is None:
            await self._failed(app, None, found.account_id if found.active else None)
            await self._check_reachable(app)
            raise CredentialsWrong
        access = await self._ask(app, attempt, proven, caller)
        if access is not None and access.decision == "deny":
            raise NotAllowedByPolicy(DENIED)
        async with self._db.transaction() as tx:
            await self._idempotency.begin(tx, caller)
            if not await accounts.lock_if_proven(tx, proven.account_id, proven.hash):
                raise FlowEnded
            answer = await self._go_on(tx, app, attempt, proven, access, remember=body.remember_me, caller=caller)
            await self._idempotency.store(tx, caller, 200, answer)
        return answer

    async def _go_on(
        self,
        tx: Tx,
        app: Resolved,
        attempt: Attempt,
        proven: Proven,
        access: AccessState | None,
        *,
        remember: bool,
        caller: Caller,
    ) -> SignInFlow:
        """With account and password locked: what follows from the right one."""
        wrong = await self._proving.heed(tx, proven, attempt.application)
        first = tuple(one for one in attempt.methods if one != PASSWORD)  # a factor, where it comes before the password
        methods = (PASSWORD, *first, *((MULTIPLE,) if first else ()))
        known = replace(
            attempt, account_id=proven.account_id, remember=remember, methods=methods, proven_at=tx.now, wrong_before=wrong
        )
        return await self._completing.go_on(tx, app, known, proven.account_id, caller=caller, access=access)

    async def _ask(self, app: Resolved, attempt: Attempt, proven: Proven, caller: Caller) -> AccessState | None:
        """None: the account has no second factor and the policy asks of nobody else, so who has none signs in while mfa is away. Raises
        Overloaded.
        """
        if app.access.asks_never:
            return AccessState(decision="allow")
        if not proven.second_factor and not app.access.asks_always:
            return None
        question = AccessQuestion(
            flow_id=attempt.id,
            kind="sign_in",
            application=attempt.application,
            account_id=proven.account_id,
            expires_at=attempt.expires_at,
            typed=attempt.identifier,
        )
        return await self._access.decide(question, caller)

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP_FLOWS)

    # --- parts -----------------------------------------------------------------------------------------------------------

    async def _failed(self, app: Resolved, flow_id: UUID | None, account_id: UUID | None) -> None:
        """The same statements for unknown identifiers (ENU-2): what becomes of it is found out behind the answer."""
        payload = {"account_id": str(account_id or random_id()), "application": app.application.slug}
        async with self._db.single() if flow_id is None else self._db.transaction() as tx:
            if flow_id is not None:
                await store.failed(tx, flow_id, app.policy.sign_in.max_failures)
            await work.enqueue(tx, FAILED, payload)
        of = {"flow_id": str(flow_id)} if flow_id is not None else {}
        security_event("authn_login_fail", "fail", **of, reason="credentials_wrong")

    async def _check_reachable(self, app: Resolved) -> None:
        """Where a right password would have to wait for mfa, a wrong one is told no sooner."""
        if not app.access.asks_never:
            await self._access.check_reachable()

    @staticmethod
    def _check_step(conn: Conn, attempt: Attempt, typed: str | None) -> None:
        if attempt.expires_at <= conn.now or attempt.status in {"ended", "complete"}:
            raise FlowEnded
        if attempt.status != "password":
            raise StepMissing
        if typed is None:
            raise ValidationFailed([FieldError("/identifier", "required", "This is needed")])
