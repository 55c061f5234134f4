"""GET /v1/apps/{app}: what a sign-up page needs to know."""

from typing import Any, Literal

from .common import Response


class IdentifierField(Response):
    kind: Literal["username", "email", "phone"]
    required: bool


class AttributeField(Response):
    name: str
    type: str
    label: str
    required: bool
    options: list[dict[str, str]] | None = None


class ConsentField(Response):
    id: str
    version: str
    mandatory: bool
    title: str
    text: str
    hash: str


class PasswordRule(Response):
    min_length: int
    max_length: int


class Application(Response):
    slug: str
    name: str
    brand: dict[str, Any]
    languages: list[str]
    identifiers: list[IdentifierField]
    attributes: list[AttributeField]
    consents: list[ConsentField]
    password: PasswordRule
    features: dict[str, bool]
