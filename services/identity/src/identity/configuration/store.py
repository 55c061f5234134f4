"""SQL of the configuration: stores, self-service policies, applications."""

from typing import Any
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_ALL = "SELECT kind, id, name, revision, content FROM configuration ORDER BY kind, name"
_LOCK = "SELECT pg_advisory_xact_lock(7201)"
_UPSERT = """
INSERT INTO configuration (kind, id, name, revision, content, updated_at) VALUES ($1, $2, $3, 1, $4, $5)
ON CONFLICT (kind, id) DO UPDATE SET name = $3, revision = configuration.revision + 1, content = $4, updated_at = $5
RETURNING revision
"""


async def everything(conn: Conn) -> list[Record]:
    return await conn.fetch(_ALL)


async def lock(tx: Tx) -> None:
    """One apply at a time."""
    await tx.fetch(_LOCK)


async def put(tx: Tx, kind: str, item_id: UUID, name: str, content: dict[str, Any]) -> int:
    revision: int = await tx.fetchval(_UPSERT, kind, item_id, name, content, tx.now)
    return revision
