"""Between identity and mfa: what a sign-in or step-up still needs. No part of the public API."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from latchkey_contracts.sealed import Sealed

from .common import Channel, Delivery, Identifier, NextStep, Request, Resend, Response
from .factors import FactorChoice, FactorKind
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
    `ended`: too many wrong tries. `deny`: a rule of the policy keeps whoever asks out. `enrol`: what must be added in this flow, once nothing
    else is needed, one of these (D32). `asked`: by which way something was asked for before anything was proven. `account_id`: with `proven`,
    whose sign-in it is, where identity doesn't know.
    """

    decision: Literal["allow", "challenge", "proven", "ended", "deny"]
    methods: list[str] = Field(default_factory=list)
    proven_at: datetime | None = None
    account_id: UUID | None = Field(default=None, description="With `proven`: whose factor it is")
    factors: list[FactorChoice] = Field(default_factory=list)
    next: list[NextStep] = Field(default_factory=list)
    delivery: Delivery | None = None
    resend: Resend | None = None
    match: str | None = None
    link_ended: bool = False
    code_digits: int | None = None
    enrol: list[FactorKind] = Field(default_factory=list)
    asked: Channel | None = None

    @property
    def told(self) -> dict[str, Any]:
        """What whoever asked is shown of it, by the names that a sign-in and a step-up have alike."""
        return {name: getattr(self, name) for name in ("factors", "next", "delivery", "resend", "match", "code_digits")}

    @property
    def told_to_anybody(self) -> dict[str, Any]:
        """The same of a sign-in that nothing is proven of; nothing of it depends on whether the name is known (ENU-1)."""
        return {**self.told, "delivery": None, "code_digits": None, "asked": self.asked, "link_ended": self.link_ended}


class AccountName(Response):
    """How its owner knows the account: what it is signed in with."""

    name: str


class SecondFactor(Request):
    """Whether the account has a factor, as of the mfa service's `version` of it; an older version changes nothing."""

    enrolled: bool
    version: int


class Abilities(Response):
    """Which rules mfa can decide: with a database that knows countries, and coordinates."""

    countries: bool
    coordinates: bool


class StepUpMethods(Response):
    """By what the step-up of an account can be done, best first: kinds of its factors, else its password."""

    methods: list[FactorKind | Literal["password"]]


class RuleLooked(Response):
    """`lacked`: which of its conditions didn't hold; none: the rule held."""

    name: str
    effect: Literal["skip", "require", "deny"]
    lacked: list[str]


class Explanation(Response):
    """What was decided of one sign-in or step-up, and why; `latchkey access explain` shows it."""

    flow_id: UUID
    kind: Literal["sign_in", "step_up"]
    account_id: UUID
    application: str
    policy: str
    decision: Literal["allow", "challenge", "deny"]
    reasons: list[str]
    rules: list[RuleLooked]
    decided_at: datetime


class OwnerQuestion(Request):
    """Who signs in by this name, and where a code or link for it may go: the account's own proven address or number (ENU-1: asked behind
    the customer's answer).
    """

    application: str
    store_id: Id
    identifier: Identifier
    channel: Channel


class Owner(Response):
    """`account_id` null: nobody. `contact` null: nothing proven is reached that way. `to`: masked."""

    account_id: UUID | None = None
    contact: Sealed | None = None
    to: str | None = None


class ProvenTarget(Response):
    """An address or number of an account that it has proven to be its own."""

    value: str
