"""Whom a provider has named, and what of that may be believed. Pure functions and shapes."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self, TypeAlias
from uuid import UUID

# How a session began that no password and no factor of ours has proven. RFC 8176 has no name for it; others call it so, too.
FEDERATED = "fed"
# What comes of somebody nobody knows: an account is made, or one with the same proven address is linked once its owner has signed in to it.
Leads: TypeAlias = Literal["joins", "links"]


@dataclass(frozen=True, slots=True)
class Newcomer:
    """`proven`: the address is known to be theirs, by a provider whose word counts. `shown`: what the account is called there."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    proven: bool = False
    given_name: str | None = None
    family_name: str | None = None
    shown: str | None = None
    leads: Leads = "joins"

    @classmethod
    def of(cls, kept: Any) -> Self | None:
        return cls(**kept) if kept is not None else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Linked:
    """As it is kept: whose account signs in by it."""

    id: UUID
    account_id: UUID
    provider: str
    issuer: str
    subject: str
    shown: str | None
    linked_at: datetime
    used_at: datetime | None
