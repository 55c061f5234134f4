"""One-time secrets: the links and codes of all purposes (OTP-1 to 5 and 7, LNK-5, 6, 7, 9).

Nothing here raises inside a transaction: a wrong try must stay counted, so outcomes are returned, the use case commits and
then tells its caller. Consuming is `UPDATE ... WHERE used_at IS NULL RETURNING`, so one of many concurrent presses wins.
"""

import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from .db import Conn, Record, Tx
from .errors import (
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
from .ids import random_id
from .keys import Keys
from .logging import security_event

MAX_WRONG = 5
# Over all flows of a person, without a right one between (63B-4 §3.2.2); then its codes are longer. Messages are capped, so it
# takes days, and a stranger who does it locks nobody out.
MAX_IN_A_ROW, LONG_CODE = 100, 8
KEEP_WRONG = timedelta(days=30)  # after the last one
_DASHES = "-\u2010\u2011\u2012\u2013"
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

_COLUMNS = """id, purpose, flow_id, subject, tenant, browser, match, link_expires_at, code_expires_at, created_at, used_at, superseded_at,
ended_at"""
_INSERT = """
WITH issued AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::text[],
        $10::timestamptz[], $11::timestamptz[], $12::timestamptz[]) AS one(id, purpose, flow_id, subject, tenant, browser, link_hash,
        code_hash, match, link_expires_at, code_expires_at, superseded_at)
), superseded AS (
    UPDATE one_time_secret AS old SET superseded_at = $13 FROM issued
    WHERE old.flow_id = issued.flow_id AND old.purpose = issued.purpose AND old.used_at IS NULL AND old.superseded_at IS NULL
)
INSERT INTO one_time_secret (id, purpose, flow_id, subject, tenant, browser, link_hash, code_hash, match, link_expires_at, code_expires_at,
    superseded_at, created_at)
SELECT issued.*, $13 FROM issued
"""
_BY_LINK = f"SELECT {_COLUMNS} FROM one_time_secret WHERE link_hash = $1"  # noqa: S608 - constant columns
_USE = f"""
UPDATE one_time_secret SET used_at = $2
WHERE id = $1 AND used_at IS NULL AND superseded_at IS NULL AND ended_at IS NULL RETURNING {_COLUMNS}
"""  # noqa: S608
_END_ONE = "UPDATE one_time_secret SET ended_at = $2 WHERE id = $1 AND used_at IS NULL AND ended_at IS NULL"
# All open ones of a person, always in the same order: two presses at once wait for one another and never deadlock.
_LOCK_SUBJECT = (
    "SELECT id FROM one_time_secret WHERE subject = $1 AND used_at IS NULL AND ended_at IS NULL ORDER BY id FOR UPDATE"
)
_LATEST_CODE = """
SELECT id, subject, browser, code_hash, code_expires_at, used_at, ended_at FROM one_time_secret
WHERE flow_id = $1 AND purpose = $2 AND superseded_at IS NULL AND code_hash IS NOT NULL
ORDER BY created_at DESC LIMIT 1
"""
# The row of tries is also the lock of its flow: issuing and trying wait for one another.
_LOCK_FLOW = """
INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at)
SELECT DISTINCT flow_id, purpose, 0, $3::timestamptz FROM unnest($1::uuid[], $2::text[]) AS one(flow_id, purpose) ORDER BY flow_id, purpose
ON CONFLICT (flow_id, purpose) DO UPDATE SET last_at = excluded.last_at
"""
_COUNT_TRY = """
INSERT INTO one_time_tries (flow_id, purpose, wrong, last_at) VALUES ($1, $2, 1, $3)
ON CONFLICT (flow_id, purpose) DO UPDATE SET wrong = one_time_tries.wrong + 1, last_at = excluded.last_at RETURNING wrong
"""
_FORGIVE_TRY = "UPDATE one_time_tries SET wrong = wrong - 1 WHERE flow_id = $1 AND purpose = $2"
_TRIES = "SELECT wrong FROM one_time_tries WHERE flow_id = $1 AND purpose = $2"
_COUNT_WRONG = """
INSERT INTO one_time_wrong AS w (purpose, subject, wrong, last_at) VALUES ($1, $2, 1, $3)
ON CONFLICT (purpose, subject) DO UPDATE SET wrong = w.wrong + 1, last_at = excluded.last_at RETURNING wrong
"""
_GUESSED = """
SELECT purpose, subject FROM one_time_wrong JOIN unnest($1::text[], $2::text[]) AS one(purpose, subject) USING (purpose, subject)
WHERE wrong >= $3
"""
_FORGIVE_WRONG = "DELETE FROM one_time_wrong WHERE subject = $1"
_PURGE_WRONG = """
DELETE FROM one_time_wrong WHERE (purpose, subject) IN
    (SELECT purpose, subject FROM one_time_wrong WHERE last_at < $1 FOR UPDATE SKIP LOCKED)
"""
_END_FLOWS = """
UPDATE one_time_secret SET ended_at = $2
WHERE flow_id = ANY($1::uuid[]) AND used_at IS NULL AND ended_at IS NULL
"""
_END_SUBJECT = """
UPDATE one_time_secret SET ended_at = $2
WHERE subject = $1 AND used_at IS NULL AND ended_at IS NULL AND ($3::text[] IS NULL OR purpose = ANY($3::text[]))
"""
_PURGE = "DELETE FROM one_time_secret WHERE created_at < $1"
# Passes over rows in use: a flow that goes on is not over.
_PURGE_TRIES = """
DELETE FROM one_time_tries WHERE (flow_id, purpose) IN
    (SELECT flow_id, purpose FROM one_time_tries WHERE last_at < $1 FOR UPDATE SKIP LOCKED)
"""


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
    """What is stored about a link, for a page that only looks (LNK-1)."""

    state: LinkState
    id: UUID | None = None
    purpose: str | None = None
    flow_id: UUID | None = None
    subject: str | None = None
    tenant: str | None = None
    browser: bytes | None = None
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


def new_token() -> str:
    """256 random bits, url-safe: 43 characters (LNK-5)."""
    return secrets.token_urlsafe(32)


def new_code(length: int) -> str:
    """Uniform digits, leading zeros included (OTP-1)."""
    return f"{secrets.randbelow(10**length):0{length}d}"


def new_match() -> str:
    """Two digits for number matching (D17)."""
    return f"{10 + secrets.randbelow(90)}"


def hash_token(token: str) -> bytes:
    """SHA-256 is enough for 256 random bits; sessions and flow tokens use the same."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def typed_code(text: str) -> str:
    """As a person types it: spaces and dashes don't count, digits of every script do (OTP-8)."""
    return "".join(str(unicodedata.decimal(one, one)) for one in text if not one.isspace() and one not in _DASHES)


class OneTimeSecrets:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def _hash_code(self, purpose: str, flow_id: UUID, code: str) -> bytes:
        message = b"\0".join((purpose.encode(), flow_id.bytes, code.encode("utf-8", "replace")))
        return hmac.digest(self._keys.secret("code"), message, "sha256")

    async def issue(self, tx: Tx, one: ToIssue) -> Issued:
        """A new link and/or code. Older ones of the same flow are superseded, other flows' are left alone (C5)."""
        return (await self.issue_several(tx, [one]))[0]

    async def issue_several(self, tx: Tx, several: Sequence[ToIssue]) -> list[Issued]:
        """The same, one after the other in this order, for the price of one."""
        if not several:
            return []
        purposes, flow_ids = [one.purpose for one in several], [one.flow_id for one in several]
        await tx.execute(_LOCK_FLOW, flow_ids, purposes, tx.now)
        guessed = await self._guessed(tx, several)
        issued = [
            Issued(
                id=random_id(),
                token=new_token() if one.link_lifetime else None,
                code=new_code(max(one.code_length, LONG_CODE if (one.purpose, one.subject) in guessed else 0))
                if one.code_lifetime
                else None,
                link_expires_at=tx.now + one.link_lifetime if one.link_lifetime else None,
                code_expires_at=tx.now + one.code_lifetime if one.code_lifetime else None,
            )
            for one in several
        ]
        last = {(one.flow_id, one.purpose): new.id for one, new in zip(several, issued, strict=True)}
        await tx.execute(
            _INSERT,
            [new.id for new in issued],
            purposes,
            flow_ids,
            [one.subject for one in several],
            [one.tenant for one in several],
            [one.browser for one in several],
            [hash_token(new.token) if new.token else None for new in issued],
            [
                self._hash_code(one.purpose, one.flow_id, new.code) if new.code else None
                for one, new in zip(several, issued, strict=True)
            ],
            [one.match for one in several],
            [new.link_expires_at for new in issued],
            [new.code_expires_at for new in issued],
            [None if last[one.flow_id, one.purpose] == new.id else tx.now for one, new in zip(several, issued, strict=True)],
            tx.now,
        )
        return issued

    async def _guessed(self, conn: Conn, several: Sequence[ToIssue]) -> set[tuple[str, str]]:
        """Whose codes somebody keeps guessing (OTP-5)."""
        theirs = {(one.purpose, one.subject) for one in several if one.code_lifetime is not None and one.subject is not None}
        if not theirs:
            return set()
        rows = await conn.fetch(_GUESSED, [purpose for purpose, _ in theirs], [subject for _, subject in theirs], MAX_IN_A_ROW)
        return {(row["purpose"], row["subject"]) for row in rows}

    async def inspect(self, conn: Conn, token: str) -> Link:
        """Never writes (LNK-1)."""
        row = await conn.fetchrow(_BY_LINK, hash_token(token))
        return _link(row, conn.now)

    async def consume_link(
        self,
        tx: Tx,
        token: str,
        *,
        purposes: Sequence[str],
        browser: bytes | None,
        match: str | None = None,
        from_anywhere: bool = False,
    ) -> LinkResult:
        """One press. From another browser only with the right number; a wrong one ends the link (LNK-3)."""
        row = await tx.fetchrow(_BY_LINK, hash_token(token))
        link = _link(row, tx.now)
        if link.state == "malformed" or row is None or link.purpose not in purposes:
            return LinkResult("malformed", Link("malformed"))
        if link.state != "valid":
            return LinkResult(link.state, link)
        elsewhere = not from_anywhere and not same_browser(link.browser, browser)
        if elsewhere:
            if match is None or row["match"] is None:
                return LinkResult("other_browser", link)
            if not hmac.compare_digest(match.encode(), row["match"].encode()):
                await tx.execute(_END_ONE, link.id, tx.now)
                return LinkResult("match_wrong", link)
        if await self.use(tx, link):
            return LinkResult("ok", link, elsewhere)
        state = (await self.inspect(tx, token)).state  # what another press has made of it meanwhile
        return LinkResult("used" if state == "valid" else state, link)

    async def use(self, tx: Tx, link: Link) -> bool:
        """Consumes a link whose presser was proven in another way (the password chosen at registration, REG-3)."""
        return link.id is not None and await self._use(tx, link.id, link.subject)

    async def _use(self, tx: Tx, secret_id: UUID, subject: str | None) -> bool:
        if subject is not None:
            await tx.fetch(_LOCK_SUBJECT, subject)
            await tx.execute(_FORGIVE_WRONG, subject)
        return await tx.fetchrow(_USE, secret_id, tx.now) is not None

    async def consume_code(
        self, tx: Tx, *, flow_id: UUID, purpose: str, code: str, browser: bytes | None = FLOW_CHECKED
    ) -> CodeResult:
        """The try is counted before it is looked at, and the row lock makes parallel tries wait for one another. Wrong ones count
        for the person, too, over all flows.

        Bound to flow, purpose and the browser that asked (OTP-4): elsewhere the right code is a wrong one.
        """
        wrong = await tx.fetchval(_COUNT_TRY, flow_id, purpose, tx.now)
        if wrong > MAX_WRONG:
            return CodeResult("burned")
        row = await tx.fetchrow(_LATEST_CODE, flow_id, purpose)
        if row is None or row["ended_at"] is not None or not self._is_right(row, purpose, flow_id, code, browser):
            subject = row["subject"] if row is not None else None
            in_a_row = await tx.fetchval(_COUNT_WRONG, purpose, subject or str(flow_id), tx.now)
            if in_a_row == MAX_IN_A_ROW:
                security_event("authn_login_fail_max", "fail", purpose=purpose, account_id=subject)
            return CodeResult("burned") if wrong >= MAX_WRONG else CodeResult("wrong", MAX_WRONG - wrong)
        await tx.execute(_FORGIVE_TRY, flow_id, purpose)  # a right code is no wrong try, whatever became of it
        if row["used_at"] is not None:
            return CodeResult("used")
        if row["code_expires_at"] <= tx.now:
            return CodeResult("expired")
        return CodeResult("ok") if await self._use(tx, row["id"], row["subject"]) else CodeResult("used")

    def _is_right(self, row: Record, purpose: str, flow_id: UUID, code: str, browser: bytes | None) -> bool:
        right = hmac.compare_digest(row["code_hash"], self._hash_code(purpose, flow_id, typed_code(code)))
        return right and (browser == FLOW_CHECKED or same_browser(row["browser"], browser))

    async def count_try(self, tx: Tx, *, flow_id: UUID, purpose: str) -> int:
        """Counts a try of another kind (a password on a link) by the same rule; answers how many there were."""
        tried: int = await tx.fetchval(_COUNT_TRY, flow_id, purpose, tx.now)
        return tried

    async def tries_left(self, conn: Conn, *, flow_id: UUID, purpose: str) -> int:
        return max(MAX_WRONG - (await conn.fetchval(_TRIES, flow_id, purpose) or 0), 0)

    async def end_link(self, tx: Tx, link: Link) -> None:
        await tx.execute(_END_ONE, link.id, tx.now)

    async def end_flows(self, tx: Tx, flow_ids: Sequence[UUID]) -> None:
        await tx.execute(_END_FLOWS, list(flow_ids), tx.now)

    async def end_subject(self, tx: Tx, subject: str, purposes: Sequence[str] | None = None) -> None:
        """First success voids all (LNK-9); so does whatever changes the account (LNK-7)."""
        await tx.execute(_END_SUBJECT, subject, tx.now, list(purposes) if purposes else None)

    async def purge(self, tx: Tx, older_than: timedelta) -> None:
        await tx.execute(_PURGE, tx.now - older_than)
        await tx.execute(_PURGE_TRIES, tx.now - older_than)
        await tx.execute(_PURGE_WRONG, tx.now - KEEP_WRONG)


def same_browser(asked: bytes | None, here: bytes | None) -> bool:
    return asked is not None and here is not None and hmac.compare_digest(asked, here)


def _link(row: Record | None, now: datetime) -> Link:
    if row is None:
        return Link("malformed")
    state: LinkState = "valid"
    if row["used_at"] is not None:
        state = "used"
    elif row["ended_at"] is not None:
        state = "ended"
    elif row["superseded_at"] is not None:
        state = "superseded"
    elif row["link_expires_at"] <= now:
        state = "expired"
    return Link(
        state,
        row["id"],
        row["purpose"],
        row["flow_id"],
        row["subject"],
        row["tenant"],
        row["browser"],
        row["created_at"],
        row["link_expires_at"],
        row["used_at"],
        row["superseded_at"],
    )
