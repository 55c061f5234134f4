"""How accounts are named, what is known of them, and how long their passwords are."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from latchkey_contracts.identity import IdentifierKind

from .parts import Part, configuration_id

# What the hosted pages' own fields and places are called; an attribute of that name would take theirs.
RESERVED_ATTRIBUTES = frozenset(
    {
        "csrf",
        "email",
        "username",
        "phone",
        "identifier",
        "password",
        "password_again",
        "consents",
        "code",
        "match",
        "resend",
        "typed",
        "link",
        "current_password",
        "main",
        "summary",
        "version",
        "language",
    }
)


class Identifier(Part):
    use: Literal["required", "optional", "hidden"] = "hidden"
    editable: bool = Field(default=True, description="May be changed in the portal (D21)")


class Identifiers(Part):
    username: Identifier = Identifier(use="optional")
    email: Identifier = Identifier(use="required")
    phone: Identifier = Identifier(use="hidden")


class Attribute(Part):
    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    type: Literal["text", "email", "phone", "date", "checkbox", "select", "list", "address"] = "text"
    label: dict[str, str] = Field(min_length=1)
    required: bool = False
    options: list[str] | None = None
    max_length: int = Field(default=200, ge=1, le=2000)
    at_registration: Literal["hidden", "shown"] = "hidden"
    in_portal: Literal["hidden", "shown", "editable"] = "editable"
    searchable: bool = False


class PasswordPolicy(Part):
    """PWD-1: 15 where the password is the only factor, 8 where a second one is always asked. No composition rules (PWD-3)."""

    min_length: int = Field(default=15, ge=8, le=64)
    min_length_with_second_factor: int = Field(default=8, ge=8, le=64)
    max_length: int = Field(default=256, ge=64, le=256)


class IdentityStore(Part):
    name: str = Field(min_length=1, max_length=60)
    identifiers: Identifiers = Identifiers()
    attributes: list[Attribute] = Field(default_factory=list, max_length=100)
    password: PasswordPolicy = PasswordPolicy()

    @property
    def id(self) -> UUID:
        return configuration_id("store", self.name)

    @property
    def always_reached(self) -> bool:
        """Whether nobody can register whom no message reaches."""
        return any(kind != "username" and one.use == "required" for kind, one in self.used().items())

    def used(self) -> dict[IdentifierKind, Identifier]:
        every: dict[IdentifierKind, Identifier] = {
            "email": self.identifiers.email,
            "username": self.identifiers.username,
            "phone": self.identifiers.phone,
        }
        return {kind: one for kind, one in every.items() if one.use != "hidden"}

    @property
    def verifiable(self) -> bool:
        """Has an identifier that can be proven: e-mail or phone (R8)."""
        return bool({"email", "phone"} & set(self.used()))
