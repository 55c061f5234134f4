"""SQL of sign-in attempts."""

from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_COLUMNS = (
    "id, store_id, application, identifier, browser, account_id, remember, status, failures, return_to, created_at, expires_at"
)
_INSERT = """
INSERT INTO sign_in_flow (id, store_id, application, identifier, browser, status, return_to, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 'password', $6, $7, $8)
"""
_GET = f"SELECT {_COLUMNS} FROM sign_in_flow WHERE id = $1"  # noqa: S608 - constant columns
_LOCK = f"SELECT {_COLUMNS} FROM sign_in_flow WHERE id = $1 FOR UPDATE"  # noqa: S608
_FAILED = "UPDATE sign_in_flow SET failures = failures + 1, status = CASE WHEN failures + 1 >= $2 THEN 'ended' ELSE status END WHERE id = $1"
_PROGRESS = """
UPDATE sign_in_flow SET status = $2, account_id = $3, remember = $4,
    proven_hash = (SELECT sha256(convert_to(hash, 'UTF8')) FROM password_credential WHERE account_id = $3)
WHERE id = $1
"""
_STILL_PROVEN = """
SELECT true FROM sign_in_flow AS f JOIN account AS a ON a.id = f.account_id JOIN password_credential AS p ON p.account_id = a.id
WHERE f.id = $1 AND a.status = 'active' AND sha256(convert_to(p.hash, 'UTF8')) = f.proven_hash
"""
_PURGE = "DELETE FROM sign_in_flow WHERE expires_at < $1"


async def insert(
    tx: Tx,
    flow_id: UUID,
    *,
    store_id: UUID,
    application: str,
    identifier: str | None,
    browser: bytes | None,
    return_to: str | None,
    expires_at: datetime,
) -> None:
    await tx.execute(_INSERT, flow_id, store_id, application, identifier, browser, return_to, tx.now, expires_at)


async def get(conn: Conn, flow_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, flow_id)


async def lock(tx: Tx, flow_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, flow_id)


async def failed(tx: Tx, flow_id: UUID, max_failures: int) -> None:
    await tx.execute(_FAILED, flow_id, max_failures)


async def progress(tx: Tx, flow_id: UUID, status: str, account_id: UUID, *, remember: bool) -> None:
    """The account's password, as it is now, is proven."""
    await tx.execute(_PROGRESS, flow_id, status, account_id, remember)


async def still_proven(conn: Conn, flow_id: UUID) -> bool:
    """The account is open, and its password the very one that was proven."""
    return await conn.fetchval(_STILL_PROVEN, flow_id) is not None


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
