"""Sliding-window limits, exact over all replicas and restarts (THR-1, THR-2, THR-5, E1).

A key is a keyed hash of what was submitted, so that unknown identifiers are counted like known ones.
"""

import hmac
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeAlias

from .db import Conn, Tx
from .keys import Keys

# Counts before it is known whether it may, in one statement; what was not allowed is taken back while the rows are still locked.
# They are locked in the order of their keys. Moments older than a key's longest window go.
_COUNT = """
INSERT INTO throttle AS t (key, hits, keep_until)
SELECT key, array_fill($4::timestamptz, ARRAY[count]), keep_until
FROM unnest($1::bytea[], $2::timestamptz[], $3::int[]) AS wanted (key, keep_until, count) ORDER BY key
ON CONFLICT (key) DO UPDATE SET keep_until = GREATEST(t.keep_until, excluded.keep_until),
    hits = ARRAY(SELECT hit FROM unnest(t.hits) AS hit WHERE hit > $4 - (excluded.keep_until - $4)) || excluded.hits
RETURNING key, hits
"""
_TAKE_BACK = """
UPDATE throttle AS t SET hits = trim_array(t.hits, refused.count)
FROM unnest($1::bytea[], $2::int[]) AS refused (key, count) WHERE t.key = refused.key
"""
# For a moment to come, so that nobody is told that he may go before it.
_RESERVE = """
INSERT INTO throttle AS t (key, hits, keep_until)
SELECT key, ARRAY[$3::timestamptz], keep_until FROM unnest($1::bytea[], $2::timestamptz[]) AS wanted (key, keep_until) ORDER BY key
ON CONFLICT (key) DO UPDATE SET keep_until = GREATEST(t.keep_until, excluded.keep_until), hits = t.hits || excluded.hits
"""
_PEEK = "SELECT key, hits FROM throttle WHERE key = ANY($1::bytea[])"
_FORGET = "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle WHERE key = ANY($1::bytea[]) ORDER BY key FOR UPDATE) RETURNING hits"
# Passes over rows in use: whoever counts has several of them in an order of its own.
_PURGE = "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle WHERE keep_until < $1 FOR UPDATE SKIP LOCKED)"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` within any `seconds`. A spacing of 20 s is Limit(1, 20). `after`: only once so many are counted within `kept` seconds."""

    count: int
    seconds: float
    after: int = 0
    kept: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """`available_at`: the first moment at which this one is allowed; `next_at`: at which one more is, now that it is decided."""

    allowed: bool
    available_at: datetime
    now: datetime
    next_at: datetime

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds, rounded up (Retry-After)."""
        return max(math.ceil((self.available_at - self.now).total_seconds()), 0)


Wanted: TypeAlias = Sequence[tuple[bytes, Sequence[Limit]]]


class Throttle:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def key(self, *parts: str) -> bytes:
        return hmac.digest(self._keys.secret("lookup"), "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256")

    async def take(self, tx: Tx, wanted: Wanted) -> Decision:
        """Counts once under every key if all limits allow it, else not at all. Keys are locked in order, so nobody deadlocks."""
        return (await self.take_several(tx, [wanted]))[0]

    async def take_several(self, tx: Tx, several: Sequence[Wanted]) -> list[Decision]:
        """The same, one after the other in this order, for the price of one."""
        if not several:
            return []
        keep: dict[bytes, datetime] = {}
        surplus: Counter[bytes] = Counter()  # what is counted for nobody who may
        for key, limits in chain.from_iterable(several):
            until = tx.now + timedelta(seconds=max(max(limit.seconds, limit.kept) for limit in limits))
            keep[key] = max(until, keep.get(key, until))
            surplus[key] += 1
        counts = [surplus[key] for key in keep]
        rows = await tx.fetch(_COUNT, list(keep), list(keep.values()), counts, tx.now)
        hits = {row["key"]: row["hits"][: -surplus[row["key"]]] for row in rows}
        decisions = []
        for wanted in several:
            available = next_at = _all_available(wanted, hits, tx.now)
            allowed = available <= tx.now
            if allowed:
                for key, _ in wanted:
                    hits[key].append(tx.now)
                surplus.subtract(key for key, _ in wanted)
                next_at = _all_available(wanted, hits, tx.now)
            decisions.append(Decision(allowed, available, tx.now, next_at))
        if too_many := +surplus:
            await tx.execute(_TAKE_BACK, list(too_many), list(too_many.values()))
        return decisions

    async def peek(self, conn: Conn, wanted: Wanted) -> Decision:
        """What `take` would say, without counting."""
        rows = await conn.fetch(_PEEK, [key for key, _ in wanted])
        available = _all_available(wanted, {row["key"]: row["hits"] for row in rows}, conn.now)
        return Decision(available <= conn.now, available, conn.now, available)

    async def reserve(self, tx: Tx, wanted: Wanted) -> Decision:
        """Counts once under every key at the first moment at which all limits allow it, which may be to come."""
        found = await self.peek(tx, wanted)
        keep = [found.available_at + timedelta(seconds=max(limit.seconds for limit in limits)) for _, limits in wanted]
        await tx.execute(_RESERVE, [key for key, _ in wanted], keep, found.available_at)
        return Decision(found.allowed, found.available_at, tx.now, (await self.peek(tx, wanted)).available_at)

    async def forget(self, tx: Tx, keys: Sequence[bytes]) -> int:
        """Answers how many were counted within the hour, as far as they are kept."""
        since = tx.now - timedelta(hours=1)
        return sum(hit > since for row in await tx.fetch(_FORGET, list(keys)) for hit in row["hits"])

    async def most(self, conn: Conn, keys: Sequence[bytes]) -> int:
        """How many are kept under that key which has the most."""
        return max((len(row["hits"]) for row in await conn.fetch(_PEEK, list(keys))), default=0)


async def purge(tx: Tx) -> None:
    """Called by servicekit.process.purges."""
    await tx.execute(_PURGE, tx.now)


def _all_available(wanted: Wanted, hits: Mapping[bytes, Sequence[datetime]], now: datetime) -> datetime:
    return max((_available(hits.get(key, ()), limits, now) for key, limits in wanted), default=now)


def _available(hits: Sequence[datetime], limits: Sequence[Limit], now: datetime) -> datetime:
    """The first moment at which every window has room again."""
    available = now
    ordered = sorted(hits)
    for limit in limits:
        window, kept = timedelta(seconds=limit.seconds), timedelta(seconds=limit.kept)
        if limit.after and sum(hit > now - kept for hit in ordered) < limit.after:
            continue
        inside = [hit for hit in ordered if hit > now - window]
        if len(inside) >= limit.count:
            available = max(available, inside[-limit.count] + window)
    return available
