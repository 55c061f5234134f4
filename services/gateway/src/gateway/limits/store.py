"""The counters of what many share: one small row a key, where the kit's throttle keeps every moment."""

from collections.abc import Mapping
from datetime import timedelta

from servicekit.db import Tx

KEEP = timedelta(hours=1)

# Rows are locked in the order of their keys. For a replica whose clock is behind nothing has flown off yet.
_COUNT = """
INSERT INTO wide_limit AS w (key, capacity, level, at)
SELECT key, capacity, asked, $4 FROM unnest($1::text[], $2::bigint[], $3::int[]) AS wanted (key, capacity, asked) ORDER BY key
ON CONFLICT (key) DO UPDATE SET capacity = excluded.capacity, at = greatest(w.at, excluded.at), level = excluded.level
    + greatest(least(w.level, w.capacity) - w.capacity * greatest(extract(epoch FROM excluded.at - w.at), 0) / 60, 0)
RETURNING key, level
"""
_PURGE = "DELETE FROM wide_limit WHERE key IN (SELECT key FROM wide_limit WHERE at < $1 FOR UPDATE SKIP LOCKED)"


async def count(tx: Tx, asked: Mapping[str, int], capacities: Mapping[str, int]) -> dict[str, float]:
    """Each key's level with these requests; what it has above its capacity is refused."""
    keys = list(asked)
    rows = await tx.fetch(_COUNT, keys, [capacities[key] for key in keys], list(asked.values()), tx.now)
    return {row["key"]: row["level"] for row in rows}


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now - KEEP)
