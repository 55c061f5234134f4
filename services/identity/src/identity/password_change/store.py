"""SQL of password changes."""

from datetime import datetime
from uuid import UUID

from servicekit.db import Tx

_FIRST = "INSERT INTO completed_reset (flow_id, account_id, completed_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_PURGE = "DELETE FROM completed_reset WHERE completed_at < $1"


async def first_time(tx: Tx, flow_id: UUID, account_id: UUID) -> bool:
    """A reset flow sets one password, however often the last call is repeated."""
    return await tx.execute(_FIRST, flow_id, account_id, tx.now) == 1


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
