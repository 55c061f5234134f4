"""/v1/apps/{app}/sign-ins, /v1/session."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from .apps import AttributeField
from .common import (
    PAGES_ONLY,
    Channel,
    ClientKind,
    Flow,
    Identifier,
    Language,
    NewPasswordText,
    PasswordText,
    Request,
    Response,
    ReturnTo,
)
from .factors import FactorChoice, FactorKind

Action = Literal["username", "password", "profile"]
# `factor` is no `action` of the account's own: it follows from the application's policy.
Needed = Literal["username", "password", "profile", "factor"]


class SignInRequest(Request):
    """With `password` an API client needs no second call: the answer is the one that `/sign-ins/{id}/password` would give."""

    identifier: Identifier | None = None
    password: PasswordText | None = Field(
        default=None, description="API clients only: the password as it is now, beside `identifier`; saves the second call"
    )
    remember_me: bool = Field(default=False, description="Beside `password`: a session for longer, where the policy offers it")
    language: Language | None = None
    client: ClientKind | None = None
    return_to: ReturnTo | None = None


class PasswordRequest(Request):
    password: PasswordText
    identifier: Identifier | None = Field(
        default=None, description="An e-mail address, a username or a phone number, where the flow was started without one"
    )
    remember_me: bool = Field(default=False, description="A session for longer, where the policy offers it")


class RequiredActionRequest(Request):
    """D32: what is newly required at sign-in: another username where the first was taken, a new password where the one
    just used is known from a data leak (PWD-7), attributes that the identity store requires by now. One of them at a time.
    """

    username: Identifier | None = Field(default=None, description="Another username, where `actions` has `username`")
    password: NewPasswordText | None = Field(default=None, description="Another password, where `actions` has `password`")

    profile: dict[str, Any] | None = Field(
        default=None, max_length=100, description="All of `attributes` by name, where `actions` has `profile`"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.username, self.password, self.profile].count(None) != 2:
            raise ValueError("give one of username, password and profile")
        return self


class Newcomer(Response):
    """Whom a provider has named, where there is no account yet (`next` has `registration`)."""

    provider: str = Field(description="Name of the provider")
    email: str | None = Field(description="The address that it gave")
    email_proven: bool = Field(description="Whether that address needs no proof here; then it can't be another one")
    profile: dict[str, str] = Field(description="What it said of the attributes that a registration asks for")


class SignInFlow(Flow):
    """A sign-in. Alike for unknown identifiers (ENU-1)."""

    kind: Literal["sign_in"] = Field(default="sign_in", description="What is being done")
    status: Literal["password", "needs_factor", "needs_action", "complete", "ended"] = Field(
        description="`needs_factor`: one of `factors` comes first; `needs_action`: something of `actions`; `complete`: there is a session"
    )
    factors: list[FactorChoice] = Field(default_factory=list, description="With `needs_factor`: what may be used, best first")
    actions: list[Needed] = Field(
        default_factory=list,
        description="With `needs_action`: what must be chosen anew, or with `factor` added, before the session (D32)",
    )
    attributes: list[AttributeField] = Field(default_factory=list, description="With the action `profile`: what is asked for")
    enrol: list[FactorKind] = Field(
        default_factory=list, description="With the action `factor`: what may be added now, best first (`/sign-ins/{id}/factors`)"
    )
    asked: Channel | None = Field(
        default=None,
        description="Where the application asks for a factor first: by which way a code or link was asked for. Whether anything was sent is told to nobody (ENU-1)",
    )
    link_ended: bool = Field(
        default=False, description="A wrong number was typed elsewhere, so the link that was sent works no more"
    )
    code_digits: int | None = Field(
        default=None,
        description="How many digits the code has that was sent last; null where none was, and where the application asks for a factor first (ENU-1)",
    )
    newcomer: Newcomer | None = Field(
        default=None,
        description="With `registration` in `next`: of whom an account would be made (`/sign-ins/{id}/registration`)",
    )
    links: str | None = Field(
        default=None,
        description="Name of the provider that is linked to the account once the customer has signed in to it as ever: it has the same, proven address",
    )
    return_to: str | None = Field(default=None, description="With `complete`: where the customer goes on")
    typed: str | None = Field(
        default=None, description="For the hosted pages: the name as it was typed", json_schema_extra=PAGES_ONLY
    )
    account_id: UUID | None = Field(
        default=None, description="For the gateway, with `complete`: whose session it is", json_schema_extra=PAGES_ONLY
    )


class SessionInfo(Response):
    """Who am I; the hot path."""

    id: UUID = Field(description="Id of the session; no secret")
    account_id: UUID = Field(description="Id of the account; events carry the same")
    application: str = Field(description="Slug of the application that was signed in to")
    created_at: datetime = Field(description="When the session began")
    authenticated_at: datetime = Field(description="When the customer last proved who they are in it")
    expires_at: datetime = Field(description="Its end at the latest")
    idle_expires_at: datetime = Field(description="Its end if it isn't used again")
    idle_seconds: int = Field(description="How long it lives unused")
    methods: list[str] = Field(description="How the customer signed in (RFC 8176): `pwd` is a password")
