"""SQL of reminder and reset requests."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_COLUMNS = """id, kind, store_id, application, identifier, language, browser, match, requested_from, started_by_rep, account_id, recipient,
status, link_ended, created_at, expires_at"""
_INSERT = f"""
INSERT INTO request ({_COLUMNS})
SELECT id, kind, store_id, application, identifier, language, browser, match, requested_from, started_by_rep, account_id, NULL,
    'check_your_messages', false, $12, expires_at
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::bool[],
    $11::uuid[], $13::timestamptz[]) AS one(id, kind, store_id, application, identifier, language, browser, match, requested_from,
    started_by_rep, account_id, expires_at)
RETURNING {_COLUMNS}
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM request WHERE id = $1"  # noqa: S608
_GET_SEVERAL = f"SELECT {_COLUMNS} FROM request WHERE id = ANY($1::uuid[])"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM request WHERE id = $1 FOR UPDATE"  # noqa: S608
_REACHED = """
UPDATE request AS r SET account_id = one.account_id, recipient = one.recipient, link_ended = false
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS one(id, account_id, recipient) WHERE r.id = one.id
"""
_PROLONG = "UPDATE request SET expires_at = GREATEST(expires_at, $2) WHERE id = $1"
_PROVEN = "UPDATE request SET status = 'new_password', browser = $2, expires_at = $3 WHERE id = $1"
_COMPLETE = "UPDATE request SET status = 'complete', identifier = NULL WHERE id = $1 AND status = 'new_password' RETURNING account_id, application"
_END_OTHERS = """
UPDATE request SET status = 'ended', identifier = NULL
WHERE account_id = $1 AND id <> $2 AND status IN ('check_your_messages', 'new_password') RETURNING id
"""
_LINK_ENDED = "UPDATE request SET link_ended = true WHERE id = $1"
_PURGE = "DELETE FROM request WHERE expires_at < $1"


@dataclass(frozen=True, kw_only=True)
class New:
    """What a request starts with. `account_id` is known only where a rep started it."""

    id: UUID
    kind: str
    store_id: UUID
    application: str
    identifier: str | None
    language: str
    browser: bytes | None
    match: str
    requested_from: str | None
    started_by_rep: bool = False
    account_id: UUID | None = None
    expires_at: datetime


_NEW = [one.name for one in fields(New) if one.name != "expires_at"]


async def insert(tx: Tx, one: New) -> Record:
    return (await insert_several(tx, [one]))[0]


async def insert_several(tx: Tx, several: Sequence[New]) -> list[Record]:
    """In their order."""
    columns = [[getattr(one, name) for one in several] for name in _NEW]
    rows = {row["id"]: row for row in await tx.fetch(_INSERT, *columns, tx.now, [one.expires_at for one in several])}
    return [rows[one.id] for one in several]


async def get(conn: Conn, request_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, request_id)


async def get_several(conn: Conn, request_ids: Sequence[UUID]) -> dict[UUID, Record]:
    return {row["id"]: row for row in await conn.fetch(_GET_SEVERAL, list(request_ids))}


async def lock(tx: Tx, request_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, request_id)


async def reached(tx: Tx, found: Sequence[tuple[UUID, UUID, str | None]]) -> None:
    """(request, whose it is, its recipient masked): shown to whoever holds the link, never to whoever asked (ENU-3)."""
    if found:
        await tx.execute(_REACHED, *(list(column) for column in zip(*found, strict=True)))


async def prolong(tx: Tx, request_id: UUID, expires_at: datetime) -> None:
    """Because it was asked for again; not because something left, which whoever asked must not see (ENU-1)."""
    await tx.execute(_PROLONG, request_id, expires_at)


async def proven(tx: Tx, request_id: UUID, browser: bytes | None, expires_at: datetime) -> None:
    await tx.execute(_PROVEN, request_id, browser, expires_at)


async def complete(tx: Tx, request_id: UUID) -> Record | None:
    """None: it was complete before, or never proven."""
    return await tx.fetchrow(_COMPLETE, request_id)


async def end_others(tx: Tx, account_id: UUID, but: UUID) -> list[UUID]:
    return [row["id"] for row in await tx.fetch(_END_OTHERS, account_id, but)]


async def set_link_ended(tx: Tx, request_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, request_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
