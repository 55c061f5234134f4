"""Between services, no part of the public contract: what recovery may ask identity, and what it is told.

Never an address, only a mask and an envelope that recovery can't open (design.md §3.15).
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from latchkey_contracts.sealed import Sealed

from .common import Channel, Identifier, PasswordText, Request, Response


class ContactRequest(Request):
    application: str
    purpose: Literal["password_reset", "username_reminder", "total_loss"]
    identifier: Identifier | None = None
    account_id: str | None = None  # where a rep started it
    channel: Channel | None = None  # the way that was asked for; none: as the policy has it (D10)


class ContactAnswer(Response):
    """`account_id` null: there is nobody to write to. `wait_until`: the recipient's turn comes later; ask again then."""

    account_id: UUID | None = None
    channel: Channel | None = None
    to: str | None = None
    language: str | None = None
    contact: Sealed | None = None
    wait_until: datetime | None = None
    contacts: list[Sealed] = Field(default_factory=list, description="total_loss: every verified address")
    sms_contacts: list[Sealed] = Field(default_factory=list, description="total_loss: every verified number")


class ContactAsked(ContactRequest):
    """One of several. It is counted against the recipient's budget once for each `message_id`, however often it is asked."""

    message_id: str


class ContactsRequest(Request):
    items: list[ContactAsked] = Field(min_length=1, max_length=50)


class ContactsAnswer(Response):
    """In the order of the request."""

    items: list[ContactAnswer]


class PasswordReset(Request):
    """The last step: this account's new password, proven by this flow. `requested_at`: when somebody asked for it (ISO 8601)."""

    application: str
    flow_id: str
    password: PasswordText
    requested_at: str | None = None


class PasswordResetDone(Response):
    """`done` false: the flow has set a password before, and nothing was done again."""

    done: bool
