"""What every flow and every answer has in common (api.md §1)."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

Channel = Literal["email", "sms", "voice"]
DeliveryState = Literal["queued", "handed_over", "accepted", "delivered", "failed", "suppressed", "expired"]
ChannelHealth = Literal["ok", "delayed", "down"]


def _no_control(value: str) -> str:
    if any((ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 or 0xD800 <= ord(one) < 0xE000) for one in value):
        raise ValueError("contains a control character")
    return value


# A line of text as a person types it: no control characters (LOG-3, header injection), bounded.
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_no_control)]
Identifier = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=320), AfterValidator(_no_control)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_no_control)]
# Generous on purpose: the policy's own bounds (PWD-2) answer with their reason; this one only keeps megabytes away.
PasswordText = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Language = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=32), AfterValidator(_no_control)]
ReturnTo = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_no_control)]


class Request(BaseModel):
    """A body that a caller sends: unknown fields are refused (REG-7, API-2), types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Response(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Problem(Response):
    """RFC 9457, with our stable `code`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    code: str
    title: str
    status: int
    detail: str | None = None
    request_id: str
    errors: list[dict[str, Any]] | None = None


class Delivery(Response):
    channel: Channel
    to: str = Field(description="Masked: first letter of the name and of the domain, or the last two digits (ENU-3)")
    state: DeliveryState
    at: datetime


class Resend(Response):
    available_at: datetime
    retry_after_seconds: int = Field(ge=0)
    channels: list[Channel]


class Session(Response):
    """Only for API clients; a browser gets a cookie instead (SES-2)."""

    token: str
    expires_at: datetime


class Flow(Response):
    """The head of every flow resource."""

    id: UUID
    kind: str
    status: str
    expires_at: datetime
    next: list[str]
    delivery: Delivery | None = None
    resend: Resend | None = None
    match: str | None = None
    channels: dict[str, ChannelHealth] = Field(default_factory=dict)
    flow_token: str | None = Field(
        default=None, description='Only in the answer that starts a flow, for callers with "client": "api"'
    )
    session: Session | None = None


ClientKind = Literal["api"]
