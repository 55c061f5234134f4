"""What one network may do (THR-3): flows started, secrets tried. Exact over all gateways, by the gateway's own database.

If that database is away, requests pass: nothing that costs money can be asked for here, and identity counts per identifier.
"""

from collections.abc import Sequence

from servicekit.db import Contention, Database, DatabaseUnavailable
from servicekit.errors import TooManyRequests
from servicekit.logging import get_logger, security_event
from servicekit.throttle import Decision, Limit, Throttle
from servicekit.together import Together

from gateway.web.visitor import network_of

PACE_SECONDS = 0.02  # requests that come within it are counted in one statement
log = get_logger(__name__)


class NetworkLimits:
    def __init__(self, db: Database, throttle: Throttle, *, starts_per_minute: int, tries_per_minute: int) -> None:
        self._db = db
        self._throttle = throttle
        self._limits = {"start": Limit(starts_per_minute, 60), "try": Limit(tries_per_minute, 60)}
        self._taken = Together(self._take, pace_seconds=PACE_SECONDS)

    async def check(self, kind: str, address: str) -> None:
        """Raises TooManyRequests."""
        key = self._throttle.key("network", kind, network_of(address))
        try:
            decision = await self._taken((key, self._limits[kind]))
        except (*DatabaseUnavailable, *Contention) as error:
            log.warning("limits.unavailable", error=type(error).__name__)
            return
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit=f"network.{kind}")
            raise TooManyRequests(max(decision.retry_after_seconds, 1))

    async def _take(self, several: Sequence[tuple[bytes, Limit]]) -> list[Decision]:
        # Between the count and its taking back, where it is refused, another may be refused, too: that is no harm here.
        async with self._db.single() as tx:
            return await self._throttle.take_several(tx, [[(key, [limit])] for key, limit in several])

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await self._throttle.purge(tx)
