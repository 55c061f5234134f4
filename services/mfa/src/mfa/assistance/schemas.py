"""Models of the help desk's calls; no part of the public API."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from latchkey_contracts.http.common import Channel, Delivery, Line, Request, Response
from latchkey_contracts.http.factors import Factor
from latchkey_contracts.mfa import Assistance
from pydantic import Field, StringConstraints

from .rules import MOST_HOURS

Actor = Annotated[Line, StringConstraints(min_length=1, max_length=80)]
Reason = Annotated[Line, StringConstraints(min_length=3, max_length=500)]


class Act(Request):
    """`actor`: who does it; `reason`: why, in their own words, kept in mfa alone. `application`: whose help desk it is."""

    application: str
    actor: Actor
    reason: Reason


class NewFactor(Act):
    kind: Literal["email", "phone"]
    target: Line


class NewBypass(Act):
    hours: int = Field(default=MOST_HOURS, ge=1, le=MOST_HOURS)
    once: bool = True


class Bypass(Response):
    """`requested`: it waits for a second person."""

    id: UUID
    state: Literal["requested", "granted", "ended"]
    once: bool
    hours: int
    requested_by: str
    approved_by: str | None
    created_at: datetime
    until: datetime | None


class NewCallerCheck(Act):
    channel: Literal["email", "sms"] = "email"


class CallerCode(Act):
    """As the caller read it out."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class CallerCheck(Response):
    """Whether a caller is the account's owner. `to`: where the code went, masked. `verified_until`: so long the proof counts."""

    id: UUID
    state: Literal["waiting", "verified", "ended"]
    channel: Channel
    to: str
    asked_by: str
    verified_by: str | None
    created_at: datetime
    expires_at: datetime
    verified_until: datetime | None
    delivery: Delivery | None


class NoticeAgain(Act):
    """`what`: which kind; none: the newest that isn't the desk's own doing."""

    what: Line | None = None


class Noticed(Response):
    what: str
    at: datetime


class Done(Response):
    at: datetime
    act: Assistance
    actor: str
    reason: str


class Assisted(Response):
    """A customer's factors, masked and without secrets; what the help desk has done, newest first."""

    account_id: UUID
    factors: list[Factor]
    bypasses: list[Bypass]
    caller_checks: list[CallerCheck]
    notices: list[Noticed]
    acts: list[Done]
