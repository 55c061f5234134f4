"""/v1/me/factors, and what a sign-in or a step-up needs beside or instead of the password."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from .common import Channel, Code, Delivery, Line, Request, Resend, Response
from .passkeys import Registered

FactorKind = Literal["email", "phone", "totp", "passkey", "recovery_codes"]
Form = Literal["code", "link"]
Name = Annotated[Line, StringConstraints(max_length=60)]
Id = Annotated[UUID, Field(strict=False)]


class FactorChoice(Response):
    """One way that this customer may use now."""

    id: UUID = Field(description="Id of the factor")
    kind: FactorKind = Field(description="What it is; each needs another step: `code`, `challenges` or `passkey`")
    name: str | None = Field(default=None, description="As the customer called it")
    to: str | None = Field(default=None, description="Masked: where a code or link would go (ENU-3)")
    channels: list[Channel] = Field(
        default_factory=list, description="By which a code or link can be sent; empty where nothing is sent"
    )
    forms: list[Form] = Field(default_factory=list, description="What can be sent")


class ChallengeRequest(Request):
    """Sends, or sends again, through the same or another way; the older code or link is dead then (D16)."""

    factor_id: Id | None = Field(default=None, description="One of `factors`; left out: the first that can be sent to")
    channel: Channel | None = Field(default=None, description="One of the factor's `channels`; left out: its first")
    form: Form = Field(default="code", description="A code to type here, or a link to press")


class FactorCode(Request):
    code: Code = Field(description="What was sent, what the authenticator app shows, or one of the recovery codes")
    trust_device: bool = Field(default=False, description="Not to be asked again in this browser, where the policy offers that")


class TotpSetup(Response):
    """RFC 6238: SHA-1, six digits, 30 s (MFA-4)."""

    secret: str = Field(description="A secret: Base32 (RFC 4648), for typing into the app")
    uri: str = Field(description="The same as `otpauth://` address")
    qr_svg: str = Field(description="The address as a picture (SVG) to scan")


class Factor(Response):
    """A way of the customer to prove who they are, beside the password."""

    id: UUID = Field(description="Id of the factor")
    kind: FactorKind = Field(description="What it is")
    status: Literal["pending", "active"] = Field(description="`pending`: it counts once it is confirmed")
    name: str | None = Field(description="As the customer called it")
    to: str | None = Field(default=None, description="Where codes go, masked (ENU-3)")
    created_at: datetime = Field(description="When it was begun")
    confirmed_at: datetime | None = Field(default=None, description="Since when it counts")
    last_used_at: datetime | None = Field(default=None, description="When it last let the customer in")
    expires_at: datetime | None = Field(default=None, description="While pending: until when it can be confirmed")
    delivery: Delivery | None = Field(default=None, description="While an address or number is pending: what became of its code")
    resend: Resend | None = Field(
        default=None, description="While an address or number is pending: when its code can be sent again"
    )
    code_digits: int | None = Field(
        default=None, description="While an address or number is pending: how many digits the code has that was sent last"
    )
    totp: TotpSetup | None = Field(default=None, description="While an authenticator app is pending: what it needs")
    passkey: dict[str, Any] | None = Field(
        default=None,
        description="While a passkey is pending: what `navigator.credentials.create` takes as `publicKey`, in its JSON form (WebAuthn, "
        "`PublicKeyCredentialCreationOptionsJSON`). Its challenge lives for some minutes; reading the factor again answers a fresh one",
    )
    codes: list[str] | None = Field(
        default=None, description="While recovery codes are pending: secrets, shown until they count (MFA-5)"
    )
    codes_left: int | None = Field(default=None, description="Recovery codes that are not used")


class Factors(Response):
    items: list[Factor] = Field(description="Oldest first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
    offered: list[FactorKind] = Field(default_factory=list, description="What can be added now, as this application allows it")


class FactorRequest(Request):
    kind: FactorKind = Field(description="What is added")
    target: Line | None = Field(
        default=None,
        description="For `email` and `phone`: the address or number. Left out: the one of the account, which is proven already, so that it "
        "counts at once",
    )
    name: Name | None = Field(default=None, description="What to call it in lists")


class FactorConfirm(Request):
    """Either of them; neither for recovery codes."""

    code: Code | None = Field(default=None, description="What the app shows or what was sent")
    credential: Registered | None = Field(
        default=None, description="Of a passkey: what `navigator.credentials.create` answered, by its `toJSON()`"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.code is not None and self.credential is not None:
            raise ValueError("give either code or credential")
        return self


class FactorRename(Request):
    name: Name = Field(description="What to call it in lists from now on")
