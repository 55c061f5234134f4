"""SQL of notices: what a "this wasn't me" link is about, for the page that it opens."""

from uuid import UUID

from servicekit.db import Conn, Record, Tx

_INSERT = """
INSERT INTO notice (id, account_id, application, what, recipient, device, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_GET = "SELECT id, account_id, application, what, recipient, device, created_at FROM notice WHERE id = $1"
_PURGE = "DELETE FROM notice WHERE created_at < $1"


async def insert(
    tx: Tx, notice_id: UUID, account_id: UUID, *, application: str, what: str, recipient: str, device: str | None
) -> None:
    """`recipient`: masked (ENU-3)."""
    await tx.execute(_INSERT, notice_id, account_id, application, what, recipient, device, tx.now)


async def get(conn: Conn, notice_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, notice_id)


async def purge(tx: Tx, before: object) -> None:
    await tx.execute(_PURGE, before)
