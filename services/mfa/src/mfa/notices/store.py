"""SQL of what owners were told last."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Tx

# Of whoever has a factor, or had one.
_KEEP = """
INSERT INTO notice_told (account_id, what, payload, told_at) SELECT account_id, $2, $3, $4 FROM holder WHERE account_id = $1
ON CONFLICT (account_id, what) DO UPDATE SET payload = excluded.payload, told_at = excluded.told_at
"""
_OF = "SELECT what, payload, told_at FROM notice_told WHERE account_id = $1 ORDER BY told_at DESC, what"
_PURGE = "DELETE FROM notice_told WHERE told_at < $1"


@dataclass(frozen=True, slots=True)
class Told:
    """`payload`: of the work that told it."""

    what: str
    payload: dict[str, Any]
    told_at: datetime


async def keep(tx: Tx, account_id: UUID, what: str, payload: dict[str, Any]) -> None:
    await tx.execute(_KEEP, account_id, what, payload, tx.now)


async def of(conn: Conn, account_id: UUID) -> list[Told]:
    """Newest first."""
    return await conn.rows(Told, _OF, account_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
