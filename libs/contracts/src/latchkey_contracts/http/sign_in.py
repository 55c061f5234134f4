"""/v1/apps/{app}/sign-ins, /v1/session (api.md §2, §3)."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from .common import ClientKind, Flow, Identifier, PasswordText, Request, Response, ReturnTo


class SignInRequest(Request):
    identifier: Identifier | None = None
    client: ClientKind | None = None
    return_to: ReturnTo | None = None


class PasswordRequest(Request):
    password: PasswordText
    identifier: Identifier | None = None  # where the flow was started without one
    remember_me: bool = False


class RequiredActionRequest(Request):
    """D32: what is newly required at sign-in: another username where the first was taken, a new password where the one
    just used is known from a data leak (PWD-7).
    """

    username: Identifier | None = None
    password: PasswordText | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.username is None) == (self.password is None):
            raise ValueError("give either username or password")
        return self


class SignInFlow(Flow):
    """status: password, needs_factor, needs_action, complete, ended. Alike for unknown identifiers (ENU-1)."""

    kind: Literal["sign_in"] = "sign_in"
    factors: list[str] = Field(default_factory=list)
    actions: list[str] = Field(default_factory=list)
    return_to: str | None = None


class SessionInfo(Response):
    """Who am I; the hot path."""

    id: UUID
    account_id: UUID
    application: str
    created_at: datetime
    authenticated_at: datetime
    expires_at: datetime
    idle_expires_at: datetime
    idle_seconds: int
    methods: list[str]


class Me(Response):
    """The signed-in customer: what the portal's first page shows."""

    account_id: UUID
    display_name: str | None
    identifiers: list[dict[str, object]]
    profile: dict[str, object]
    language: str | None
    sessions: int
    created_at: datetime
    password_changed_at: datetime | None
