"""/v1/me/step-ups: fresh authentication for what must not be done by a session alone (STP-1, STP-2)."""

from typing import Any, Literal

from pydantic import Field

from .apps import SocialOption
from .common import Flow, PasswordText, Request
from .factors import FactorChoice

StepUpAction = Literal[
    "contact.add",
    "contact.change",
    "contact.primary",
    "contact.remove",
    "factor.add",
    "factor.remove",
    "identity.link",
    "identity.unlink",
    "password.change",
    "sessions.end",
    "trusted_devices.forget",
]


class StepUpRequest(Request):
    action: StepUpAction = Field(description="What is to be done, as `step_up_required` named it")
    payload: dict[str, Any] | None = Field(
        default=None, description="For what exactly, as `step_up_required` named it; nothing else will do"
    )


class StepUpPassword(Request):
    password: PasswordText


class StepUpFlow(Flow):
    """By the strongest of what the account has: a factor, else the password, else an account elsewhere."""

    kind: Literal["step_up"] = Field(default="step_up", description="What is being done")
    status: Literal["password", "needs_factor", "needs_provider", "complete", "ended"] = Field(
        description="`needs_provider`: one of `providers` asks anew who the customer is; `complete`: there is a grant"
    )
    action: StepUpAction = Field(description="What it is for")
    factors: list[FactorChoice] = Field(default_factory=list, description="With `needs_factor`: what may be used")
    code_digits: int | None = Field(
        default=None, description="How many digits the code has that was sent last; null where none was"
    )
    providers: list[SocialOption] = Field(
        default_factory=list,
        description="With `needs_provider`: who may be asked; none: a password must be set first, by a reset",
    )
    grant: str | None = Field(
        default=None,
        description="A secret, once complete: for one call of this action within five minutes, as `Latchkey-Step-Up: <grant>` (STP-2)",
    )
