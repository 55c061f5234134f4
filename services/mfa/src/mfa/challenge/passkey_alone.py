"""Sign-in by a passkey instead of name and password (MFA-3).

It is two factors at once: what somebody has, and their finger, face or screen lock. Whose it is comes to light with the proof, so the
challenge is made with it; the access policy is asked as after a password, and identity goes on as after a code.
"""

from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion
from latchkey_contracts.http.passkeys import PasskeyProof
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import FlowEnded, NotAllowedByPolicy, ServiceError, StepMissing
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match
from servicekit.web.caller import Caller

from mfa.passkeys.service import Proven, Unproven, error_of
from mfa.passkeys.store import Passkey

from . import store
from .access import AccessDecisions, is_mine
from .passkey_flow import Parts, PasskeyFlow, about, log_wrong, mine_or_none, sign_in_path
from .store import Challenge

ALONE = "passkey_sign_in"  # tries of a flow that hasn't proven anything yet


class PasskeyAlone(PasskeyFlow):
    def __init__(self, parts: Parts, decisions: AccessDecisions) -> None:
        super().__init__(parts)
        self._decisions = decisions

    async def prove(self, slug: str, flow_id: UUID, body: PasskeyProof, caller: Caller) -> ServiceError | None:
        """Why it isn't proven; nothing, if a twin of this call was quicker."""
        try:
            refused = await self._prove_alone(slug, flow_id, body, caller)
        except (FlowEnded, StepMissing) as error:
            refused = error
        if refused is None:
            return None
        async with self._t.db.read() as conn:
            return None if await self._proven_by_twin(conn, slug, flow_id, caller) else refused

    async def _proven_by_twin(self, conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> bool:
        found = await mine_or_none(conn, "sign_in", flow_id, slug, caller)
        return found is not None and found.status == "proven"

    async def _prove_alone(self, slug: str, flow_id: UUID, body: PasskeyProof, caller: Caller) -> ServiceError | None:
        """Proven first, whoever it is; then the access policy is asked; then the flow is that person's."""
        flow = await self.at_password(slug, flow_id, caller)
        app = self._t.configuration.application(slug)
        set_tenant(str(app.store.id), "user")
        async with self._t.db.transaction() as tx:
            tries = await self._t.onetime.count_try(tx, flow_id=flow_id, purpose=ALONE)
            if tries > app.access.max_failures:
                return FlowEnded()
            right = await self._right_alone(tx, app, flow_id, body, caller)
            if not isinstance(right, Proven):
                twin = await self._proven_by_twin(tx, slug, flow_id, caller)
                return None if twin else await self._wrong_alone(tx, app, flow_id, right, caller)
            await self._t.onetime.forgive_try(tx, flow_id=flow_id, purpose=ALONE)
        account_id = right.passkey.account_id
        question = AccessQuestion(
            flow_id=flow_id, kind="sign_in", application=slug, account_id=account_id, expires_at=flow.expires_at, typed=flow.typed
        )
        decided = (await self._decisions.decide(question, caller)).decision
        if decided not in {"allow", "challenge", "proven"}:
            return FlowEnded() if decided == "ended" else NotAllowedByPolicy()
        async with self._t.db.transaction() as tx:
            await store.insert(tx, self._begun(app, flow_id, account_id, flow.expires_at, caller))
            found = await store.lock(tx, flow_id)
            if found is None or not is_mine(found, caller) or found.account_id != account_id or found.status == "ended":
                return FlowEnded()
            if found.status == "proven":
                return None
            again = await self._right_alone(tx, app, flow_id, body, caller)
            if not isinstance(again, Proven):
                return await self._wrong_alone(tx, app, flow_id, again, caller)
            await self.proven(tx, app, found, again, body, caller)
        return None

    async def _right_alone(
        self, tx: Tx, app: Resolved, flow_id: UUID, body: PasskeyProof, caller: Caller
    ) -> Proven | tuple[Passkey | None, Unproven]:
        """Of the application's own store, and named by the authenticator itself."""
        right = await self._passkeys.prove(tx, about("sign_in", flow_id, caller), body.credential)
        if not isinstance(right, Proven):
            return right
        if body.credential.response.userHandle is None or right.passkey.store_id != app.store.id:
            return None, "unknown"
        return right

    async def _wrong_alone(
        self, tx: Tx, app: Resolved, flow_id: UUID, wrong: tuple[Passkey | None, Unproven], caller: Caller
    ) -> ServiceError:
        """The same for a passkey that nobody has; only a copied one is told to its owner."""
        passkey, why = wrong
        account_id = passkey.account_id if passkey is not None and passkey.store_id == app.store.id else None
        log_wrong(why, flow_id, account_id)
        if account_id is not None and why == "sign_count_back":
            await self._notices.enqueue(tx, "passkey_copied", app, account_id, caller)
        return error_of(why)

    async def at_password(self, slug: str, flow_id: UUID, caller: Caller) -> SignInFlow:
        """Identity's flow, while nobody is known in it and a passkey will do. Raises NotFound, FlowEnded, StepMissing, Overloaded."""
        found = await self._challenges.ask(sign_in_path(slug, flow_id), caller)
        flow = SignInFlow.model_validate(found)
        if flow.status in {"ended", "complete"}:
            raise FlowEnded
        if "passkey" not in flow.next:
            raise StepMissing
        return flow

    def _begun(self, app: Resolved, flow_id: UUID, account_id: UUID, expires_at: datetime, caller: Caller) -> Challenge:
        """Where the policy asks for no factor, there is none yet."""
        return Challenge(
            id=flow_id,
            kind="sign_in",
            account_id=account_id,
            store_id=app.store.id,
            application=app.application.slug,
            browser=caller.browser,
            session_id=None,
            requested_from=in_words(caller.user_agent),
            language=app.language_for(None, caller),
            match=new_match(),
            created_at=self._t.db.clock.now(),
            expires_at=expires_at,
        )
