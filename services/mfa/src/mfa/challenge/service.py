"""A factor is proven by a code: of the authenticator app, a recovery code (OTP-3, OTP-5, MFA-4 to MFA-6).

One count of wrong tries for a flow, whatever was typed. The try is counted and committed before anybody is told; what is proven here reaches
identity because whoever asked goes on there, and identity asks again how far it is: a crash in between loses nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from latchkey_contracts.http.factors import FactorCode
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.step_up import StepUpFlow
from latchkey_contracts.mfa import ChallengeFailed, ChallengeSucceeded
from pydantic import BaseModel
from servicekit.db import Tx
from servicekit.errors import CodeBurned, CodeExpired, CodeWrong, NotFound, ServiceError, TooManyRequests
from servicekit.failpoints import failpoint
from servicekit.keys import Keys
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.throttle import Limit
from servicekit.web.caller import Caller

from mfa.access_rules.service import AccessRules
from mfa.factors import recovery_codes, rules, totp
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.factors.store import Factor
from mfa.notices.service import Notices
from mfa.sending import SIGN_IN
from mfa.tools import Tools
from mfa.trusted_devices.service import TrustedDevices

from . import store
from .access import is_mine, taken_up, usable_now
from .store import Challenge

PURPOSE = SIGN_IN
SECONDS = 5.0
# OTP-5: over all flows of a person, growing; a browser that signed in before has a count of its own (BRF-3).
FAILURES: Sequence[Limit] = (Limit(10, 300), Limit(20, 3600), Limit(50, 86400))
GUESSED: Sequence[Limit] = (Limit(1, 3600), *FAILURES)
Kind = Literal["sign_in", "step_up"]
Late = Literal["expired"]


class Challenges:
    def __init__(
        self, tools: Tools, keys: Keys, factor_service: FactorService, notices: Notices, devices: TrustedDevices
    ) -> None:
        self._t = tools
        self._devices = devices
        self._keys = keys
        self._factors = factor_service
        self._notices = notices

    async def sign_in_code(self, slug: str, flow_id: UUID, body: FactorCode, caller: Caller) -> SignInFlow:
        """Answers the sign-in as it stands then: complete, or what it needs next."""
        found = await self._code("sign_in", flow_id, body, caller, f"/v1/apps/{slug}/sign-ins/{flow_id}", slug)
        return SignInFlow.model_validate(found)

    async def step_up_code(self, flow_id: UUID, body: FactorCode, caller: Caller) -> StepUpFlow:
        caller.account()
        found = await self._code("step_up", flow_id, body, caller, f"/v1/me/step-ups/{flow_id}", None)
        return StepUpFlow.model_validate(found)

    async def _code(self, kind: Kind, flow_id: UUID, body: FactorCode, caller: Caller, path: str, slug: str | None) -> Any:
        hashes = await self._look(kind, flow_id, body.code, caller, slug)
        refused = await self._try(flow_id, body, hashes, caller)
        if refused is not None:
            raise refused
        failpoint("challenge_proven")
        return await self.go_on(path, caller)

    async def _look(self, kind: Kind, flow_id: UUID, code: str, caller: Caller, slug: str | None) -> dict[UUID, bytes]:
        """The slow hash of what may be a recovery code, by each set that it may be of: outside of any transaction."""
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            found = await store.get(conn, flow_id)
            if (
                found is None
                or found.kind != kind
                or (slug is not None and found.application != slug)
                or not is_mine(found, caller)
            ):
                raise NotFound
            text = recovery_codes.read(code)
            if text is None or found.status != "waiting":
                return {}
            ours = await factors.of(conn, found.account_id)
        return {
            one.id: await recovery_codes.hashed(self._keys, text, one.salt) for one in ours if one.active and one.salt is not None
        }

    async def _try(self, flow_id: UUID, body: FactorCode, hashes: dict[UUID, bytes], caller: Caller) -> ServiceError | None:
        """Why it isn't proven, which is told once it is committed."""
        async with self._t.db.transaction() as tx:
            if (taken := await taken_up(self._t, tx, flow_id)) is None:
                return None
            found, app = taken
            key = self._slow(found.account_id, caller)
            decision = await self._t.throttle.take(tx, [(key, await self._pace(tx, found.account_id, caller))])
            if not decision.allowed:
                security_event("excess_rate_limit_exceeded", "fail", limit="factor_code", account_id=str(found.account_id))
                raise TooManyRequests(decision.retry_after_seconds)
            tries = await self._t.onetime.count_try(tx, flow_id=flow_id, purpose=PURPOSE)
            right = await self._right(tx, app, found, body.code, hashes) if tries <= app.access.max_failures else None
            self._t.guesses.count("ok" if isinstance(right, Factor) else right or "wrong")
            if right == "expired":
                await self._t.onetime.forgive_try(tx, flow_id=flow_id, purpose=PURPOSE)  # a right code is no guess
                return CodeExpired()
            if right is None:
                return await self._wrong(tx, app, found, tries, caller)
            await self._t.throttle.forget(tx, [key])
            await self.proven(tx, found, right, caller)
            if body.trust_device and found.kind == "sign_in":
                await self._devices.trust(tx, app, found.account_id, caller)
        return None

    async def _right(self, tx: Tx, app: Resolved, found: Challenge, code: str, hashes: dict[UUID, bytes]) -> Factor | Late | None:
        """The first factor that this proves, used up."""
        for one in usable_now(app, await factors.of(tx, found.account_id)):
            if one.kind == "totp":
                step = totp.accepted(self._factors.secret(one), code, tx.now, one.last_step)
                if step is not None and await factors.use_step(tx, one.id, step):
                    return one
            elif one.kind == "recovery_codes" and one.id in hashes and await factors.use_code(tx, one.id, hashes[one.id]):
                return one
            elif one.id == found.factor_id and found.form == "code":
                outcome = await self._t.onetime.check_code(tx, flow_id=found.id, purpose=PURPOSE, code=code)
                if outcome == "ok":
                    return one
                if outcome == "expired":
                    return outcome
        return None

    async def proven(self, tx: Tx, found: Challenge, right: Factor, caller: Caller, *, method: str | None = None) -> None:
        """With the challenge locked: by this factor. `method`: where it isn't the one of its kind."""
        app = self._t.configuration.application(found.application)
        await self._t.onetime.forgive_try(tx, flow_id=found.id, purpose=PURPOSE)
        await self._t.onetime.forgive_wrong(tx, str(found.account_id))
        await factors.used(tx, right.id)
        methods = [method or rules.METHODS[right.kind]]
        await store.prove(tx, found.id, methods)
        await AccessRules.arrived(tx, found.id)
        await tx.emit(
            ChallengeSucceeded(
                account_id=found.account_id,
                flow_id=found.id,
                factor_id=right.id,
                kind=right.kind,
                application=found.application,
                methods=methods,
            )
        )
        if right.kind == "recovery_codes":
            await self._notices.enqueue(tx, "recovery_code_used", app, found.account_id, caller, kind="recovery_codes")

    async def _wrong(self, tx: Tx, app: Resolved, found: Challenge, tries: int, caller: Caller) -> ServiceError:
        most = app.access.max_failures
        if await self._t.onetime.count_wrong(tx, PURPOSE, str(found.account_id)):
            await self._notices.enqueue(tx, "factor_guessed", app, found.account_id, caller)
        ended = tries >= most
        if ended:
            await store.end(tx, found.id)
        await tx.emit(
            ChallengeFailed(
                account_id=found.account_id, flow_id=found.id, application=found.application, reason="code_wrong", ended=ended
            )
        )
        await self._notices.enqueue(tx, "factor_failed", app, found.account_id, caller)
        security_event(
            "authn_login_fail", "fail", account_id=str(found.account_id), flow_id=str(found.id), reason="factor_code_wrong"
        )
        return CodeBurned() if ended else CodeWrong(tries_left=most - tries)

    async def _pace(self, tx: Tx, account_id: UUID, caller: Caller) -> Sequence[Limit]:
        """Where somebody guesses, devices that never signed in wait, until the owner has used a factor or another one (OTP-5)."""
        known = caller.known_device(account_id) is not None
        return FAILURES if known or not await self._t.onetime.is_guessed(tx, PURPOSE, str(account_id)) else GUESSED

    def _slow(self, account_id: UUID, caller: Caller) -> bytes:
        device = caller.known_device(account_id)
        return self._t.throttle.key("factor_code", str(account_id), *(("device", device) if device is not None else ()))

    async def forget_wrong(self, tx: Tx, account_id: UUID) -> None:
        """What unknown devices wait for; a known one has a count of its own."""
        await self._t.throttle.forget(tx, [self._t.throttle.key("factor_code", str(account_id))])
        await self._t.onetime.forgive_wrong(tx, str(account_id))

    async def go_on(self, path: str, caller: Caller) -> Any:
        """Identity asks here how far it is, and goes on."""
        answer = await self.ask(path, caller)
        await self.keep(caller, _Answer(**answer))
        return answer

    async def ask(self, path: str, caller: Caller) -> Any:
        """Identity's flow, for whoever asked."""
        asker = replace(caller, service="mfa", idempotency_key=None, fingerprint=None)
        return await self._t.identity.request("GET", path, caller=asker, deadline=SECONDS)

    async def keep(self, caller: Caller, answer: BaseModel) -> None:
        """For whoever repeats the call under its key."""
        if caller.idempotency_key is not None:
            async with self._t.db.transaction() as tx:
                await self._t.idempotency.begin(tx, caller)
                await self._t.idempotency.store(tx, caller, 200, answer)


class _Answer(BaseModel):
    """Another service's, as it stands."""

    model_config = {"extra": "allow"}
