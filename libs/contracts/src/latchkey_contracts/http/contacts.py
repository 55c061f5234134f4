"""Between services, no part of the public contract: what recovery may ask identity, and what it is told.

Never an address, only a mask and an envelope that recovery can't open (docs/architecture.md).
"""

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, model_validator

from latchkey_contracts.sealed import Sealed

from .common import Channel, Identifier, PasswordText, Request, Response

# The best address of whoever has that name; the very address that was typed, for all who share it; all that the account has proven.
ContactReach: TypeAlias = Literal["preferred", "as_typed", "every_verified"]
# What the release before, which didn't say it, meant by its purposes.
_REACH_BEFORE: dict[str, ContactReach] = {"username_reminder": "as_typed", "total_loss": "every_verified"}


class ContactRequest(Request):
    """`purpose` is the asker's own word: messages of one purpose to one recipient have a spacing of their own."""

    application: str
    purpose: str = Field(pattern="^[a-z_]{1,40}$")
    reach: ContactReach = "preferred"
    identifier: Identifier | None = None
    account_id: str | None = None  # where a rep started it
    channel: Channel | None = None  # the way that was asked for; none: as the policy has it (D10)
    restarted: bool = False  # by whoever held a valid link of that account: outside the caps that a stranger can use up (REG-9)
    verified_before: str | None = None  # ISO 8601; every_verified: only ways that the account had by then
    store_id: str | None = None  # in which the flow began; where the application has another by now, there is nobody
    counted: bool = False  # what was typed was counted already, by an answer to wait

    @model_validator(mode="before")
    @classmethod
    def _of_the_release_before(cls, given: Any) -> Any:
        if isinstance(given, dict) and "reach" not in given and (reach := _REACH_BEFORE.get(str(given.get("purpose")))):
            return {**given, "reach": reach}
        return given


class ContactAnswer(Response):
    """`account_id` null: there is nobody to write to. `wait_until`: the recipient's turn comes later; ask again then."""

    account_id: UUID | None = None
    channel: Channel | None = None
    to: str | None = None
    language: str | None = None
    contact: Sealed | None = None
    wait_until: datetime | None = None
    contacts: list[Sealed] = Field(default_factory=list, description="every_verified: the addresses")
    sms_contacts: list[Sealed] = Field(default_factory=list, description="every_verified: the numbers")


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
