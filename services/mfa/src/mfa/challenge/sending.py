"""A code or link for a sign-in or step-up, or another one, through the same or another way (R21-R29, D16, D18)."""

from dataclasses import replace
from uuid import UUID

from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import ChallengeRequest
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.step_up import StepUpFlow
from latchkey_contracts.messages import Origin
from servicekit.context import set_tenant
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.errors import FieldError, FlowEnded, NotFound, StepMissing, ValidationFailed
from servicekit.process.configuration import Resolved
from servicekit.proof.flow import in_time
from servicekit.web.caller import Caller

from mfa.factors import rules
from mfa.factors import store as factors
from mfa.factors.service import FactorService
from mfa.factors.store import Factor
from mfa.sending import SIGN_IN, Message, Sending
from mfa.tools import Tools

from . import store
from .access import AccessDecisions, is_mine, usable_now
from .store import Challenge


class ChallengeSending:
    def __init__(self, tools: Tools, factor_service: FactorService, decisions: AccessDecisions, sending: Sending) -> None:
        self._t = tools
        self._factors = factor_service
        self._decisions = decisions
        self._sending = sending

    async def for_sign_in(self, slug: str, flow_id: UUID, body: ChallengeRequest, caller: Caller) -> SignInFlow:
        """Raises TooManyRequests by the 20 s rule and above the caps; a code that was received before can be entered all the same."""
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            found = await self._send(tx, flow_id, "sign_in", slug, body, caller)
            state = await self._decisions.state_of(tx, found)
            answer = SignInFlow(
                id=flow_id,
                status="needs_factor",
                expires_at=found.expires_at,
                **state.told,
            )
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def for_step_up(self, flow_id: UUID, body: ChallengeRequest, caller: Caller) -> StepUpFlow:
        caller.account()
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            found = await self._send(tx, flow_id, "step_up", None, body, caller)
            state = await self._decisions.state_of(tx, found)
            answer = StepUpFlow(
                id=flow_id,
                status="needs_factor",
                action=found.action or "factor.add",
                expires_at=found.expires_at,
                **state.told,
            )
            await self._t.idempotency.store(tx, caller, 202, answer)
        return answer

    async def _send(
        self, tx: Tx, flow_id: UUID, kind: str, slug: str | None, body: ChallengeRequest, caller: Caller
    ) -> Challenge:
        found = await store.lock(tx, flow_id)
        if found is None or found.kind != kind or (slug is not None and found.application != slug) or not is_mine(found, caller):
            raise NotFound
        app = self._t.configuration.application(found.application)
        set_tenant(str(app.store.id), "user")
        if found.status == "ended" or found.expires_at <= tx.now:
            raise FlowEnded
        if found.status != "waiting":
            raise StepMissing
        usable = usable_now(app, await factors.of(tx, found.account_id))
        factor, channel = self._way(app, found, usable, body)
        in_time(await self._t.throttle.take(tx, self._sending.limits(app, SIGN_IN, found.account_id, flow_id)))
        message = Message(
            flow_id=flow_id,
            factor_id=factor.id,
            account_id=found.account_id,
            kind=factor.kind,
            target=self._factors.target(factor),
            proven_at=factor.confirmed_at,
            purpose="sign_in" if found.kind == "sign_in" else "step_up",
            channel=channel,
            form=body.form,
            language=found.language,
            browser=found.browser,
            match=found.match,
            asked=Origin(at=tx.now, device=in_words(caller.user_agent), asn=caller.asn),
            action=found.action,
            about=found.about,
        )
        digits = await self._sending.send(tx, app, message)
        await store.sent(tx, flow_id, factor.id, channel, body.form, factor.masked, digits)
        return replace(found, factor_id=factor.id, channel=channel, form=body.form, digits=digits, link_ended=False)

    @staticmethod
    def _way(app: Resolved, found: Challenge, usable: list[Factor], body: ChallengeRequest) -> tuple[Factor, Channel]:
        """Raises ValidationFailed for what isn't among the ways that the flow was told."""
        sendable = [one for one in usable if rules.channels(app, one.kind)]
        factor = next((one for one in sendable if body.factor_id in {None, one.id}), None)
        if factor is None:
            raise ValidationFailed([FieldError("/factor_id", "not_an_option", "Nothing can be sent to it")])
        forms = rules.forms(app, factor.kind) if found.kind == "sign_in" else ["code"]
        channels = rules.channels(app, factor.kind)
        channel = body.channel or channels[0]
        if channel not in channels:
            raise ValidationFailed([FieldError("/channel", "not_an_option", "This way isn't open")])
        if body.form not in forms or (channel == "voice" and body.form == "link"):
            raise ValidationFailed([FieldError("/form", "not_an_option", "This can't be sent that way")])
        return factor, channel
