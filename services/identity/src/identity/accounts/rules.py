"""Identifiers: one canonical form for register, sign-in, reset and links (REG-6, REG-11, ENU-3). Pure functions."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

import idna
import phonenumbers
from email_validator import EmailNotValidError, validate_email
from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.identity import IdentifierKind
from servicekit.errors import FieldError

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
    """`value` as typed, `canonical` as compared."""

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


def skeleton(username: str) -> str:
    folded = unicodedata.normalize("NFKD", username).casefold()
    return (
        "".join(one for one in folded if not unicodedata.combining(one))
        .translate(_LOOKS_LIKE)
        .replace("rn", "m")
        .replace("vv", "w")
    )


def canonical_email(value: str) -> str:
    """Lower-cased NFC local part, lower-cased punycode domain, no provider's own folding. Raises ValueError."""
    try:
        found = validate_email(value, check_deliverability=False, allow_smtputf8=True, test_environment=True)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    local = unicodedata.normalize("NFC", found.local_part).lower()
    domain = found.ascii_domain or idna.encode(found.domain, uts46=True).decode()
    return f"{local}@{domain.lower()}"


def canonical_phone(value: str) -> str:
    """E.164. Raises ValueError."""
    try:
        number = phonenumbers.parse(value, None)
    except phonenumbers.NumberParseException:
        raise ValueError("Write it with the country's code, as in +49 341 5550141") from None
    if not phonenumbers.is_possible_number(number):
        raise ValueError("This doesn't look like a phone number")
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def canonical_username(value: str) -> str:
    text = unicodedata.normalize("NFKC", value).casefold()
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


def candidates(typed: str, store: IdentityStore) -> list[tuple[IdentifierKind, str]]:
    """All that a typed sign-in name may mean in this store; what it can't be is left out."""
    found: list[tuple[IdentifierKind, str]] = []
    for kind in store.used():
        try:
            found.append((kind, _CANONICAL[kind](typed)))
        except ValueError:
            continue
    return found


def channel_of(kind: str) -> Literal["email", "sms"]:
    """How an address or a number is written to."""
    return "sms" if kind == "phone" else "email"


def mask(kind: str, value: str) -> str:
    """First letters, or the last two digits (ENU-3)."""
    if kind == "phone":
        return f"•••{value[-2:]}"
    if kind == "email":
        local, _, domain = value.partition("@")
        return f"{local[:1]}•••@{domain[:1]}•••"
    return f"{value[:1]}•••"
