"""SQL of what SMS and voice cost. An amount is reserved in the transaction that hands a message over (FRD-3, INV-12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from servicekit.db import Conn, Tx

# Added before it is known whether it may be, in the order of the key, so that nobody deadlocks; what may not is taken back while the
# rows are still locked. A clock that goes back finds the rows of then.
_ADD = """
INSERT INTO budget AS b (application, scope, period, starts_at, amount)
SELECT $1, scope, period, starts_at, $5::bigint FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS wanted (scope, period, starts_at)
ORDER BY scope, period
ON CONFLICT (application, scope, period, starts_at) DO UPDATE SET amount = b.amount + $5 RETURNING scope, period, amount
"""
# Locked in that order, too: what was reserved long ago is given back while others reserve.
_TAKE_BACK = """
WITH locked AS (
    SELECT b.application, scope, period, starts_at FROM budget AS b
    JOIN unnest($2::text[], $3::text[], $4::timestamptz[]) AS wanted (scope, period, starts_at) USING (scope, period, starts_at)
    WHERE b.application = $1 ORDER BY scope, period FOR UPDATE OF b
)
UPDATE budget AS b SET amount = b.amount - $5 FROM locked
WHERE b.application = locked.application AND b.scope = locked.scope AND b.period = locked.period AND b.starts_at = locked.starts_at
"""
_TOLD = """
UPDATE budget SET told = array_append(told, $5)
WHERE application = $1 AND scope = $2 AND period = $3 AND starts_at = $4 AND $5 <> ALL (told)
"""
_AMOUNTS = """
SELECT b.scope, b.period, b.amount FROM budget AS b
JOIN unnest($2::text[], $3::text[], $4::timestamptz[]) AS wanted (scope, period, starts_at) USING (scope, period, starts_at)
WHERE b.application = $1
"""
_PURGE = "DELETE FROM budget WHERE starts_at < $1"
Keys = Sequence[tuple[str, str, datetime]]  # scope, period, starts_at


@dataclass(frozen=True, slots=True)
class Amount:
    """In 1/10,000 of the currency."""

    scope: str
    period: str
    amount: int


def _columns(keys: Keys) -> list[list[object]]:
    return [list(column) for column in zip(*keys, strict=True)]


async def add(tx: Tx, application: str, keys: Keys, amount: int) -> list[Amount]:
    """What each amounts to with it; those rows are locked."""
    return await tx.rows(Amount, _ADD, application, *_columns(keys), amount)


async def take_back(tx: Tx, application: str, keys: Keys, amount: int) -> None:
    await tx.execute(_TAKE_BACK, application, *_columns(keys), amount)


async def first_told(tx: Tx, application: str, key: tuple[str, str, datetime], whose: str) -> bool:
    """Whether nobody was told yet that it is reached for them."""
    return await tx.execute(_TOLD, application, *key, whose) == 1


async def amounts(conn: Conn, application: str, keys: Keys) -> list[Amount]:
    """Those that anything was spent of."""
    return await conn.rows(Amount, _AMOUNTS, application, *_columns(keys))


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now - timedelta(days=70))
