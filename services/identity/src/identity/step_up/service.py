"""Step-up: fresh authentication for one call of one action (STP-1, STP-2), by the strongest of what the account has.

A factor where it has one (mfa holds the challenge, as at sign-in), else the password. Its result is a grant, signed, for five minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.apps import SocialOption
from latchkey_contracts.http.step_up import StepUpFlow, StepUpRequest
from servicekit.context import set_tenant
from servicekit.db import Conn, Database
from servicekit.errors import CredentialsWrong, FlowEnded, NotFound, SessionRequired, StepMissing
from servicekit.ids import random_id
from servicekit.keys import Keys
from servicekit.logging import security_event
from servicekit.process.configuration import Configuration
from servicekit.web import step_up
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

from identity.access.service import Access
from identity.accounts import store as accounts
from identity.credentials import store as credentials
from identity.credentials.service import Passwords
from identity.credentials.slowdown import Slowdown
from identity.linked import store as linked
from identity.linked.rules import FEDERATED
from identity.sessions import store as sessions
from identity.sessions.service import PASSWORD

from . import rules, store
from .store import StepUp

LIFETIME = timedelta(minutes=10)
KEEP = timedelta(days=1)


@dataclass
class StepUps:
    db: Database
    keys: Keys
    configuration: Configuration
    passwords: Passwords
    slowdown: Slowdown
    idempotency: Idempotency
    access: Access

    async def start(self, body: StepUpRequest, caller: Caller) -> StepUpFlow:
        account_id, session_id = caller.account()
        async with self.db.read() as conn:
            await self.idempotency.recall(conn, caller)
            session = await sessions.get(conn, session_id)
            account = await accounts.get(conn, account_id)
            password = await credentials.get(conn, account_id)
            now = conn.now
        if session is None or account is None:
            raise SessionRequired
        app = self.configuration.application(session.application)
        set_tenant(str(app.store.id), "user")
        begun = StepUp(
            id=random_id(),
            account_id=account_id,
            session_id=session_id,
            application=session.application,
            action=body.action,
            payload_hash=step_up.payload_hash(body.payload),
            status="password" if password is not None else "needs_provider",
            expires_at=now + LIFETIME,
        )
        found = await self._decide(begun, caller, rules.about(body.payload)) if account.second_factor else None
        if found is not None and found.decision == "challenge":
            begun = replace(begun, status="needs_factor")
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            await store.insert(tx, begun)
            answer = await self._shown(tx, begun, found)
            await self.idempotency.store(tx, caller, 200, answer)
        return answer

    async def methods(self, caller: Caller) -> Sequence[str]:
        """By what one begun now can be done, best first; mfa is asked only about who has a factor. Raises SessionRequired, Overloaded."""
        account_id, _ = caller.account()
        async with self.db.read() as conn:
            account = await accounts.get(conn, account_id)
            password = await credentials.get(conn, account_id)
        if account is None or not account.second_factor:
            return ["password" if password is not None else "provider"]
        return (await self.access.step_up_methods(caller)).methods

    async def read(self, step_up_id: UUID, caller: Caller) -> StepUpFlow:
        """Once its factor is proven at mfa, it is complete."""
        async with self.db.read() as conn:
            found = await self._mine(conn, step_up_id, caller)
            if found.status != "needs_factor" or found.expires_at <= conn.now:
                return await self._shown(conn, found)
        access = await self.access.state(step_up_id, caller)
        if access.decision != "proven" or access.proven_at is None:
            async with self.db.read() as conn:
                ended = replace(found, status="ended") if access.decision == "ended" else found
                return self._view(conn, ended, access)
        async with self.db.transaction() as tx:
            locked = await store.lock(tx, step_up_id)
            if locked is not None and locked.status == "needs_factor":
                await store.complete(tx, step_up_id, access.methods, tx.now)
                locked = replace(locked, status="complete", methods=tuple(access.methods), proven_at=tx.now)
            return self._view(tx, locked or found)

    async def password(self, step_up_id: UUID, password: str, caller: Caller) -> StepUpFlow:
        """One try, where the account has no factor; wrong ones are slowed down as at sign-in, and the third ends it."""
        async with self.db.read() as conn:
            await self.idempotency.recall(conn, caller)
            found = await self._mine(conn, step_up_id, caller)
            account = await accounts.get(conn, found.account_id)
            stored = await credentials.get(conn, found.account_id)
            now = conn.now
        if found.expires_at <= now or found.status in {"complete", "ended"} or account is None:
            raise FlowEnded
        if found.status != "password":
            raise StepMissing
        app = self.configuration.application(found.application)
        set_tenant(str(app.store.id), "user")
        count = self.slowdown.signed_in(found.account_id)
        await self.slowdown.take(self.db, count)
        right = await self.passwords.verify(stored, password)
        answer = None
        async with self.db.transaction() as tx:
            await self.idempotency.begin(tx, caller)
            locked = await store.lock(tx, step_up_id)
            if locked is None or locked.status != "password":
                raise FlowEnded
            if not right:
                await store.failed(tx, step_up_id, app.policy.sign_in.max_failures)
            elif (await accounts.standing(tx, found.account_id)).second_factor:
                raise FlowEnded  # enrolled meanwhile, so the password alone is too little now
            else:
                await self.slowdown.forget(tx, count)
                await store.complete(tx, step_up_id, [PASSWORD], tx.now)
                answer = self._view(tx, replace(locked, status="complete", methods=(PASSWORD,), proven_at=tx.now))
                await self.idempotency.store(tx, caller, 200, answer)
        if answer is None:
            security_event("authn_login_fail", "fail", account_id=str(found.account_id), reason="step_up_credentials_wrong")
            raise CredentialsWrong
        return answer

    async def waiting_for_provider(self, conn: Conn, step_up_id: UUID, caller: Caller) -> StepUp:
        """One that an account elsewhere may complete. Raises NotFound, FlowEnded, StepMissing."""
        found = await self._mine(conn, step_up_id, caller)
        if found.expires_at <= conn.now or found.status in {"complete", "ended"}:
            raise FlowEnded
        if found.status != "needs_provider":
            raise StepMissing
        return found

    async def by_provider(self, step_up_id: UUID, caller: Caller) -> StepUpFlow:
        """It has just asked anew who the customer is, and that is whose account this is. Raises NotFound, FlowEnded, StepMissing."""
        async with self.db.transaction() as tx:
            await self.waiting_for_provider(tx, step_up_id, caller)
            locked = await store.lock(tx, step_up_id)
            if locked is None or locked.status != "needs_provider":
                raise FlowEnded
            if (await accounts.standing(tx, locked.account_id)).second_factor:
                raise FlowEnded  # enrolled meanwhile, so this alone is too little now
            await store.complete(tx, step_up_id, [FEDERATED], tx.now)
            return self._view(tx, replace(locked, status="complete", methods=(FEDERATED,), proven_at=tx.now))

    async def purge(self) -> None:
        async with self.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)

    async def _decide(self, begun: StepUp, caller: Caller, about: str | None) -> AccessState:
        question = AccessQuestion(
            flow_id=begun.id,
            kind="step_up",
            application=begun.application,
            account_id=begun.account_id,
            expires_at=begun.expires_at,
            action=begun.action,
            about=about,
        )
        return await self.access.decide(question, caller)

    @staticmethod
    async def _mine(conn: Conn, step_up_id: UUID, caller: Caller) -> StepUp:
        """Raises NotFound for any session but the one that began it."""
        account_id, session_id = caller.account()
        found = await store.get(conn, step_up_id)
        if found is None or (found.account_id, found.session_id) != (account_id, session_id):
            raise NotFound
        return found

    async def _shown(self, conn: Conn, one: StepUp, access: AccessState | None = None) -> StepUpFlow:
        """With the providers that may be asked: linked ones, which say when they asked last who somebody is."""
        shown = self._view(conn, one, access)
        if shown.status != "needs_provider":
            return shown
        has = {row.provider for row in await linked.of(conn, one.account_id)}
        app = self.configuration.application(one.application)
        able = [who for who in app.application.social if who.name in has and who.known.reauthenticates]
        options = [SocialOption(name=who.name, label=who.said) for who in able]
        return shown.model_copy(update={"providers": options, "next": ["social"] if options else []})

    def _view(self, conn: Conn, one: StepUp, access: AccessState | None = None) -> StepUpFlow:
        fresh = one.proven_at is not None and one.proven_at + step_up.LIFETIME > conn.now
        over = not fresh if one.status == "complete" else one.expires_at <= conn.now
        status = "ended" if over else one.status
        shown = StepUpFlow(
            id=one.id,
            status=status,
            action=one.action,
            expires_at=one.expires_at,
            next=["password"] if status == "password" else [],
            grant=self._grant(one) if status == "complete" else None,
        )
        if access is None or status != "needs_factor":
            return shown
        return shown.model_copy(update=access.told)

    def _grant(self, one: StepUp) -> str:
        assert one.proven_at is not None  # noqa: S101 - it is complete
        grant = step_up.Grant(
            id=one.id,
            account_id=one.account_id,
            session_id=one.session_id,
            action=one.action,
            payload=one.payload_hash,
            methods=one.methods,
            proven_at=one.proven_at,
        )
        return grant.signed(self.keys)
