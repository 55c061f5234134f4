"""SQL of what providers tell of a message that they were given, whoever holds it by then."""

from uuid import UUID

from servicekit.db import Conn, Tx

from .states import Received

_RECEIVED = """
UPDATE delivery SET state = $2, reason = $3, watch_at = CASE WHEN $4 THEN watch_at END,
    sealed = CASE WHEN $4 THEN sealed END, contact = CASE WHEN $4 THEN contact END
WHERE id = $1
"""
_BOUNCED = "UPDATE delivery SET bounced = true WHERE id = $1"
_HEARD = "UPDATE delivery SET heard = heard + 1 WHERE id = $1"
_RECIPIENT = "SELECT recipient FROM delivery WHERE id = $1"
_UNWATCH = "UPDATE delivery SET watch_at = NULL, sealed = NULL, contact = NULL WHERE id = $1"


async def received(tx: Tx, message_id: UUID, state: Received, reason: str | None, *, keep: bool) -> None:
    """A receipt. `keep`: the content may still be needed."""
    await tx.execute(_RECEIVED, message_id, state, reason, keep)


async def bounced(tx: Tx, message_id: UUID) -> None:
    await tx.execute(_BOUNCED, message_id)


async def heard(tx: Tx, message_id: UUID) -> None:
    await tx.execute(_HEARD, message_id)


async def recipient(conn: Conn, message_id: UUID) -> bytes | None:
    found: bytes | None = await conn.fetchval(_RECIPIENT, message_id)
    return found


async def unwatch(tx: Tx, message_id: UUID) -> None:
    await tx.execute(_UNWATCH, message_id)
