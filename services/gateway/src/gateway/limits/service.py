"""What one network may do (THR-3): flows started, secrets tried. Exact over all gateways, by the gateway's own database.

If that database is away, requests pass: nothing that costs money can be asked for here, and identity counts per identifier.
"""

from servicekit.db import Contention, Database, DatabaseUnavailable
from servicekit.errors import TooManyRequests
from servicekit.logging import get_logger, security_event
from servicekit.throttle import Limit, Throttle

from gateway.web.visitor import network_of

log = get_logger(__name__)


class NetworkLimits:
    def __init__(self, db: Database, throttle: Throttle, *, starts_per_minute: int, tries_per_minute: int) -> None:
        self._db = db
        self._throttle = throttle
        self._limits = {"start": Limit(starts_per_minute, 60), "try": Limit(tries_per_minute, 60)}

    async def check(self, kind: str, address: str) -> None:
        """Raises TooManyRequests."""
        key = self._throttle.key("network", kind, network_of(address))
        try:
            # Between the count and its taking back, where it is refused, another may be refused, too: that is no harm here.
            async with self._db.single() as tx:
                decision = await self._throttle.take(tx, [(key, [self._limits[kind]])])
        except (*DatabaseUnavailable, *Contention) as error:
            log.warning("limits.unavailable", error=type(error).__name__)
            return
        if not decision.allowed:
            security_event("excess_rate_limit_exceeded", "fail", limit=f"network.{kind}")
            raise TooManyRequests(max(decision.retry_after_seconds, 1))

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await self._throttle.purge(tx)
