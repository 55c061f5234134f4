"""Ways to confirm who one is: which can be used, what can be sent where, and the page that asks for one (R21-R29, D16)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from latchkey_contracts import typed
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.factors import Factor, FactorChoice, Form
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.step_up import StepUpFlow
from servicekit import errors
from starlette.responses import Response

from .fields import required
from .visit import Visit

# Whose code is at hand already; everything else is sent.
TYPED = ("totp", "recovery_codes")
HELD = ("passkey", *TYPED)
SENT = ("email", "phone")
APP_DIGITS = 6
_TOLD = (errors.CodeWrong, errors.CodeExpired, errors.TooManyRequests, errors.PasskeyWrong, errors.MoreProofRequired)


@dataclass(frozen=True)
class Sendable:
    """What one press sends."""

    factor: FactorChoice
    channel: Channel
    form: Form

    @property
    def value(self) -> str:
        """Of the button that sends it; `asked` reads it."""
        return f"{self.factor.id}.{self.channel}.{self.form}"


def sendables(factors: Iterable[FactorChoice], forms: Sequence[Form] = ("code", "link")) -> list[Sendable]:
    """Best first, as the factors are; a call reads out no link."""
    return [
        Sendable(factor, channel, form)
        for factor in factors
        if factor.kind in SENT
        for channel in factor.channels
        for form in factor.forms
        if form in forms and not (channel == "voice" and form == "link")
    ]


def asked(value: str) -> dict[str, str]:
    """The API's body for a press of a `Sendable`. Raises MalformedRequest for what none of our buttons says."""
    parts = value.split(".")
    if len(parts) != 3:
        raise errors.MalformedRequest
    return dict(zip(("factor_id", "channel", "form"), parts, strict=True))


def code_of(fields: dict[str, str]) -> str:
    """As it is compared (OTP-8); raises ValidationFailed where there is none."""
    return str(typed.code(required(fields, "code")))[:32]


@dataclass(frozen=True)
class Asking:
    """What the page asks for. `way`: `passkey`, `totp`, `recovery_codes`, or the channel; `sent`: something has left by it; `offer`: what its button
    sends, where nothing has. `others`: what is at hand as well. `blind`: nothing is proven yet, so nobody is told where it goes or
    whether there is anything to go to (ENU-1).
    """

    way: str
    sent: bool
    offer: Sendable | None
    sends: list[Sendable]
    others: list[FactorChoice]
    blind: bool = False


def asking(flow: SignInFlow | StepUpFlow, chosen: str | None, forms: Sequence[Form] = ("code", "link")) -> Asking | None:
    """`chosen`: id of the factor that the customer chose; else what was sent last, else the best. None: nothing that a page knows."""
    held = [one for one in flow.factors if one.kind in HELD]
    sends = sendables(flow.factors, forms)
    picked = next((one for one in held if str(one.id) == chosen), None)
    usable = [one for one in flow.factors if one in held or any(send.factor == one for send in sends)]
    blind = bool(flow.factors) and all(one.to is None and one.kind in SENT for one in flow.factors)
    asked = flow.asked if isinstance(flow, SignInFlow) else None
    if picked is None and (channel := asked or (flow.delivery.channel if flow.delivery else None)) is not None:
        return Asking(channel, True, None, sends, held, blind)
    picked = picked or next(iter(usable), None)
    if picked is None:
        return None
    others = [one for one in held if one != picked]
    if picked in held:
        return Asking(picked.kind, False, None, sends, others)
    offer = next(send for send in sends if send.factor == picked)
    return Asking(offer.channel, False, offer, sends, others, blind)


def confirming(visit: Visit, template: str, flow: SignInFlow | StepUpFlow, shown: Asking, **more: Any) -> Response:
    """The page that asks for a code, with what became of the last press and of what was sent."""
    policy = visit.app.access
    return visit.page(
        template,
        flow=flow,
        shown=shown,
        digits=APP_DIGITS if shown.way in TYPED else flow.code_digits,
        code_minutes=int(policy.passcode_lifetime.total_seconds() // 60),
        link_minutes=int(policy.link_lifetime.total_seconds() // 60),
        **pressed(visit, flow),
        **more,
    )


def pressed(visit: Visit, flow: SignInFlow | StepUpFlow | Factor) -> dict[str, Any]:
    """What became of the last press, and in seconds: `wait` until something may be sent again, `spacing` between two of them, `ago` since
    what was sent is as far as it is.
    """
    problem = visit.told(*_TOLD)
    wait = flow.resend.retry_after_seconds if flow.resend else 0
    if isinstance(problem, errors.TooManyRequests):
        wait = max(wait, math.ceil(problem.extra["retry_after_seconds"]))
    spacing = max(int(visit.app.policy.resend.spacing.total_seconds()), wait)
    now = visit.gateway.clock.now()
    ago = max(int((now - flow.delivery.at).total_seconds()), 0) if flow.delivery else 0
    return {"problem": problem, "wait": wait, "spacing": spacing, "ago": ago}
