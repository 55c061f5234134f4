"""Identifiers: one canonical form for register, sign-in, reset and links (REG-6, REG-11, ENU-3). Pure functions."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from latchkey_contracts import typed
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.identity import IdentifierKind
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.errors import FieldError
from servicekit.masks import mask as mask  # noqa: PLC0414 - as all that this service knows of identifiers, it is had from here

RESERVED_USERNAMES = frozenset(
    "admin administrator root support help helpdesk security abuse postmaster webmaster hostmaster info system operator staff".split()  # noqa: SIM905
)
# The look-alikes that matter most (UTS 39): what a reader takes for the same letter is the same name.
_LOOKS_LIKE = str.maketrans(
    {
        "а": "a", "е": "e", "о": "o", "р": "p", "с": "c", "у": "y", "х": "x", "і": "i", "ј": "j", "ѕ": "s", "ԁ": "d", "һ": "h", "ո": "n",
        "α": "a", "ο": "o", "ν": "v", "ι": "i", "κ": "k", "ρ": "p", "τ": "t", "υ": "u", "χ": "x", "0": "o", "1": "l", "i": "l", "|": "l",
        "ı": "l", "5": "s",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Identifier:
    """`value` as its owner writes it, `canonical` as compared."""

    kind: IdentifierKind
    value: str
    canonical: str

    @property
    def skeleton(self) -> str | None:
        return skeleton(self.canonical) if self.kind == "username" else None

    @property
    def address(self) -> str:
        """Where a message goes: mail as its owner writes it, since a server may tell case apart; a number as the networks do."""
        return self.canonical if self.kind == "phone" else self.value

    def as_dict(self) -> dict[str, str]:
        return {"kind": self.kind, "value": self.value, "canonical": self.canonical}


def given_name(profile: Mapping[str, Any]) -> str | None:
    """To greet by. The attribute of that name may be, or may have been, of another type than text (E20)."""
    found = profile.get("given_name")
    return found if isinstance(found, str) else None


AccountStatus: TypeAlias = Literal["pending", "active", "disabled", "frozen", "erased"]


@dataclass(frozen=True, slots=True)
class Account:
    id: UUID
    store_id: UUID
    status: AccountStatus
    profile: dict[str, Any]
    language: str | None
    created_at: datetime
    second_factor: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An identifier as an account has it. `verified_at`: since when it is proven to be the account's; None: only typed."""

    account_id: UUID
    kind: IdentifierKind
    value: str
    canonical: str
    verified_at: datetime | None

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.kind, self.value, self.canonical)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom an address belongs to; `proven`: not only by a registration that is about to prove it."""

    account: Account
    proven: bool


def skeleton(username: str) -> str:
    folded = unicodedata.normalize("NFKD", username).casefold()
    return (
        "".join(one for one in folded if not unicodedata.combining(one))
        .translate(_LOOKS_LIKE)
        .replace("rn", "m")
        .replace("vv", "w")
    )


def canonical_username(value: str) -> str:
    text = unicodedata.normalize("NFKC", typed.line(value)).casefold()
    if not 3 <= len(text) <= 40:
        raise ValueError("Use 3 to 40 characters")
    if not all(one.isalnum() or one in "._-" for one in text) or text.startswith(".") or text.endswith("."):
        raise ValueError("Use letters, digits, dots, dashes and underscores")
    if skeleton(text) in {skeleton(one) for one in RESERVED_USERNAMES}:
        raise ValueError("This username is reserved")
    return text


_CANONICAL = {"email": canonical_email, "phone": canonical_phone, "username": canonical_username}


def read_identifiers(given: dict[IdentifierKind, str | None], store: IdentityStore) -> tuple[list[Identifier], list[FieldError]]:
    """What a registration gives, against what the store wants."""
    found: list[Identifier] = []
    errors: list[FieldError] = []
    used = store.used()
    for kind, value in given.items():
        path = f"/identifiers/{kind}"
        if value is None:
            if kind in used and used[kind].use == "required":
                errors.append(FieldError(path, "required", "This is needed"))
        elif kind not in used:
            errors.append(FieldError(path, "unknown_field", "This application doesn't use it"))
        else:
            try:
                found.append(Identifier(kind, value, _CANONICAL[kind](value)))
            except ValueError as error:
                errors.append(FieldError(path, f"{kind}_not_valid", str(error)))
    return found, errors


def candidates(name: str, store: IdentityStore) -> list[tuple[IdentifierKind, str]]:
    """All that a typed sign-in name may mean in this store; what it can't be is left out."""
    found: list[tuple[IdentifierKind, str]] = []
    for kind in store.used():
        try:
            found.append((kind, _CANONICAL[kind](name)))
        except ValueError:
            continue
    return found


def channel_of(kind: str) -> Literal["email", "sms"]:
    """How an address or a number is written to."""
    return "sms" if kind == "phone" else "email"
