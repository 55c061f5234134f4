"""What a link or a code is, what is stored of it, and what may come of a try."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from latchkey_contracts import typed

from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    LinkEnded,
    LinkExpired,
    LinkMalformed,
    LinkOtherBrowser,
    LinkSuperseded,
    LinkUsed,
    MatchWrong,
    ServiceError,
)

MAX_WRONG = 5
# Over all flows of a person, without a right one between (63B-4 §3.2.2); then its codes are longer. Messages are capped, so it
# takes days, and a stranger who does it locks nobody out.
MAX_IN_A_ROW, LONG_CODE = 100, 8
# consume_code: the use case has compared the flow's browser itself, before it came here.
FLOW_CHECKED = b""
LinkState = Literal["valid", "used", "expired", "superseded", "ended", "malformed"]
LinkOutcome = Literal["ok", "used", "expired", "superseded", "ended", "malformed", "other_browser", "match_wrong"]
CodeOutcome = Literal["ok", "wrong", "expired", "burned", "used"]

# What a caller is told of a link that didn't do.
LINK_ERRORS: dict[str, type[ServiceError]] = {
    "used": LinkUsed,
    "expired": LinkExpired,
    "superseded": LinkSuperseded,
    "ended": LinkEnded,
    "malformed": LinkMalformed,
    "other_browser": LinkOtherBrowser,
    "match_wrong": MatchWrong,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToIssue:
    """A link, a code or both. `subject`: whose; `browser`: the one that asked."""

    purpose: str
    flow_id: UUID
    subject: str | None
    tenant: str
    browser: bytes | None
    link_lifetime: timedelta | None = None
    code_lifetime: timedelta | None = None
    code_length: int = 6
    match: str | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """The only place where the clear values are; they go into a sealed envelope and nowhere else."""

    id: UUID
    token: str | None
    code: str | None
    link_expires_at: datetime | None
    code_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """What is stored about a link, for a page that only looks (LNK-1). `match`: the number that the asking window shows."""

    state: LinkState
    id: UUID | None = None
    purpose: str | None = None
    flow_id: UUID | None = None
    subject: str | None = None
    tenant: str | None = None
    browser: bytes | None = None
    match: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    used_at: datetime | None = None
    superseded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LinkResult:
    outcome: LinkOutcome
    link: Link
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """The newest code of a flow, as it is stored."""

    id: UUID
    subject: str | None
    browser: bytes | None
    hash: bytes
    expires_at: datetime
    used: bool
    ended: bool


@dataclass(frozen=True, slots=True)
class CodeResult:
    outcome: CodeOutcome
    tries_left: int = 0


def code_error(result: CodeResult) -> ServiceError:
    """What a caller is told of a try that wasn't right, once it is counted and committed."""
    if result.outcome == "expired":
        return CodeExpired()
    if result.outcome in {"burned", "used"}:
        return CodeBurned()
    return CodeWrong(tries_left=result.tries_left)


def new_code(length: int) -> str:
    """Uniform digits, leading zeros included (OTP-1)."""
    return f"{secrets.randbelow(10**length):0{length}d}"


def new_match() -> str:
    """Two digits for number matching (D17)."""
    return f"{10 + secrets.randbelow(90)}"


def typed_code(text: str) -> str:
    """As a person types it: spaces and dashes don't count, digits of every script do (OTP-8)."""
    return str(typed.code(text))


def same_browser(asked: bytes | None, here: bytes | None) -> bool:
    return asked is not None and here is not None and hmac.compare_digest(asked, here)
