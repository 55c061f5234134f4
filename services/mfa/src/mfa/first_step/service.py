"""A factor before anything else: name, then a code or link, then the password or the session (docs/flows/access.md).

Nothing in the customer's request depends on whether the name is known (ENU-1, ENU-2): it writes what was asked for and work, and whose it is
is found out behind the answer. So a wrong code of an unknown name is as wrong as any.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from latchkey_contracts import ways
from latchkey_contracts.http.access import Owner, OwnerQuestion
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import ChallengeRequest, FactorCode
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.messages import Origin
from latchkey_contracts.mfa import ChallengeFailed
from servicekit.context import Trace, set_tenant
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    FieldError,
    FlowEnded,
    NotFound,
    ServiceError,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.events import work
from servicekit.failpoints import failpoint
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match, same_browser
from servicekit.proof.flow import in_time
from servicekit.web.caller import Caller

from mfa.challenge import store as challenges
from mfa.challenge.access import usable_now
from mfa.challenge.sending import ChallengeSending
from mfa.challenge.service import FAILURES, Challenges
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.factors.store import Factor
from mfa.sending import SIGN_IN, Message, Sending
from mfa.tools import Tools

from . import state, store
from .store import FirstStep

SEND, FAILED = "first_step.send", "first_step.failed"
SECONDS, ASK_SECONDS = 2.0, 5.0
Items = Sequence[tuple[Trace, dict[str, Any]]]


class FirstSteps:
    """The second step of such a sign-in, if it has one, is as anybody's."""

    def __init__(
        self, tools: Tools, factor_service: FactorService, sending: Sending, second: ChallengeSending, codes: Challenges
    ) -> None:
        self._t = tools
        self._factors = factor_service
        self._sending = sending
        self._second = second
        self._codes = codes

    # --- asking for a code or link -----------------------------------------------------------------------------------------

    async def send(self, slug: str, flow_id: UUID, body: ChallengeRequest, caller: Caller) -> SignInFlow:
        """202 whatever was typed. Raises TooManyRequests by the 20 s rule and above the caps of what was typed."""
        app = self._t.configuration.application(slug)
        if not app.access.factor_first or await self._is_second(flow_id):
            return await self._second.for_sign_in(slug, flow_id, body, caller)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
            before = await store.get(conn, flow_id)
        wanted = await self._wanted(slug, app, flow_id, before, body, caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            pressed = await store.press(tx, wanted)
            _check(tx, pressed)
            in_time(await self._t.throttle.take(tx, state.limits(self._t, app, pressed, caller)))
            payload = {
                "flow_id": str(flow_id),
                "press": pressed.press,
                "device": in_words(caller.user_agent),
                "asn": caller.asn,
                "known": str(caller.device_account_id) if caller.device_account_id is not None else None,
                "at": tx.now.isoformat(),
            }
            await work.enqueue(tx, SEND, payload)
            told = await state.of(self._t, tx, pressed, caller)
            answer = SignInFlow(id=flow_id, status="needs_factor", expires_at=pressed.expires_at, **told.told_to_anybody)
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _is_second(self, flow_id: UUID) -> bool:
        async with self._t.db.read() as conn:
            return await challenges.get(conn, flow_id) is not None

    async def _wanted(
        self, slug: str, app: Resolved, flow_id: UUID, before: FirstStep | None, body: ChallengeRequest, caller: Caller
    ) -> FirstStep:
        """The first time, identity says that there is such a sign-in, of this browser. Raises NotFound, StepMissing, FlowEnded."""
        channel = _way(app, body)
        if before is not None:
            if before.application != slug or not same_browser(before.browser, caller.browser):
                raise NotFound
            return replace(before, channel=channel, form=body.form)
        asker = replace(caller, service="mfa", idempotency_key=None, fingerprint=None)
        path = f"/v1/apps/{slug}/sign-ins/{flow_id}"
        flow = SignInFlow.model_validate(await self._t.identity.request("GET", path, caller=asker, deadline=SECONDS))
        if flow.status != "needs_factor" or not flow.typed:
            raise FlowEnded if flow.status == "ended" else StepMissing
        return FirstStep(
            id=flow_id,
            store_id=app.store.id,
            application=slug,
            browser=caller.browser,
            identifier=flow.typed,
            requested_from=in_words(caller.user_agent),
            language=app.language_for(None, caller),
            match=new_match(),
            channel=channel,
            form=body.form,
            created_at=self._t.db.clock.now(),
            expires_at=flow.expires_at,
        )

    # --- a code ------------------------------------------------------------------------------------------------------------

    async def code(self, slug: str, flow_id: UUID, body: FactorCode, caller: Caller) -> SignInFlow:
        """Wrong ones are counted for the flow, and for what was typed; both for unknown names, too."""
        app = self._t.configuration.application(slug)
        if not app.access.factor_first or await self._is_second(flow_id):
            return await self._codes.sign_in_code(slug, flow_id, body, caller)
        set_tenant(str(app.store.id), "unauthenticated")
        async with self._t.db.read() as conn:
            await self._t.idempotency.recall(conn, caller)
        async with self._t.db.transaction() as tx:
            refused = await self._try(tx, app, flow_id, body.code, caller)
        if refused is not None:
            raise refused
        failpoint("first_step_proven")
        return SignInFlow.model_validate(await self._codes.go_on(f"/v1/apps/{slug}/sign-ins/{flow_id}", caller))

    async def _try(self, tx: Tx, app: Resolved, flow_id: UUID, code: str, caller: Caller) -> ServiceError | None:
        """Why it isn't proven, which is told once it is committed."""
        found = await store.lock(tx, flow_id)
        if found is None or found.application != app.application.slug or not same_browser(found.browser, caller.browser):
            raise NotFound
        if found.status == "proven":
            return None  # by this very window before, whose answer was lost
        if found.status == "ended" or found.expires_at <= tx.now:
            raise FlowEnded
        key, most = self._t.throttle.key("first_step_code", *state.whose(found, caller)), app.access.max_failures
        decision = await self._t.throttle.take(tx, [(key, FAILURES)])
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit="first_step_code", flow_id=str(flow_id))
            raise TooManyRequests(decision.retry_after_seconds)
        tries = await self._t.onetime.count_try(tx, flow_id=flow_id, purpose=SIGN_IN)
        outcome = "wrong"
        if tries <= most:
            outcome = await self._t.onetime.check_code(tx, flow_id=flow_id, purpose=SIGN_IN, code=code)
        self._t.guesses.count("ok" if outcome == "ok" else "wrong")
        if outcome == "ok":
            await self._t.throttle.forget(tx, [key])
            await state.prove(self._t, tx, found)
            return None
        if outcome == "expired":
            await self._t.onetime.forgive_try(tx, flow_id=flow_id, purpose=SIGN_IN)  # a right code is no guess
            return CodeExpired()
        await self._t.onetime.count_wrong(tx, SIGN_IN, str(flow_id))
        if ended := tries >= most:
            await store.end(tx, flow_id)
        await work.enqueue(tx, FAILED, {"flow_id": str(flow_id), "ended": ended})
        security_event("authn_login_fail", "fail", flow_id=str(flow_id), reason="first_step_code_wrong")
        return CodeBurned() if ended else CodeWrong(tries_left=most - tries)

    # --- behind the answers ------------------------------------------------------------------------------------------------

    async def ask(self, items: Items) -> Owner:
        """Whose name it is. Raises Overloaded."""
        ((_, payload),) = items
        async with self._t.db.read() as conn:
            found = await store.get(conn, UUID(payload["flow_id"]))
        if found is None or found.status != "waiting" or found.press != payload["press"]:
            return Owner()
        body = OwnerQuestion(
            application=found.application, store_id=found.store_id, identifier=found.identifier, channel=found.channel
        )
        answer = await self._t.identity.request(
            "POST",
            "/internal/sign-in-owners",
            caller=Caller("mfa"),
            json=body.model_dump(mode="json"),
            deadline=ASK_SECONDS,
        )
        return Owner.model_validate(answer)

    async def send_it(self, tx: Tx, items: Items, owner: Owner) -> None:
        """To a factor of the account that is reached that way, else to what the account has proven; to nobody else."""
        ((_, payload),) = items
        one = await store.lock(tx, UUID(payload["flow_id"]))
        if one is None or one.status != "waiting" or one.press != payload["press"] or one.expires_at <= tx.now:
            return
        if owner.account_id is None:
            return
        app = self._t.configuration.application(one.application)
        set_tenant(str(app.store.id))
        factor = _reached(usable_now(app, await factors.of(tx, owner.account_id)), one.channel)
        if factor is None and owner.contact is None:
            return
        if not await self._has_room(tx, app, owner.account_id, payload):
            return  # above a cap nothing leaves, and nobody is told
        masked = factor.masked if factor is not None else owner.to
        await store.found(tx, one.id, owner.account_id, factor.id if factor is not None else None, masked)
        message = Message(
            flow_id=one.id,
            factor_id=factor.id if factor is not None else None,
            account_id=owner.account_id,
            kind=ways.kind_of(one.channel),
            target=self._factors.target(factor) if factor is not None else "",
            proven_at=factor.confirmed_at if factor is not None else None,
            purpose="sign_in",
            channel=one.channel,
            form=one.form,
            language=one.language,
            browser=one.browser,
            match=one.match,
            asked=Origin(at=tx.now, device=payload["device"], asn=payload["asn"]),
            contact=owner.contact if factor is None else None,
        )
        await self._sending.send(tx, app, message)

    async def _has_room(self, tx: Tx, app: Resolved, account_id: UUID, payload: dict[str, Any]) -> bool:
        """Of the person, however many names they have; a browser that they signed in with before has a count of its own (BRF-3)."""
        own = ("known",) if payload["known"] == str(account_id) else ()
        caps = self._sending.limits(app, SIGN_IN, account_id, UUID(payload["flow_id"]))[1][1]
        decision = await self._t.throttle.take(tx, [(self._t.throttle.key("first_step_sent", str(account_id), *own), caps)])
        return decision.allowed

    async def nothing(self, _items: Items) -> None:
        """Is to be asked."""

    async def tell_failure(self, tx: Tx, items: Items, _answer: None) -> None:
        """The event is for an account that exists."""
        for _, payload in items:
            one = await store.get(tx, UUID(payload["flow_id"]))
            if one is None or one.account_id is None:
                continue
            set_tenant(str(one.store_id), "unauthenticated")
            await tx.emit(
                ChallengeFailed(
                    account_id=one.account_id,
                    flow_id=one.id,
                    application=one.application,
                    reason="code_wrong",
                    ended=payload["ended"],
                )
            )

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now)


def _check(tx: Tx, one: FirstStep) -> None:
    if one.status == "ended" or one.expires_at <= tx.now:
        raise FlowEnded
    if one.status != "waiting":
        raise StepMissing


def _way(app: Resolved, body: ChallengeRequest) -> Channel:
    """Raises ValidationFailed for what isn't among the ways that everybody was told."""
    found = [one for one in ways.generic(app.access, app.notification) if body.factor_id in {None, one.id}]
    if body.channel is not None:
        found = [one for one in found if body.channel in one.channels]
    if not found:
        wrong = "/channel" if body.factor_id is None else "/factor_id"
        raise ValidationFailed([FieldError(wrong, "not_an_option", "This way isn't open")])
    channel = body.channel or found[0].channels[0]
    if body.form not in found[0].forms or (channel == "voice" and body.form == "link"):
        raise ValidationFailed([FieldError("/form", "not_an_option", "This can't be sent that way")])
    return channel


def _reached(usable: Sequence[Factor], channel: Channel) -> Factor | None:
    """The newest of those that it reaches."""
    found = [one for one in usable if one.kind == ways.kind_of(channel)]
    return max(found, key=lambda one: one.created_at, default=None)
