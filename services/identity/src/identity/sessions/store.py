"""SQL of sessions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_COLUMNS = """s.id, s.account_id, s.application, s.methods, s.device, s.ip, s.idle, s.created_at, s.authenticated_at, s.seen_at, s.expires_at,
s.revoked_at"""
_INSERT = """
INSERT INTO session (id, account_id, application, token_hash, methods, device, ip, idle, created_at, authenticated_at, seen_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $10)
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
_REVOKE = "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING account_id"
_REVOKE_ALL = "UPDATE session SET revoked_at = $2 WHERE account_id = $1 AND revoked_at IS NULL"
_PURGE = "DELETE FROM session WHERE expires_at < $1 OR revoked_at < $1"


async def insert(
    tx: Tx,
    session_id: UUID,
    account_id: UUID,
    *,
    application: str,
    token_hash: bytes,
    methods: Sequence[str],
    device: str | None,
    ip: str | None,
    idle: timedelta,
    expires_at: datetime,
) -> None:
    await tx.execute(
        _INSERT, session_id, account_id, application, token_hash, list(methods), device, ip, idle, tx.now, expires_at
    )


async def by_token(conn: Conn, token_hash: bytes) -> Record | None:
    """A live session of an active account."""
    return await conn.fetchrow(_BY_TOKEN, token_hash, conn.now)


async def get(conn: Conn, session_id: UUID) -> Record | None:
    """Not ended; whether it was idle for too long is the gateway's to say, which hears of its use first."""
    return await conn.fetchrow(_GET, session_id, conn.now)


async def live(conn: Conn, account_id: UUID) -> list[Record]:
    """Oldest first."""
    return await conn.fetch(_LIVE, account_id, conn.now)


async def others(conn: Conn, account_id: UUID, but: UUID) -> list[UUID]:
    """Not ended, idle ones among them."""
    return [row["id"] for row in await conn.fetch(_OTHERS, account_id, but, conn.now)]


async def touch(tx: Tx, seen: Sequence[tuple[UUID, datetime]]) -> None:
    await tx.execute(_TOUCH, [one for one, _ in seen], [moment for _, moment in seen])


async def gone(conn: Conn, ids: Sequence[UUID]) -> list[UUID]:
    """Which of these have ended; whether one was idle for too long is the gateway's to say."""
    return [row["id"] for row in await conn.fetch(_GONE, list(ids), conn.now)]


async def revoke(tx: Tx, session_id: UUID) -> UUID | None:
    account_id: UUID | None = await tx.fetchval(_REVOKE, session_id, tx.now)
    return account_id


async def revoke_all(tx: Tx, account_id: UUID) -> int:
    return await tx.execute(_REVOKE_ALL, account_id, tx.now)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
