"""A passkey proves a sign-in after the password, or a step-up (MFA-1 to MFA-3). Without name and password: passkey_alone.py."""

from uuid import UUID

from latchkey_contracts.http.passkeys import PasskeyOptions, PasskeyProof
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.step_up import StepUpFlow
from latchkey_contracts.mfa import ChallengeFailed
from servicekit.db import Conn, Tx
from servicekit.errors import FlowEnded, NotFound, PasskeyWrong, ServiceError, StepMissing, TooManyRequests
from servicekit.failpoints import failpoint
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.factors import store as factors
from mfa.notices.service import What
from mfa.passkeys.service import Proven, Unproven, error_of
from mfa.sending import SIGN_IN

from . import store
from .access import taken_up, usable_now
from .passkey_alone import PasskeyAlone
from .passkey_flow import Parts, PasskeyFlow, about, log_wrong, mine_or_none, sign_in_path
from .service import FAILURES
from .store import Challenge


class PasskeyChallenges(PasskeyFlow):
    def __init__(self, parts: Parts, alone: PasskeyAlone) -> None:
        super().__init__(parts)
        self._alone = alone

    # --- what a browser is asked ------------------------------------------------------------------------------------------

    async def sign_in_options(self, slug: str, flow_id: UUID, caller: Caller) -> PasskeyOptions:
        """Raises StepMissing where no passkey is asked for."""
        async with self._t.db.read() as conn:
            found = await mine_or_none(conn, "sign_in", flow_id, slug, caller)
            if found is not None:
                return await self._options(conn, found, caller)
        await self._alone.at_password(slug, flow_id, caller)
        async with self._t.db.read() as conn:
            return PasskeyOptions(public_key=await self._passkeys.request(conn, about("sign_in", flow_id, caller), None))

    async def step_up_options(self, flow_id: UUID, caller: Caller) -> PasskeyOptions:
        caller.account()
        async with self._t.db.read() as conn:
            found = await mine_or_none(conn, "step_up", flow_id, None, caller)
            if found is None:
                raise NotFound
            return await self._options(conn, found, caller)

    async def _options(self, conn: Conn, found: Challenge, caller: Caller) -> PasskeyOptions:
        app = self._t.configuration.application(found.application)
        if found.status == "ended" or found.expires_at <= conn.now:
            raise FlowEnded
        usable = usable_now(app, await factors.of(conn, found.account_id))
        if not any(one.kind == "passkey" for one in usable):
            raise StepMissing
        meant = about(found.kind, found.id, caller)
        return PasskeyOptions(public_key=await self._passkeys.request(conn, meant, found.account_id))

    # --- what it answers --------------------------------------------------------------------------------------------------

    async def sign_in(self, slug: str, flow_id: UUID, body: PasskeyProof, caller: Caller) -> SignInFlow:
        """Answers the sign-in as it stands then. Raises PasskeyWrong, MoreProofRequired, FlowEnded, TooManyRequests."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            found = await mine_or_none(conn, "sign_in", flow_id, slug, caller)
        refused = await (self._alone.prove(slug, flow_id, body, caller) if found is None else self._try(flow_id, body, caller))
        if refused is not None:
            raise refused
        failpoint("challenge_proven")
        return SignInFlow.model_validate(await self._challenges.go_on(sign_in_path(slug, flow_id), caller))

    async def step_up(self, flow_id: UUID, body: PasskeyProof, caller: Caller) -> StepUpFlow:
        caller.account()
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            if await mine_or_none(conn, "step_up", flow_id, None, caller) is None:
                raise NotFound
        refused = await self._try(flow_id, body, caller)
        if refused is not None:
            raise refused
        failpoint("challenge_proven")
        return StepUpFlow.model_validate(await self._challenges.go_on(f"/v1/me/step-ups/{flow_id}", caller))

    # --- beside the password ----------------------------------------------------------------------------------------------

    async def _try(self, flow_id: UUID, body: PasskeyProof, caller: Caller) -> ServiceError | None:
        """Why it isn't proven, which is told once it is committed."""
        async with self._t.db.transaction() as tx:
            if (taken := await taken_up(self._t, tx, flow_id)) is None:
                return None
            found, app = taken
            usable = {one.id: one for one in usable_now(app, await factors.of(tx, found.account_id)) if one.kind == "passkey"}
            if not usable:
                raise StepMissing
            slow = await self._slow_down(tx, found.account_id, caller)
            tries = await self._t.onetime.count_try(tx, flow_id=flow_id, purpose=SIGN_IN)
            right = await self._passkeys.prove(tx, about(found.kind, flow_id, caller), body.credential)
            passkey, why = (right.passkey, None) if isinstance(right, Proven) else right
            if passkey is None or passkey.factor_id not in usable:
                why = "unknown"
            if not isinstance(right, Proven) or why is not None or tries > app.access.max_failures:
                return await self._wrong(tx, app, found, why or "wrong", tries, caller)
            await self._t.throttle.forget(tx, [slow])
            await self.proven(tx, app, found, right, body, caller)
        return None

    async def _wrong(self, tx: Tx, app: Resolved, found: Challenge, why: Unproven, tries: int, caller: Caller) -> ServiceError:
        most = app.access.max_failures
        ended = tries >= most
        await self._t.onetime.count_wrong(tx, SIGN_IN, str(found.account_id))
        if ended:
            await store.end(tx, found.id)
        failed = ChallengeFailed(
            account_id=found.account_id, flow_id=found.id, application=found.application, reason="assertion_wrong", ended=ended
        )
        await tx.emit(failed)
        if why != "user_not_verified":  # that was the owner's own
            what: What = "passkey_copied" if why == "sign_count_back" else "factor_failed"
            await self._notices.enqueue(tx, what, app, found.account_id, caller)
        log_wrong(why, found.id, found.account_id)
        if ended:
            return FlowEnded()
        return PasskeyWrong(tries_left=most - tries) if isinstance(error_of(why), PasskeyWrong) else error_of(why)

    # --- parts ------------------------------------------------------------------------------------------------------------

    async def _slow_down(self, tx: Tx, account_id: UUID, caller: Caller) -> bytes:
        """A count of its own: whoever guesses codes keeps nobody's passkey out. Raises TooManyRequests."""
        device = caller.known_device(account_id)
        key = self._t.throttle.key("passkey", str(account_id), *(("device", device) if device is not None else ()))
        decision = await self._t.throttle.take(tx, [(key, FAILURES)])
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="passkey", account_id=str(account_id))
            raise TooManyRequests(decision.retry_after_seconds)
        return key
