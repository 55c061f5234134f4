"""SQL of the configuration: stores, self-service policies, applications."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Tx
from servicekit.process.configuration import Content, Kind, Version

_REVISIONS = "SELECT kind, name, revision AS version FROM configuration ORDER BY kind, name"
_ALL = "SELECT kind, name, content FROM configuration ORDER BY kind, name"
_LOCK = "SELECT pg_advisory_xact_lock(7201)"
_UPSERT = """
INSERT INTO configuration (kind, id, name, revision, content, published_at) VALUES ($1, $2, $3, 1, $4, $5)
ON CONFLICT (kind, id) DO UPDATE SET name = $3, revision = configuration.revision + 1, content = $4, published_at = $5
RETURNING revision
"""
_REPUBLISH = """
UPDATE configuration SET published_at = $2 WHERE published_at <= $1 RETURNING kind, name, revision, content
"""


@dataclass(frozen=True, slots=True)
class Published:
    kind: Kind
    name: str
    revision: int
    content: dict[str, Any]


async def revisions(conn: Conn) -> list[Version]:
    return await conn.rows(Version, _REVISIONS)


async def everything(conn: Conn) -> list[Content]:
    return await conn.rows(Content, _ALL)


async def lock(tx: Tx) -> None:
    """One apply at a time."""
    await tx.fetch(_LOCK)


async def put(tx: Tx, kind: Kind, item_id: UUID, name: str, content: dict[str, Any]) -> int:
    revision: int = await tx.fetchval(_UPSERT, kind, item_id, name, content, tx.now)
    return revision


async def published_before(tx: Tx, moment: datetime) -> list[Published]:
    """Those, marked as published now."""
    return await tx.rows(Published, _REPUBLISH, moment, tx.now)
