"""SQL of the activity."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.http.activity import ActivityKind
from servicekit.db import Conn, Tx

# Of an account that there still is; browser and address as its session has them.
_ADD = """
INSERT INTO activity AS a (id, account_id, kind, at, application, device, ip, detail)
SELECT $1, account.id, $3, $4, $5, s.device, s.ip, $7 FROM account LEFT JOIN session s ON s.id = $6 AND s.account_id = account.id
WHERE account.id = $2
ON CONFLICT (id) DO UPDATE SET times = a.times + 1, at = greatest(a.at, excluded.at)
"""
_NEWEST = """
SELECT id, kind, at, times, application, device, ip, detail FROM activity
WHERE account_id = $1 AND (at, id) < ($2, $3) ORDER BY at DESC, id DESC LIMIT $4
"""
_PURGE = """
DELETE FROM activity
WHERE at < greatest($1::timestamptz, $2::timestamptz) AND at < CASE WHEN kind = ANY($3) THEN $1::timestamptz ELSE $2::timestamptz END
"""


@dataclass(frozen=True, slots=True)
class Entry:
    id: UUID
    kind: ActivityKind
    at: datetime
    times: int
    application: str | None
    device: str | None
    ip: str | None
    detail: dict[str, Any]


async def add(
    tx: Tx,
    entry_id: UUID,
    account_id: UUID,
    kind: ActivityKind,
    at: datetime,
    *,
    application: str | None,
    session_id: UUID | None,
    detail: dict[str, Any],
) -> None:
    """Once more, where there is one of this id."""
    await tx.execute(_ADD, entry_id, account_id, kind, at, application, session_id, detail)


async def newest(conn: Conn, account_id: UUID, before: tuple[datetime, UUID], limit: int) -> list[Entry]:
    """Newest first, of those before this one."""
    return await conn.rows(Entry, _NEWEST, account_id, *before, limit)


async def purge(tx: Tx, sign_ins: Collection[ActivityKind], *, sign_ins_before: datetime, before: datetime) -> None:
    """Of either class what is older than that."""
    await tx.execute(_PURGE, sign_ins_before, before, list(sign_ins))
