"""SQL of sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_COLUMNS = "s.id, s.account_id, s.application, s.methods, s.device, s.ip, s.idle, s.created_at, s.authenticated_at, s.seen_at, s.expires_at"
# The newest ones stay beside it; older ones end (SES-7).
_INSERT = """
WITH crowded AS (
    SELECT id FROM session WHERE account_id = $2 AND revoked_at IS NULL AND expires_at > $9 AND seen_at + idle > $9
    ORDER BY created_at DESC, id OFFSET $11
), ended AS (
    UPDATE session SET revoked_at = $9 FROM crowded WHERE session.id = crowded.id RETURNING session.id
), seen AS (
    UPDATE account SET last_signed_in_at = $9
    WHERE id = $2 AND (last_signed_in_at IS NULL OR last_signed_in_at < $9::timestamptz - interval '1 day')
)
INSERT INTO session (id, account_id, application, token_hash, methods, device, ip, idle, created_at, authenticated_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $12, $9, $10) RETURNING ARRAY(SELECT id FROM ended) AS ended
"""
_BY_TOKEN = f"""
SELECT {_COLUMNS} FROM session s JOIN account a ON a.id = s.account_id
WHERE s.token_hash = $1 AND s.revoked_at IS NULL AND a.status = 'active' AND s.expires_at > $2 AND s.seen_at + s.idle > $2
"""  # noqa: S608 - constant columns
_LIVE = f"""
SELECT {_COLUMNS} FROM session s
WHERE s.account_id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.seen_at + s.idle > $2 ORDER BY s.created_at
"""  # noqa: S608
_OTHERS = """
SELECT id FROM session WHERE account_id = $1 AND id <> $2 AND revoked_at IS NULL AND expires_at > $3 ORDER BY created_at
"""
_GET = f"""
SELECT {_COLUMNS} FROM session s WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > $2
"""  # noqa: S608
_TOUCH = """
UPDATE session SET seen_at = t.seen_at FROM (SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS x (id, seen_at) ORDER BY id) AS t
WHERE session.id = t.id AND session.seen_at < t.seen_at AND session.revoked_at IS NULL
"""
_GONE = """
SELECT given.id FROM unnest($1::uuid[]) AS given (id) WHERE NOT EXISTS (
    SELECT FROM session s JOIN account a ON a.id = s.account_id
    WHERE s.id = given.id AND s.revoked_at IS NULL AND a.status = 'active' AND s.expires_at > $2
)
"""
_REVOKE = """
UPDATE session s SET revoked_at = $2 FROM account a WHERE s.id = $1 AND s.revoked_at IS NULL AND a.id = s.account_id
RETURNING s.account_id, a.store_id
"""
_REVOKE_ALL = "UPDATE session SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL"
# Names of a former release, in sessions that may live yet.
_FORMER = {"password": "pwd"}
_PURGE = "DELETE FROM session WHERE expires_at < $1 OR revoked_at < $1"


@dataclass(frozen=True, slots=True)
class Session:
    """`idle`: how long it lives unused. `methods`: what was proven at `authenticated_at` (RFC 8176 `amr`)."""

    id: UUID
    account_id: UUID
    application: str
    methods: tuple[str, ...]
    device: str | None
    ip: str | None
    idle: timedelta
    created_at: datetime
    authenticated_at: datetime
    seen_at: datetime
    expires_at: datetime


def _session(row: Record) -> Session:
    methods = tuple(_FORMER.get(one, one) for one in row["methods"])
    return Session(**{**row, "methods": methods})


async def insert(
    tx: Tx,
    session_id: UUID,
    account_id: UUID,
    *,
    application: str,
    token_hash: bytes,
    methods: Sequence[str],
    authenticated_at: datetime,
    device: str | None,
    ip: str | None,
    idle: timedelta,
    expires_at: datetime,
    beside: int,
) -> list[UUID]:
    """Leaves the newest `beside` others; answers which it has ended. The account must be locked."""
    columns = session_id, account_id, application, token_hash, list(methods), device, ip, idle, tx.now, expires_at, beside
    ended: list[UUID] = await tx.fetchval(_INSERT, *columns, authenticated_at)
    return ended


async def by_token(conn: Conn, token_hash: bytes) -> Session | None:
    """A live session of an active account."""
    row = await conn.fetchrow(_BY_TOKEN, token_hash, conn.now)
    return _session(row) if row is not None else None


async def get(conn: Conn, session_id: UUID) -> Session | None:
    """Not ended; whether it was idle for too long is the gateway's to say, which hears of its use first."""
    row = await conn.fetchrow(_GET, session_id, conn.now)
    return _session(row) if row is not None else None


async def live(conn: Conn, account_id: UUID) -> list[Session]:
    """Oldest first."""
    return [_session(row) for row in await conn.fetch(_LIVE, account_id, conn.now)]


async def others(conn: Conn, account_id: UUID, but: UUID) -> list[UUID]:
    """Not ended, idle ones among them."""
    return [row["id"] for row in await conn.fetch(_OTHERS, account_id, but, conn.now)]


async def touch(tx: Tx, seen: Sequence[tuple[UUID, datetime]]) -> None:
    await tx.execute(_TOUCH, [one for one, _ in seen], [moment for _, moment in seen])


async def gone(conn: Conn, ids: Sequence[UUID]) -> list[UUID]:
    """Which of these have ended; whether one was idle for too long is the gateway's to say."""
    return [row["id"] for row in await conn.fetch(_GONE, list(ids), conn.now)]


@dataclass(frozen=True)
class Ended:
    account_id: UUID
    store_id: UUID


async def revoke(tx: Tx, session_id: UUID) -> Ended | None:
    row = await tx.fetchrow(_REVOKE, session_id, tx.now)
    return Ended(row["account_id"], row["store_id"]) if row is not None else None


async def revoke_all(tx: Tx, account_id: UUID) -> int:
    return await tx.execute(_REVOKE_ALL, account_id, tx.now)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
