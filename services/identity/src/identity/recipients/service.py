"""How often one recipient is written to: spacing per purpose, caps for registration, reset and reminder together (D18, REG-9)."""

from datetime import datetime

from servicekit.configuration import Resolved
from servicekit.db import Conn, Tx
from servicekit.throttle import Decision, Limit, Throttle


class Recipients:
    """`canonical`: the address or number as identity compares it."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle

    async def turn(self, tx: Tx, app: Resolved, purpose: str, canonical: str) -> datetime | None:
        """When a message may leave: now (then it is counted), later by the spacing, or not at all by a cap."""
        decision = await self.take(tx, app, purpose, canonical)
        if decision.allowed:
            return tx.now
        # `take` has locked the counters, so nobody can use up a cap between it and this look.
        caps = await self._throttle.peek(tx, [self._caps(app, canonical)])
        return decision.available_at if caps.allowed else None

    async def take(self, tx: Tx, app: Resolved, purpose: str, canonical: str) -> Decision:
        return await self._throttle.take(tx, self._both(app, purpose, canonical))

    async def peek(self, conn: Conn, app: Resolved, purpose: str, canonical: str) -> Decision:
        return await self._throttle.peek(conn, self._both(app, purpose, canonical))

    def _both(self, app: Resolved, purpose: str, canonical: str) -> list[tuple[bytes, list[Limit]]]:
        key = self._throttle.key("spacing", purpose, str(app.store.id), canonical)
        return [(key, [Limit(1, app.policy.resend.spacing.total_seconds())]), self._caps(app, canonical)]

    def _caps(self, app: Resolved, canonical: str) -> tuple[bytes, list[Limit]]:
        resend = app.policy.resend
        return self._throttle.key("recipient", str(app.store.id), canonical), [
            Limit(resend.per_hour, 3600),
            Limit(resend.per_day, 86400),
        ]
