"""SQL of reminder and reset requests."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from latchkey_contracts.sealed import Sealed
from servicekit.db import Conn, Record, Tx

from recovery.kinds import Kind

Status = Literal["check_your_messages", "new_password", "complete", "ended"]

_COLUMNS = """id, kind, store_id, application, identifier, language, browser, match, requested_from, started_by_rep, account_id, recipient,
status, link_ended, created_at, expires_at, voided_at, renewed, restarted, contact"""
_INSERT = f"""
INSERT INTO request ({_COLUMNS})
SELECT id, kind, store_id, application, identifier, language, browser, match, requested_from, started_by_rep, account_id, NULL,
    'check_your_messages', false, $15, expires_at, NULL, renewed, restarted, contact::jsonb
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::bool[],
    $11::uuid[], $12::bool[], $13::bool[], $14::text[], $16::timestamptz[]) AS one(id, kind, store_id, application, identifier, language,
    browser, match, requested_from, started_by_rep, account_id, renewed, restarted, contact, expires_at)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM request WHERE id = $1"  # noqa: S608
_GET_SEVERAL = f"SELECT {_COLUMNS} FROM request WHERE id = ANY($1::uuid[])"  # noqa: S608
# With all open ones of the same account, always in the same order: two presses at once wait for one another and never deadlock.
_LOCK = f"""
SELECT {_COLUMNS} FROM request WHERE id IN (
    SELECT id FROM request WHERE id = $1 UNION
    SELECT other.id FROM request AS one JOIN request AS other ON other.account_id = one.account_id AND other.kind = one.kind
    WHERE one.id = $1 AND other.status IN ('check_your_messages', 'new_password')
) ORDER BY id FOR UPDATE
"""  # noqa: S608
_REACHED = """
WITH locked AS (SELECT id FROM request WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE)
UPDATE request AS r SET account_id = one.account_id, recipient = one.recipient, link_ended = false
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS one(id, account_id, recipient)
WHERE r.id = one.id AND r.id IN (SELECT id FROM locked)
"""
_PROLONG = "UPDATE request SET expires_at = GREATEST(expires_at, $2) WHERE id = $1"
_PROVEN = "UPDATE request SET status = 'new_password', browser = $2, expires_at = $3 WHERE id = $1"
_COMPLETE = f"""
UPDATE request SET status = 'complete', identifier = NULL WHERE id = $1 AND status = 'new_password' RETURNING {_COLUMNS}
"""  # noqa: S608
# One that was proven ends in the sight of whoever proved it; the others go on waiting in theirs (ENU-1).
_VOID = """
UPDATE request SET voided_at = $4, status = CASE status WHEN 'new_password' THEN 'ended' ELSE status END
WHERE id IN (
    SELECT id FROM request
    WHERE account_id = $1 AND kind = 'password_reset' AND status IN ('check_your_messages', 'new_password') AND voided_at IS NULL
        AND id IS DISTINCT FROM $2 AND created_at <= $3
    ORDER BY id FOR UPDATE
) RETURNING id
"""
_LINK_ENDED = "UPDATE request SET link_ended = true WHERE id = $1"
_PURGE = "DELETE FROM request WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody asked for, as it stays for the whole flow. `browser`: of whoever asked; after a rep's start, of whoever pressed."""

    id: UUID
    kind: Kind
    store_id: UUID
    application: str
    identifier: str | None
    language: str
    browser: bytes | None
    match: str
    requested_from: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Asked):
    """`recipient`: masked. `contact`: where it goes if not to an
    address of the account (REC-12). `voided_at`: the account was secured in another way; whoever asked sees no difference (ENU-1).
    `renewed`: by whoever held an older link and may not know what was typed (ENU-3); `restarted`: while that one was still valid.
    """

    started_by_rep: bool
    account_id: UUID | None
    recipient: str | None
    status: Status
    link_ended: bool
    created_at: datetime
    expires_at: datetime
    voided_at: datetime | None
    renewed: bool
    restarted: bool
    contact: Sealed | None

    @classmethod
    def of(cls, row: Record) -> Self:
        contact = row["contact"]
        return cls(**{**row, "contact": Sealed.model_validate(contact) if contact is not None else None})

    @property
    def waits(self) -> bool:
        """For a link or a code, as far as anybody can see."""
        return self.status == "check_your_messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class New(Asked):
    """What a request starts with. `account_id` is known only where a rep started it, or a total-loss recovery took effect: then
    `contact`, sealed and as JSON, is where it goes.
    """

    started_by_rep: bool = False
    account_id: UUID | None = None
    renewed: bool = False
    restarted: bool = False
    contact: str | None = None
    expires_at: datetime


_NEW = [field.name for field in fields(New) if field.name != "expires_at"]


async def insert(tx: Tx, one: New) -> Request:
    return (await insert_several(tx, [one]))[0]


async def insert_several(tx: Tx, several: Sequence[New]) -> list[Request]:
    """In their order."""
    columns = [[getattr(one, name) for one in several] for name in _NEW]
    rows = {row["id"]: Request.of(row) for row in await tx.fetch(_INSERT, *columns, tx.now, [one.expires_at for one in several])}
    return [rows[one.id] for one in several]


async def get(conn: Conn, request_id: UUID) -> Request | None:
    row = await conn.fetchrow(_GET, request_id)
    return Request.of(row) if row is not None else None


async def get_several(conn: Conn, request_ids: Sequence[UUID]) -> dict[UUID, Request]:
    return {row["id"]: Request.of(row) for row in await conn.fetch(_GET_SEVERAL, list(request_ids))}


async def lock(tx: Tx, request_id: UUID) -> Request | None:
    return next((Request.of(row) for row in await tx.fetch(_LOCK, request_id) if row["id"] == request_id), None)


async def reached(tx: Tx, found: Sequence[tuple[UUID, UUID, str | None]]) -> None:
    """(request, whose it is, its recipient masked): shown to whoever holds the link, never to whoever asked (ENU-3)."""
    if found:
        await tx.execute(_REACHED, *(list(column) for column in zip(*found, strict=True)))


async def prolong(tx: Tx, request_id: UUID, expires_at: datetime) -> None:
    """Because it was asked for again; not because something left, which whoever asked must not see (ENU-1)."""
    await tx.execute(_PROLONG, request_id, expires_at)


async def proven(tx: Tx, request_id: UUID, browser: bytes | None, expires_at: datetime) -> None:
    await tx.execute(_PROVEN, request_id, browser, expires_at)


async def complete(tx: Tx, request_id: UUID) -> Request | None:
    """None: it was complete before, or never proven."""
    row = await tx.fetchrow(_COMPLETE, request_id)
    return Request.of(row) if row is not None else None


async def void(tx: Tx, account_id: UUID, before: datetime, but: UUID | None = None) -> list[UUID]:
    """All resets of the account that were asked for until then. Answers which."""
    return [row["id"] for row in await tx.fetch(_VOID, account_id, but, before, tx.now)]


async def set_link_ended(tx: Tx, request_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, request_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
