"""What every flow and every answer has in common."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from latchkey_contracts import typed

Channel = Literal["email", "sms", "voice"]
DeliveryState = Literal["queued", "handed_over", "accepted", "delivered", "failed", "suppressed", "expired"]
ChannelHealth = Literal["ok", "delayed", "down"]
# What the caller may do now, by the last part of the address that does it.
NextStep = Literal["resend", "code", "email", "password", "action", "challenges", "passkey", "factors", "social", "registration"]


class Versioned(BaseModel):
    """What is changed with `If-Match` (RFC 9110 §13.1.1): whoever hasn't seen the newest version overwrites nothing."""

    # Of a service of the release before, which doesn't say it (REL-14), nothing can be changed for that moment.
    version: str = Field(default="0", description="Counts up with every change; also the answer's `ETag`, for `If-Match`")


# Fields that the API takes out of its answers (gateway/api/routes.py).
PAGES_ONLY: dict[str, Any] = {"x-internal": True}


def _no_control(value: str) -> str:
    if any((ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 or 0xD800 <= ord(one) < 0xE000) for one in value):
        raise ValueError("contains a control character")
    return value


# A line of text as a person types it: no control characters (LOG-3, header injection), bounded.
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_no_control)]
# Read as people type and paste; everything else that is typed goes by these two, too.
Identifier = Annotated[
    str,
    BeforeValidator(typed.line),
    StringConstraints(strip_whitespace=True, min_length=1, max_length=320),
    AfterValidator(_no_control),
    Field(description="An e-mail address, a username or a phone number, as the customer types it"),
]
Token = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_no_control),
    Field(description="What stands after `/l/` in the link of the message"),
]
# Generous on purpose: the policy's own bounds (PWD-2) answer with their reason; this one only keeps megabytes away.
_Password = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
PasswordText = Annotated[_Password, Field(description="The password as it is now")]
NewPasswordText = Annotated[
    _Password, Field(description="The password from now on; its length and words must suit the identity store's rules")
]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35),
    Field(description="The language of the messages (BCP 47); without it `Accept-Language`, then the application's own"),
]
Code = Annotated[
    str,
    BeforeValidator(typed.code),
    StringConstraints(min_length=1, max_length=32),
    AfterValidator(_no_control),
    Field(description="The six digits of the message; blanks and dashes between them don't matter"),
]
Match = Annotated[
    str,
    BeforeValidator(typed.code),
    StringConstraints(pattern=r"^[0-9]{2}$"),
    Field(description="The two digits that the asking window shows; needed from any other window (LNK-3)"),
]
ReturnTo = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(_no_control),
    Field(description="Where the customer goes on afterwards: one of the application's registered addresses"),
]
ClientKind = Annotated[
    Literal["api"],
    Field(description="`api`: the caller holds no cookies, so tokens come in the answer. Browsers leave it out"),
]


class Request(BaseModel):
    """A body that a caller sends: unknown fields are refused (REG-7, API-2), types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Response(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProblemField(Response):
    """What is wrong with one field of the body."""

    field: str = Field(description="JSON pointer (RFC 6901) into the body")
    code: str = Field(description="Stable, for programs: `required`, `too_short`, `password_common` ...")
    message: str = Field(description="For people, in the language asked for")
    params: dict[str, Any] | None = Field(default=None, description="The numbers and names in `message`")


class Problem(Response):
    """RFC 9457, with our stable `code`. Some codes say more: `tries_left`, `retry_after_seconds`, `available_at`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(description="`/problems/<code>`: a page that says when it happens and what to do")
    code: str = Field(description="Stable, for programs")
    title: str = Field(description="For people, in the language asked for")
    status: int = Field(description="The HTTP status once more")
    detail: str | None = Field(default=None, description="What exactly was wrong, in English")
    request_id: str = Field(description="As in `X-Request-Id`; tell it to whoever operates the product")
    errors: list[ProblemField] | None = Field(default=None, description="With `validation_failed`: each field that is wrong")


class Delivery(Response):
    """What became of the flow's newest message."""

    channel: Channel = Field(description="The way that it takes")
    to: str = Field(description="Masked: first letter of the name and of the domain, or the last two digits (ENU-3)")
    state: DeliveryState = Field(
        description="`handed_over`: the provider took it; `accepted`: its callback says that it went on; `suppressed`: it may not be sent"
    )
    at: datetime = Field(description="Since when")


class Resend(Response):
    """When another message may be asked for."""

    available_at: datetime = Field(description="Not earlier than this")
    retry_after_seconds: int = Field(ge=0, description="The same as whole seconds from now")
    channels: list[Channel] = Field(description="The ways that it may take")


class Session(Response):
    """Only for API clients; a browser gets a cookie instead (SES-2)."""

    token: str = Field(description="A secret. Send it as `Authorization: Bearer <token>`")
    expires_at: datetime = Field(description="Its end at the latest; unused it ends sooner")


class Device(Response):
    """Only for API clients; a browser gets a cookie instead (BRF-3).

    Whoever sends `token` as `Latchkey-Device` with later calls has a count of wrong passwords of its own, so that no stranger who
    guesses keeps it out. It opens nothing, and outlives the session: keep it where you keep what belongs to this installation.
    """

    token: str = Field(description="A secret. Send it as `Latchkey-Device: <token>` with every call that tries a password")


class Flow(Response):
    """The head of every flow resource."""

    id: UUID = Field(description="Id of the flow; part of its address")
    kind: str = Field(description="What is being done")
    status: str = Field(description="How far it is")
    expires_at: datetime = Field(description="When it ends by itself")
    next: list[NextStep] = Field(description="What the caller may do now, by the last part of the address that does it")
    delivery: Delivery | None = Field(
        default=None, description="Null where it would tell whether there is an account: in resets and reminders (ENU-1)"
    )
    resend: Resend | None = Field(default=None, description="Null where nothing can be sent again")
    match: str | None = Field(
        default=None,
        description="Two digits, while a link of this flow waits. Show them: whoever opens the link in another window types them there (LNK-3)",
    )
    channels: dict[str, ChannelHealth] = Field(
        default_factory=dict, description="Health of each channel now, the same for everybody; empty where nothing is waited for"
    )
    flow_token: str | None = Field(
        default=None,
        description='A secret, only in the answer to callers with `"client": "api"`. Send it as `Latchkey-Flow: <token>`',
    )
    session: Session | None = Field(default=None, description="Only in the answer that completes a sign-in of an API client")
    device: Device | None = Field(
        default=None,
        description="Beside `session`: what this client is known by from now on, sent back as `Latchkey-Device` (BRF-3)",
    )
