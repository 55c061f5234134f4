"""/v1/apps/{app}/username-reminders, /password-resets, /total-loss-recoveries: alike for known and unknown identifiers (ENU-1)."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from .common import PAGES_ONLY, Channel, ClientKind, Flow, Identifier, Language, Request


class ReminderRequest(Request):
    """Either `email` or `phone`."""

    email: Identifier | None = Field(default=None, description="Where the usernames are sent, if it belongs to an account")
    phone: Identifier | None = Field(
        default=None, description="The same by text message; E.164 or as it is written in the country"
    )
    language: Language | None = None
    client: ClientKind | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.email is None) == (self.phone is None):
            raise ValueError("give either email or phone")
        return self


class ReminderFlow(Flow):
    """A username reminder: the usernames go to the address alone."""

    kind: Literal["username_reminder"] = Field(default="username_reminder", description="What is being done")
    status: Literal["check_your_messages", "ended"] = Field(description="How far it is")
    typed: str | None = Field(default=None, description="For the hosted pages", json_schema_extra=PAGES_ONLY)


class ResetRequest(Request):
    identifier: Identifier
    language: Language | None = None
    client: ClientKind | None = None


class ResetResend(Request):
    channel: Channel | None = Field(default=None, description="One of `resend.channels`; without it the same as before")


class ResetFlow(Flow):
    """A password reset: first the proof by link or code, then the new password."""

    kind: Literal["password_reset"] = Field(default="password_reset", description="What is being done")
    status: Literal["check_your_messages", "new_password", "complete", "ended"] = Field(
        description="`new_password`: proven; the new one is awaited. `complete`: it is set, and every session has ended"
    )
    typed: str | None = Field(default=None, description="For the hosted pages", json_schema_extra=PAGES_ONLY)
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")


class TotalLossRequest(Request):
    identifier: Identifier
    email: Identifier = Field(description="A mailbox that the customer can read now")
    language: Language | None = None
    client: ClientKind | None = None


class TotalLossFlow(Flow):
    """A recovery without the old mailbox. Nothing else is told, whoever the identifier belongs to."""

    kind: Literal["total_loss_recovery"] = Field(default="total_loss_recovery", description="What is being done")
    status: Literal["waiting"] = Field(description="How far it is")
    takes_effect_at: datetime = Field(description="When it happens, unless somebody stops it by any of the notices")
