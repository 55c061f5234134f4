"""Between identity and mfa: what a sign-in or step-up still needs. No part of the public API."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from .common import Delivery, NextStep, Request, Resend, Response
from .factors import FactorChoice
from .step_up import StepUpAction

Id = Annotated[UUID, Field(strict=False)]
Moment = Annotated[datetime, Field(strict=False)]


class AccessQuestion(Request):
    """Asked once something is proven; asking again for the same flow answers the same."""

    flow_id: Id
    kind: Literal["sign_in", "step_up"]
    application: str
    account_id: Id
    expires_at: Moment
    typed: str | None = None
    action: StepUpAction | None = None
    about: str | None = None


class AccessState(Response):
    """`allow`: nothing more is needed. `challenge`: a factor, of `factors`. `proven`: by `methods` (RFC 8176), at `proven_at`.
    `ended`: too many wrong tries.
    """

    decision: Literal["allow", "challenge", "proven", "ended"]
    methods: list[str] = Field(default_factory=list)
    proven_at: datetime | None = None
    factors: list[FactorChoice] = Field(default_factory=list)
    next: list[NextStep] = Field(default_factory=list)
    delivery: Delivery | None = None
    resend: Resend | None = None
    match: str | None = None
    link_ended: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """What whoever asked is shown of it, by the names that a sign-in and a step-up have alike."""
        return {name: getattr(self, name) for name in ("factors", "next", "delivery", "resend", "match")}


class SecondFactor(Request):
    """Whether the account has a factor, as of the mfa service's `version` of it; an older version changes nothing."""

    enrolled: bool
    version: int
