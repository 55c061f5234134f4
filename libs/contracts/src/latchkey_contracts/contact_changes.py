"""Events of the identity service: how an account is named and reached, and changing that (STP-3, STP-4). Had from `identity`."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from .event import AccountEvent
from .sealed import Sealed

IdentifierKind = Literal["username", "email", "phone"]
ContactMode = Literal["replace", "add", "primary", "remove"]


class ContactChangeRequested(AccountEvent):
    """A change of address waits for a confirmation: the notifier sends link and code. `part`: to the new one, or to one that the account
    has already (STP-3).
    """

    event_type = "latchkey.identity.contact_change_requested.v1"
    may_expire = True
    flow_id: UUID
    application: str
    kind: IdentifierKind
    part: Literal["new", "old"]
    channel: Literal["email", "sms"]
    language: str
    message: Sealed
    expires_at: datetime


class ContactChangeAnnounced(AccountEvent):
    """A change of address was asked for, and the addresses that it is about are told, each with a link that stops it and undoes it."""

    event_type = "latchkey.identity.contact_change_announced.v1"
    application: str
    kind: IdentifierKind
    language: str
    notices: list[Sealed] = Field(default_factory=list, description="By e-mail")
    sms_notices: list[Sealed] = Field(default_factory=list)


class ContactClaimed(AccountEvent):
    """Somebody wanted to have an address that is this account's, or was until recently: it is told, and nothing changes (ENU-1)."""

    event_type = "latchkey.identity.contact_claimed.v1"
    may_expire = True
    flow_id: UUID
    application: str
    channel: Literal["email", "sms"]
    language: str
    message: Sealed
    expires_at: datetime


class ContactChangeEnded(AccountEvent):
    """Nothing will come of a change that was asked for: what was sent for it is of no use any more."""

    event_type = "latchkey.identity.contact_change_ended.v1"
    flow_ids: list[UUID]
    reason: Literal["cancelled", "replaced", "taken", "reverted"]


class IdentifierChanged(AccountEvent):
    """How the account is named or reached has changed; what it is now stays in identity. `undone`: by the old address, with all changes
    after it. `notices`: one for every verified address, the old one included, each with its own link that undoes it or locks the account
    (NOT-1, STP-3, STP-4).
    """

    event_type = "latchkey.identity.identifier_changed.v1"
    application: str
    kind: IdentifierKind
    mode: ContactMode
    undone: bool = False
    flow_ids: list[UUID] = Field(default_factory=list, description="Of the links and codes that led to it")
    language: str = "en"
    notices: list[Sealed] = Field(default_factory=list, description="By e-mail")
    sms_notices: list[Sealed] = Field(default_factory=list)
