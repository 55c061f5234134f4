"""/v1/me/identifiers and /v1/me/contact-changes: how the account is named and reached, and changing that (STP-3, STP-4)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from .common import Channel, ClientKind, Code, Delivery, Flow, Identifier, Language, Request, Resend, Response

Kind = Literal["username", "email", "phone"]
Mode = Literal["replace", "add", "primary", "remove"]


class OwnIdentifier(Response):
    """One name or address of the account."""

    id: UUID = Field(description="Id of this name or address")
    kind: Kind = Field(description="What it is")
    value: str = Field(description="As it is shown and written to")
    verified: bool = Field(description="Whether the customer has proven that it is theirs")
    primary: bool = Field(description="Whether it is the first of its kind: where messages go before any other")
    changeable: bool = Field(description="Whether the identity store lets its customers change it here (D21)")
    removable: bool = Field(description="Whether it can be removed: no primary e-mail address, nothing that is required")
    created_at: datetime = Field(description="Since when the account has it")


class OwnIdentifiers(Response):
    items: list[OwnIdentifier] = Field(description="Of each kind the primary one first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
    addable: list[Kind] = Field(default_factory=list, description="Kinds of which one more can be added")


class ContactRequest(Request):
    """A further address or number, or one in the place of the primary one."""

    kind: Kind = Field(description="What it is")
    value: Identifier
    language: Language | None = None
    client: ClientKind | None = None


class PrimaryRequest(Request):
    primary: Literal[True] = Field(description="That it be the first of its kind")
    language: Language | None = None
    client: ClientKind | None = None


class ContactCode(Request):
    code: Code
    source: Literal["new", "old"] = Field(
        default="new", description="From which message: the one to the new address, or the one to an address the account has"
    )


class ContactResend(Request):
    channel: Channel | None = Field(default=None, description="One of `resend.channels`; without it the same as before")
    source: Literal["new", "old"] = Field(default="new", description="Which message: to the new address, or to the old one")


class Approval(Response):
    """What an account without a second factor needs beside the new address: a press at an address that it has already."""

    to: str = Field(description="Where its link and code went, masked")
    given: bool = Field(description="Whether it was confirmed there")
    delivery: Delivery | None = Field(default=None, description="What became of its message")
    resend: Resend | None = Field(default=None, description="When it can be sent again; null where it can't")
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")


class ContactChangeFlow(Flow):
    """A change of how the account is named or reached. `complete`: it counts; `undone`: the former owner's address took it back."""

    kind: Literal["contact_change"] = Field(default="contact_change", description="What is being done")
    status: Literal["check_your_messages", "complete", "undone", "ended"] = Field(description="How far it is")
    identifier: Kind = Field(description="What is changed")
    mode: Mode = Field(
        description="Whether it replaces the primary one, is a further one, becomes the primary one, or is removed"
    )
    value: str | None = Field(default=None, description="The new one; null where one is removed")
    confirmed: bool = Field(description="Whether the new address is confirmed")
    approval: Approval | None = Field(default=None, description="Null where none is needed")
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")
    revert_until: datetime | None = Field(default=None, description="How long the old address can undo it")


class ContactChanges(Response):
    items: list[ContactChangeFlow] = Field(description="Those that wait for a confirmation, oldest first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")


class Reverted(Response):
    """It is as it was before; no session lives on. `locked`: until a new password is set."""

    state: Literal["reverted"] = Field(default="reverted", description="Says which of the answers this is")
    locked: bool = Field(default=False, description="Whether nobody signs in until a new password is set")
