"""Signing in with an account of another company, and what is linked to one's own (docs/flows/social-sign-in.md)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from .common import Identifier, Language, Request, Response
from .registration import ConsentDecision
from .sign_in import SignInFlow
from .step_up import StepUpFlow

ProviderName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,29}$"),
    Field(description="One of the application's `social`, by its name"),
]
_Value = Annotated[str, StringConstraints(max_length=4096)]


class SocialRequest(Request):
    provider: ProviderName


class SocialRedirect(Response):
    redirect_to: str = Field(
        description="Where the customer's browser goes: the provider's own page; once, within the flow's life"
    )


class NewcomerIdentifiers(Request):
    """Beside the address that the provider has proven."""

    email: Identifier | None = Field(default=None, description="Where `newcomer.email_proven` is false; a mail proves it")
    username: Identifier | None = None
    phone: Identifier | None = None


class NewcomerRequest(Request):
    """What a registration asks, for an account without a password (`next` has `registration`)."""

    identifiers: NewcomerIdentifiers = Field(default_factory=NewcomerIdentifiers, description="What the provider hasn't proven")
    profile: dict[str, Any] = Field(default_factory=dict, max_length=100, description="Attributes by name, as at a registration")
    consents: list[ConsentDecision] = Field(default_factory=list, max_length=50, description="As at a registration")
    language: Language | None = None


class LinkedIdentity(Response):
    """An account elsewhere that signs in here."""

    id: UUID = Field(description="Id of the link")
    provider: str = Field(description="Name of the provider")
    label: str = Field(description="The provider's name for people")
    account: str | None = Field(description="What the account is called there: its address or name, as it was last time")
    linked_at: datetime = Field(description="Since when it signs in here")
    used_at: datetime | None = Field(description="When it last did")


class LinkedIdentities(Response):
    items: list[LinkedIdentity] = Field(description="Oldest first")
    offered: list[ProviderName] = Field(description="What can be linked besides")
    next: str | None = Field(default=None, description="Cursor of the next page; null on the last")


class SocialCallback(Request):
    """What the provider sent the browser back with; between gateway and identity."""

    state: _Value | None = None
    code: _Value | None = None
    error: _Value | None = None
    iss: _Value | None = None
    user: _Value | None = None


class SocialAnswer(Response):
    """What became of it: one of the three."""

    application: str = Field(description="Slug of the application")
    sign_in: SignInFlow | None = Field(default=None, description="The sign-in that goes on")
    step_up: StepUpFlow | None = Field(default=None, description="The step-up that goes on")
    linked: LinkedIdentity | None = Field(default=None, description="What is linked from now on")
