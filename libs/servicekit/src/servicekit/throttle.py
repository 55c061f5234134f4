"""Sliding-window limits, exact over all replicas and restarts (THR-1, THR-2, THR-5, E1).

A key is a keyed hash of what was submitted, so that unknown identifiers are counted like known ones.
"""

import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .db import Conn, Tx
from .keys import Keys

_LOCK = """
INSERT INTO throttle (key, hits, keep_until) VALUES ($1, '{}', $2)
ON CONFLICT (key) DO UPDATE SET keep_until = GREATEST(throttle.keep_until, excluded.keep_until)
RETURNING hits
"""
_STORE = "UPDATE throttle SET hits = $2 WHERE key = $1"
_PEEK = "SELECT hits FROM throttle WHERE key = $1"
_FORGET = "DELETE FROM throttle WHERE key = $1"
# Passes over rows in use: whoever counts has several of them in an order of its own.
_PURGE = "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle WHERE keep_until < $1 FOR UPDATE SKIP LOCKED)"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` within any `seconds`. A spacing of 20 s is Limit(1, 20)."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Decision:
    """`available_at`: the first moment at which one more is allowed."""

    allowed: bool
    available_at: datetime
    now: datetime

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds, rounded up (Retry-After)."""
        return max(math.ceil((self.available_at - self.now).total_seconds()), 0)


class Throttle:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def key(self, *parts: str) -> bytes:
        return hmac.digest(self._keys.secret("lookup"), "\0".join(parts).encode("utf-8", "surrogatepass"), "sha256")

    async def take(self, tx: Tx, wanted: Sequence[tuple[bytes, Sequence[Limit]]]) -> Decision:
        """Counts once under every key if all limits allow it, else not at all. Keys are locked in order, so nobody deadlocks."""
        found: list[tuple[bytes, list[datetime]]] = []
        available = tx.now
        for key, limits in sorted(wanted, key=lambda one: one[0]):
            longest = max(limit.seconds for limit in limits)
            stored = await tx.fetchval(_LOCK, key, tx.now + timedelta(seconds=longest))
            hits = [hit for hit in stored if hit > tx.now - timedelta(seconds=longest)]
            found.append((key, hits))
            available = max(available, _available(hits, limits, tx.now))
        allowed = available <= tx.now
        if allowed:
            for key, hits in found:
                await tx.execute(_STORE, key, [*hits, tx.now])
        return Decision(allowed, available, tx.now)

    async def peek(self, conn: Conn, wanted: Sequence[tuple[bytes, Sequence[Limit]]]) -> Decision:
        """What `take` would say, without counting."""
        available = conn.now
        for key, limits in wanted:
            available = max(available, _available(await conn.fetchval(_PEEK, key) or [], limits, conn.now))
        return Decision(available <= conn.now, available, conn.now)

    async def forget(self, tx: Tx, key: bytes) -> None:
        await tx.execute(_FORGET, key)

    async def purge(self, tx: Tx) -> None:
        await tx.execute(_PURGE, tx.now)


def _available(hits: Sequence[datetime], limits: Sequence[Limit], now: datetime) -> datetime:
    """The first moment at which every window has room again."""
    available = now
    ordered = sorted(hits)
    for limit in limits:
        window = timedelta(seconds=limit.seconds)
        inside = [hit for hit in ordered if hit > now - window]
        if len(inside) >= limit.count:
            available = max(available, inside[-limit.count] + window)
    return available
