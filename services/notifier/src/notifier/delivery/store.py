"""SQL of messages. Every write that ends or changes one filters on its lease: whoever lost it changes nothing (habit 6)."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Record, Tx

_INSERT = """
INSERT INTO delivery (id, account_id, flow_id, application, language, template, channel, sealed, contact, trace, state, due_at, expires_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'queued', $11, $12, $11) ON CONFLICT (id) DO NOTHING
"""
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT id FROM delivery WHERE state = 'queued' AND due_at <= $1 ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
), left_behind AS MATERIALIZED (
    SELECT id FROM delivery WHERE state IN ('sending', 'submitting') AND leased_until < $1 ORDER BY leased_until LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE delivery AS d SET lease = $2, leased_until = $3, tries = d.tries + 1,
    state = CASE WHEN d.state = 'submitting' THEN 'submitting' ELSE 'sending' END
WHERE d.id IN (SELECT id FROM due UNION ALL SELECT id FROM left_behind)
RETURNING d.id, d.account_id, d.flow_id, d.application, d.language, d.template, d.channel, d.sealed, d.contact, d.trace, d.state, d.attempts, d.tries,
          d.expires_at, d.created_at
"""
_SUBMITTING = "UPDATE delivery SET state = 'submitting', attempts = attempts + 1 WHERE id = $1 AND lease = $2"
_AGAIN = """
UPDATE delivery SET state = 'queued', due_at = $3, reason = $4, attempts = attempts - $5, lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2
"""
_FINISH = """
UPDATE delivery SET state = $3, reason = $4, provider = $5, finished_at = $6, sealed = NULL, contact = NULL, lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2 RETURNING attempts
"""
_OLDEST = "SELECT min(created_at) FROM delivery WHERE state IN ('queued', 'sending', 'submitting') AND channel = $1"
_PURGE = "DELETE FROM delivery WHERE finished_at < $1"


async def insert(
    tx: Tx,
    message_id: UUID,
    *,
    account_id: UUID,
    flow_id: UUID | None,
    application: str,
    language: str,
    template: str,
    channel: str,
    sealed: dict[str, Any],
    contact: dict[str, Any] | None,
    trace: dict[str, Any],
    expires_at: datetime,
) -> bool:
    """False if it is there already."""
    values = (
        message_id,
        account_id,
        flow_id,
        application,
        language,
        template,
        channel,
        sealed,
        contact,
        trace,
        tx.now,
        expires_at,
    )
    return await tx.execute(_INSERT, *values) == 1


async def claim(tx: Tx, lease: UUID, seconds: float, limit: int) -> list[Record]:
    """Due ones, and those whose holder did not finish in time."""
    return await tx.fetch(_CLAIM, tx.now, lease, tx.now + timedelta(seconds=seconds), limit)


async def submitting(tx: Tx, message_id: UUID, lease: UUID) -> bool:
    """From here on nobody can be sure that it did not go out. False: the lease was lost."""
    return await tx.execute(_SUBMITTING, message_id, lease) == 1


async def again(tx: Tx, message_id: UUID, lease: UUID, *, due_at: datetime, reason: str, not_sent: bool) -> bool:
    """Waits for its next try; `not_sent`: this attempt is known to have sent nothing."""
    return await tx.execute(_AGAIN, message_id, lease, due_at, reason, 1 if not_sent else 0) == 1


async def finish(
    tx: Tx, message_id: UUID, lease: UUID, state: str, *, reason: str | None = None, provider: str | None = None
) -> int | None:
    """Over; the content is forgotten. None: the lease was lost."""
    attempts: int | None = await tx.fetchval(_FINISH, message_id, lease, state, reason, provider, tx.now)
    return attempts


async def oldest_waiting(conn: Conn, channel: str) -> datetime | None:
    found: datetime | None = await conn.fetchval(_OLDEST, channel)
    return found


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
