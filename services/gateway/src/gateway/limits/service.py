"""How many flows may be started and secrets tried in a minute: by one network, and by what many share (THR-1, THR-3).

A network, and the autonomous system that it belongs to, is told to come later (429). An application, or everything together, is
busy (503): that is nobody's doing in particular. Exact over all gateways, by the gateway's own database.

If that database is away, requests pass: nothing that costs money can be asked for here, and identity counts per identifier.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prometheus_client import Counter as Metric
from servicekit.db import Contention, Database, DatabaseUnavailable, Tx
from servicekit.errors import Overloaded, TooManyRequests
from servicekit.events.together import Together
from servicekit.logging import get_logger, security_event
from servicekit.throttle import Limit, Throttle

from gateway.web.addresses import network_of

from . import store
from .asn import AutonomousSystems

PACE_SECONDS, BURST = 0.01, 4  # requests that come thicker than that are counted in one statement of each kind
Kind: TypeAlias = Literal["start", "try"]
Scope: TypeAlias = Literal["network", "asn", "application", "all"]
log = get_logger(__name__)

REFUSED = Metric("latchkey_refused_by_limit", "Requests that a limit of the gateway refused", ["kind", "scope"])


@dataclass(frozen=True, slots=True)
class Rates:
    """In a minute: what one network may, and how many times that the others."""

    starts: int
    tries: int
    asn: int
    application: int
    all: int

    def network(self, kind: Kind) -> int:
        return self.starts if kind == "start" else self.tries

    def wide(self, kind: Kind, scope: Scope) -> int:
        times: int = getattr(self, scope)
        return self.network(kind) * times


@dataclass(frozen=True, slots=True)
class Request:
    kind: Kind
    network: str
    asn: int | None
    application: str | None

    def shared(self) -> dict[Scope, str]:
        """The keys of those limits that it shares with strangers."""
        found: dict[Scope, str] = {"all": f"{self.kind} all"}
        if self.asn is not None:
            found["asn"] = f"{self.kind} asn {self.asn}"
        if self.application is not None:
            found["application"] = f"{self.kind} application {self.application}"
        return found


class NetworkLimit(TooManyRequests):
    """Told like any other; a page doesn't blame the customer's own tries for it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    scope: Scope
    seconds: float


class Limits:
    def __init__(self, db: Database, throttle: Throttle, rates: Rates, systems: AutonomousSystems) -> None:
        self._db = db
        self._throttle = throttle
        self._rates = rates
        self._systems = systems
        self._taken = Together(self._take, pace_seconds=PACE_SECONDS, burst=BURST)

    def system_of(self, address: str) -> int | None:
        """The number of its autonomous system; None where it has none or no file of them is mounted."""
        return self._systems.number(address)

    async def check(self, kind: Kind, address: str, application: str | None) -> None:
        """Raises TooManyRequests or Overloaded. `application`: one that exists, whose name a stranger can't choose."""
        request = Request(kind, network_of(address), self._systems.number(address), application)
        try:
            refusal = await self._taken(request)
        except (*DatabaseUnavailable, *Contention) as error:
            log.warning("limits.unavailable", error=type(error).__name__)
            return
        if refusal is None:
            return
        REFUSED.labels(kind, refusal.scope).inc()
        security_event("excess_rate_limit_exceeded", "fail", limit=f"{refusal.scope}.{kind}")
        refused = NetworkLimit if refusal.scope in {"network", "asn"} else Overloaded
        raise refused(max(math.ceil(refusal.seconds), 1))

    async def _take(self, several: Sequence[Request]) -> list[Refusal | None]:
        """What its network refuses counts nowhere else. One that another scope refuses stays counted in the rest: no harm here."""
        # Between the count and its taking back, where it is refused, another may be refused, too: that is no harm here either.
        async with self._db.single() as tx:
            wanted = [
                [(self._throttle.key("network", one.kind, one.network), [Limit(self._rates.network(one.kind), 60)])]
                for one in several
            ]
            decisions = await self._throttle.take_several(tx, wanted)
            refusals = [None if decision.allowed else Refusal("network", decision.retry_after_seconds) for decision in decisions]
            passed = [place for place, refusal in enumerate(refusals) if refusal is None]
            for place, refusal in zip(passed, await self._take_shared(tx, [several[place] for place in passed]), strict=True):
                refusals[place] = refusal
        return refusals

    async def _take_shared(self, tx: Tx, several: Sequence[Request]) -> list[Refusal | None]:
        if not several:
            return []
        asked = Counter(key for one in several for key in one.shared().values())
        capacities = {key: self._rates.wide(one.kind, scope) for one in several for scope, key in one.shared().items()}
        levels = await store.count(tx, asked, capacities)
        above = {key: max(levels[key] - capacity, 0) for key, capacity in capacities.items()}
        room = {key: asked[key] - math.ceil(above[key]) for key in asked}
        refusals: list[Refusal | None] = []
        for one in several:
            full = next(((scope, key) for scope, key in one.shared().items() if room[key] <= 0), None)
            for key in one.shared().values():
                room[key] -= 1
            refusals.append(Refusal(full[0], above[full[1]] * 60 / capacities[full[1]]) if full else None)
        return refusals

    async def purge(self) -> None:
        async with self._db.transaction() as tx:
            await store.purge(tx)
