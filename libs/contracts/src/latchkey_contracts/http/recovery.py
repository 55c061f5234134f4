"""/v1/apps/{app}/username-reminders, /password-resets (api.md §2): alike for known and unknown identifiers (ENU-1)."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from .common import Channel, ClientKind, Flow, Identifier, Line, Request


class ReminderRequest(Request):
    email: Line | None = None
    phone: Line | None = None
    client: ClientKind | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.email is None) == (self.phone is None):
            raise ValueError("give either email or phone")
        return self


class ReminderFlow(Flow):
    """status: check_your_messages, ended. `typed` is for the hosted pages only; not in API answers."""

    kind: Literal["username_reminder"] = "username_reminder"
    typed: str | None = None


class ResetRequest(Request):
    identifier: Identifier
    client: ClientKind | None = None


class ResetResend(Request):
    channel: Channel | None = None


class ResetFlow(Flow):
    """status: check_your_messages, new_password, complete, ended."""

    kind: Literal["password_reset"] = "password_reset"
    typed: str | None = None
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")


class TotalLossRequest(Request):
    """`email`: a mailbox that the customer can read."""

    identifier: Identifier
    email: Line
    client: ClientKind | None = None


class TotalLossFlow(Flow):
    """status: waiting. Nothing else is told, whoever the identifier belongs to."""

    kind: Literal["total_loss_recovery"] = "total_loss_recovery"
    takes_effect_at: datetime
