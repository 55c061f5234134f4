"""SQL of callers that prove who they are."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.common import Channel
from servicekit.db import Conn, Tx

from .states import CheckStatus

_COLUMNS = "id, account_id, application, channel, masked, status, asked_by, verified_by, created_at, expires_at, verified_until"
_INSERT = """
INSERT INTO caller_check (id, account_id, application, channel, masked, status, asked_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 'waiting', $6, $7, $8)
"""
_END_WAITING = "UPDATE caller_check SET status = 'ended' WHERE account_id = $1 AND status = 'waiting'"
_OF = f"SELECT {_COLUMNS} FROM caller_check WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT 20"  # noqa: S608 - constant columns
_LOCK = f"SELECT {_COLUMNS} FROM caller_check WHERE id = $1 AND account_id = $2 FOR UPDATE"  # noqa: S608
_VERIFY = "UPDATE caller_check SET status = 'verified', verified_by = $2, verified_until = $3 WHERE id = $1"
_END = "UPDATE caller_check SET status = 'ended' WHERE id = $1"
_PURGE = "DELETE FROM caller_check WHERE created_at < $1"


@dataclass(frozen=True, slots=True)
class Check:
    """`masked`: where the code went. `expires_at`: of the code."""

    id: UUID
    account_id: UUID
    application: str
    channel: Channel
    masked: str
    status: CheckStatus
    asked_by: str
    verified_by: str | None
    created_at: datetime
    expires_at: datetime
    verified_until: datetime | None


async def insert(
    tx: Tx, check_id: UUID, account_id: UUID, application: str, channel: Channel, masked: str, asked_by: str, expires_at: datetime
) -> None:
    """In place of one that waits: its code is dead."""
    await tx.execute(_END_WAITING, account_id)
    await tx.execute(_INSERT, check_id, account_id, application, channel, masked, asked_by, tx.now, expires_at)


async def of(conn: Conn, account_id: UUID) -> list[Check]:
    """Newest first."""
    return await conn.rows(Check, _OF, account_id)


async def lock(tx: Tx, check_id: UUID, account_id: UUID) -> Check | None:
    return await tx.row(Check, _LOCK, check_id, account_id)


async def verify(tx: Tx, check_id: UUID, verified_by: str, until: datetime) -> None:
    await tx.execute(_VERIFY, check_id, verified_by, until)


async def end(tx: Tx, check_id: UUID) -> None:
    await tx.execute(_END, check_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
