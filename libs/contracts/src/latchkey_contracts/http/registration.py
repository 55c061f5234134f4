"""/v1/apps/{app}/registrations (R2-R8, D1-D5, D18)."""

from typing import Any, Literal

from pydantic import Field

from .common import PAGES_ONLY, Channel, ClientKind, Code, Flow, Identifier, Language, NewPasswordText, Request, ReturnTo


class Identifiers(Request):
    """What the customer will sign in with; `GET /v1/apps/{app}` says which the application asks for."""

    email: Identifier | None = Field(default=None, description="An e-mail address")
    username: Identifier | None = Field(default=None, description="A name of the customer's own choice")
    phone: Identifier | None = Field(default=None, description="A phone number, E.164 or as it is written in the country")


class ConsentDecision(Request):
    id: str = Field(min_length=1, max_length=100, description="Id of the purpose")
    version: str = Field(min_length=1, max_length=20, description="The version of its text that was shown")
    given: bool = Field(description="Whether the customer agreed")


class RegistrationRequest(Request):
    identifiers: Identifiers = Field(description="At least those that the application requires")
    password: NewPasswordText | None = Field(
        default=None,
        description="The password from now on; left out where the application asks for it last (`features.password_last`): then `next` names `password`",
    )
    profile: dict[str, Any] = Field(
        default_factory=dict, max_length=100, description="The attributes that the application asks for, by name"
    )
    consents: list[ConsentDecision] = Field(
        default_factory=list, max_length=50, description="One for each purpose that was shown; mandatory ones must be given"
    )
    language: Language | None = None
    return_to: ReturnTo | None = None
    client: ClientKind | None = None


class ResendRequest(Request):
    channel: Channel | None = Field(default=None, description="One of `resend.channels`; without it the same as before")


class EmailRequest(Request):
    email: Identifier = Field(description="The e-mail address to go on with")


class CodeRequest(Request):
    code: Code


class NewPasswordRequest(Request):
    password: NewPasswordText


class RegistrationFlow(Flow):
    """A registration: it waits for the proof of the address, by link or code."""

    kind: Literal["registration"] = Field(default="registration", description="What is being done")
    status: Literal["check_your_messages", "password", "activated", "complete", "ended"] = Field(
        description="`password`: proven, and a password is awaited; `activated`: sign-in follows; `complete`: signed in at once, where activation is off and the access policy decides nothing"
    )
    typed: str | None = Field(
        default=None,
        description="For the hosted pages: the address as it was typed, so that a slip is seen",
        json_schema_extra=PAGES_ONLY,
    )
    given_name: str | None = Field(
        default=None, description="For the hosted pages: whose account was activated", json_schema_extra=PAGES_ONLY
    )
    link_ended: bool = Field(default=False, description="A wrong number was typed elsewhere: that link has ended (D17)")
