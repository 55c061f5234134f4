"""/v1/me: what the signed-in customer reads and changes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from .common import Language, NewPasswordText, PasswordText, Request, Response, Versioned


class PasswordChange(Request):
    """PWD-6: the current password first, or a grant; other sessions end unless the customer wants to keep them."""

    current_password: PasswordText | None = Field(
        default=None,
        description="Left out with a grant of a step-up (`password.change`), which an account with a second factor needs (STP-1)",
    )
    password: NewPasswordText
    end_other_sessions: bool = Field(default=True, description="Whether the account's other sessions end")


class AccountIdentifier(Response):
    """One name or address of the account."""

    kind: Literal["username", "email", "phone"] = Field(description="What it is")
    value: str = Field(description="As it is shown and written to")
    verified: bool = Field(description="Whether the customer has proven that it is theirs")


class MeChange(Request):
    """What is given is changed, everything else stays (RFC 7396): an attribute that is null is taken out."""

    profile: dict[str, Any] = Field(
        default_factory=dict,
        max_length=100,
        description="Attributes by name, of those that may be edited; one of the type `address` as a whole",
    )
    language: Language | None = Field(default=None, description="The language of this customer's messages from now on")


class Me(Versioned, Response):
    """The signed-in customer: what the portal's first page shows."""

    account_id: UUID = Field(description="Id of the account; events carry the same")
    display_name: str | None = Field(description="How to greet the customer; null where the profile has no name")
    identifiers: list[AccountIdentifier] = Field(description="All names and addresses that sign in here")
    profile: dict[str, Any] = Field(description="The attributes that the identity store shows to its customers, by name")
    language: str | None = Field(description="The language of this customer's messages (BCP 47)")
    sessions: int = Field(description="How many sessions of the account are live now, this one included")
    created_at: datetime = Field(description="When the account began")
    password_changed_at: datetime | None = Field(description="When the password was last set; null where there is none")
    second_factor: bool = Field(default=False, description="Whether something beside the password proves the customer")


class OpenSession(Response):
    """One live session of the account, as a list of devices shows it."""

    id: UUID = Field(description="Id of the session")
    device: str | None = Field(description="Browser and system in words, from the user agent")
    ip: str | None = Field(description="The address that signed in")
    application: str = Field(description="Slug of the application that was signed in to")
    created_at: datetime = Field(description="When it began")
    seen_at: datetime = Field(description="When it was last used, to the minute or so")
    current: bool = Field(description="Whether this very call came by it")


class OpenSessions(Response):
    items: list[OpenSession] = Field(description="Oldest first")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")
