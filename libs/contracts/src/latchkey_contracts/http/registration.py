"""/v1/apps/{app}/registrations (api.md §2, R2-R8, D1-D5, D18)."""

from typing import Any, Literal

from pydantic import Field

from .common import Channel, ClientKind, Code, Flow, Identifier, Language, PasswordText, Request, ReturnTo


class Identifiers(Request):
    email: Identifier | None = None
    username: Identifier | None = None
    phone: Identifier | None = None


class ConsentDecision(Request):
    id: str = Field(min_length=1, max_length=100)
    version: str = Field(min_length=1, max_length=20)
    given: bool


class RegistrationRequest(Request):
    identifiers: Identifiers
    password: PasswordText | None = None
    profile: dict[str, Any] = Field(default_factory=dict, max_length=50)
    consents: list[ConsentDecision] = Field(default_factory=list, max_length=50)
    language: Language | None = None
    return_to: ReturnTo | None = None
    client: ClientKind | None = None


class ResendRequest(Request):
    channel: Channel | None = None


class CodeRequest(Request):
    code: Code


class NewPasswordRequest(Request):
    password: PasswordText


class RegistrationFlow(Flow):
    """status: check_your_messages, activated, complete (activation off), password (renewed elsewhere), ended.

    `delivery.to` is masked (ENU-3); `typed` is what this very caller typed, so that a slip in the address is seen.
    """

    kind: Literal["registration"] = "registration"
    typed: str | None = Field(
        default=None, description="For the hosted pages only: the address as it was typed; not in API answers"
    )
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")
