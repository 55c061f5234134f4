"""SQL of what ends messages without sending them: time, a switch, a newer one, the end of what they were about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Tx

from .store import Head, StoredMessage

# As an array they are looked for once: a plan may run what stands behind IN for each row anew, and every time it locks others.
_OVER_WHILE_WAITING = """
UPDATE delivery SET state = $2, reason = $3, finished_at = $1, sealed = NULL, contact = NULL
WHERE id = ANY(ARRAY(SELECT id FROM delivery WHERE state = 'queued' AND {condition} LIMIT $4 FOR UPDATE SKIP LOCKED))
RETURNING id, account_id, flow_id, template, channel, trace, went
"""
_EXPIRE = _OVER_WHILE_WAITING.format(condition="expires_at <= $1")
_DROP = _OVER_WHILE_WAITING.format(condition="channel = $5 AND lane > 0 AND ($6 = '' OR application = $6)")
_ANY_OVER = "SELECT EXISTS (SELECT FROM delivery WHERE state = 'queued' AND expires_at <= $1)"
# What waits ends; what was handed over forgets its content and goes no other way.
_OF_NO_USE = """
WITH found AS (
    UPDATE delivery SET state = CASE WHEN state = 'queued' THEN 'suppressed' ELSE state END,
        reason = CASE WHEN state = 'queued' THEN $5 ELSE reason END, finished_at = CASE WHEN state = 'queued' THEN $6 ELSE finished_at END,
        watch_at = NULL, sealed = NULL, contact = NULL
    WHERE account_id = $1 AND template = ANY($2) AND caused_at <= $3 AND ($4::uuid IS NULL OR flow_id = $4) AND (state = 'queued' OR watch_at IS NOT NULL)
    RETURNING id, account_id, flow_id, template, channel, trace, went, state
)
SELECT id, account_id, flow_id, template, channel, trace, went FROM found WHERE state = 'suppressed'
"""
# Notices of one kind that were told to wait for the same number, which is when `recipient` is set; some are still on their way back.
_ALIKE = """account_id = $2 AND template = $3 AND channel = $4 AND recipient = $5 AND id <> $1
    AND state IN ('queued', 'sending') AND admitted_at IS NULL"""
_HAS_NEWER = f"SELECT EXISTS (SELECT FROM delivery WHERE {_ALIKE} AND (caused_at, id) > ($6, $1))"  # noqa: S608 - our own names
_COALESCE = f"""
UPDATE delivery SET state = 'suppressed', reason = $7, finished_at = $8, sealed = NULL, contact = NULL, lease = NULL, leased_until = NULL
WHERE {_ALIKE} AND (caused_at, id) < ($6, $1) RETURNING id, account_id, flow_id, template, channel, trace, went
"""  # noqa: S608 - our own names
_REMEMBER_RECIPIENT = "UPDATE delivery SET recipient = $2 WHERE id = $1"


async def expire(tx: Tx, reason: str, limit: int) -> list[Head]:
    """What waited longer than it is of use (EVT-9)."""
    return await tx.rows(Head, _EXPIRE, tx.now, "expired", reason, limit)


async def is_any_over(conn: Conn) -> bool:
    """One look instead of a transaction."""
    found: bool = await conn.fetchval(_ANY_OVER, conn.now)
    return found


async def drop(tx: Tx, channel: str, application: str, reason: str, limit: int) -> list[Head]:
    return await tx.rows(Head, _DROP, tx.now, "suppressed", reason, limit, channel, application)


async def of_no_use(
    tx: Tx, account_id: UUID, templates: Sequence[str], caused_until: datetime, *, reason: str, flow_id: UUID | None = None
) -> list[Head]:
    """Ends what waits and was caused until then, since its link and code are dead; answers those."""
    return await tx.rows(Head, _OF_NO_USE, account_id, templates, caused_until, flow_id, reason, tx.now)


def _alike(row: StoredMessage, recipient: bytes) -> tuple[Any, ...]:
    return row.id, row.account_id, row.template, row.channel, recipient, row.caused_at


async def has_newer(tx: Tx, row: StoredMessage, recipient: bytes) -> bool:
    """Whether a newer notice of this kind waits for the same number."""
    found: bool = await tx.fetchval(_HAS_NEWER, *_alike(row, recipient))
    return found


async def coalesce(tx: Tx, row: StoredMessage, recipient: bytes, reason: str) -> list[Head]:
    """This one waits for all older ones of its kind that do; answers those, which are over."""
    await tx.execute(_REMEMBER_RECIPIENT, row.id, recipient)
    return await tx.rows(Head, _COALESCE, *_alike(row, recipient), reason, tx.now)
