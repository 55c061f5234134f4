"""SQL of what SMS and voice cost. An amount is reserved in the transaction that hands a message over (FRD-3, INV-12)."""

from datetime import datetime, timedelta

from servicekit.db import Tx

_RESERVE = """
INSERT INTO spending AS s (application, period, starts_at, amount) SELECT $1, $2, $3, $4::bigint WHERE $4 <= $5
ON CONFLICT (application, period, starts_at) DO UPDATE SET amount = s.amount + $4 WHERE s.amount + $4 <= $5
"""
_GIVE_BACK = "UPDATE spending SET amount = amount - $4 WHERE application = $1 AND period = $2 AND starts_at = $3"
_PURGE = "DELETE FROM spending WHERE starts_at < $1"


def _starts(now: datetime) -> dict[str, datetime]:
    hour = now.replace(minute=0, second=0, microsecond=0)
    return {"hour": hour, "day": hour.replace(hour=0)}


async def reserve(tx: Tx, application: str, amount: int, *, per_hour: int, per_day: int) -> bool:
    """False: it would go beyond a cap; then the caller must undo what it has done (a savepoint)."""
    caps = {"hour": per_hour, "day": per_day}
    for period, starts in _starts(tx.now).items():
        if await tx.execute(_RESERVE, application, period, starts, amount, caps[period]) == 0:
            return False
    return True


async def give_back(tx: Tx, application: str, amount: int, reserved_at: datetime) -> None:
    """What is known to have sent nothing cost nothing. To the hour and day it was taken from."""
    for period, starts in _starts(reserved_at).items():
        await tx.execute(_GIVE_BACK, application, period, starts, amount)


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now - timedelta(days=40))
