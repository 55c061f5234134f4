"""Health on a port of its own (REL-12, docs/operations.md). Kafka, mail and peers are metrics, never readiness."""

import asyncio
import random
import time
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from servicekit.clock import MOST_SKEW, NOTED_SKEW, Clock
from servicekit.connection import refuse_read_only
from servicekit.db import Conn, Database
from servicekit.logging import get_logger
from servicekit.web.http import JSONResponse

from .migrations import missing

HEARTBEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 15.0
CHECK_SECONDS = 2.0
UNREADY_AFTER = 3  # failed checks in a row: one slow answer is no outage
READY_AFTER = 2  # good ones in a row: one good answer is no recovery
log = get_logger("servicekit.process.health")

# A backlog may be of any size, so it is measured apart from the probes, not to its end, and with a time-out of its own.
MEASURE_EVERY = 15.0
MEASURE_SECONDS = 5.0
COUNT_LIMIT = 100_000
_ASK = "SELECT clock_timestamp()"
# What nearly every use case needs: a write that is on the disk. Reading goes on in places where no customer gets any further.
_WRITE = """
INSERT INTO probe (id, at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING clock_timestamp()
"""
PLACES = 1024
_BACKLOG = """
SELECT (SELECT count(*) FROM (SELECT FROM outbox LIMIT $2) AS found) AS outbox,
       (SELECT created_at FROM outbox ORDER BY id LIMIT 1) AS oldest,
       (SELECT count(*) FROM (SELECT FROM parked LIMIT $2) AS found) AS parked,
       (SELECT count(*) FROM (SELECT FROM work WHERE due_at <= $1 AND failed_at IS NULL LIMIT $2) AS found) AS work,
       (SELECT count(*) FROM (SELECT FROM work WHERE failed_at IS NOT NULL LIMIT $2) AS found) AS work_given_up
"""


class Health:
    """What the probes are told. It looks over a connection of its own: a busy pool is load, no outage."""

    def __init__(self, service: str, db: Database, clock: Clock, settings: Any) -> None:
        self._service = service
        self._db = db
        self._clock = clock
        self._settings = settings
        self._connection: Any = None
        self._measuring: Any = None  # another one: what takes long there holds up no probe
        self._place = random.randrange(PLACES)  # noqa: S311 - so that replicas don't wait for one another
        self._beat = time.monotonic()
        self._reachable = False
        self._good = READY_AFTER - 1  # at the start the first good answer is enough
        self._bad = 0
        self._is_started = False
        self._is_stopping = False
        self._joined = False
        self._skew = "none"
        self._schema: list[str] | None = None
        self._backlog: dict[str, float] = {}

    def started(self) -> None:
        self._is_started = True

    def stopping(self) -> None:
        self._is_stopping = True

    def consuming(self) -> None:
        self._joined = True

    async def run(self) -> None:
        """The loop's heartbeat, a look at the database every second, and beside them the backlog."""
        measuring = asyncio.create_task(self._measure_for_ever())
        try:
            while True:
                self._beat = time.monotonic()
                await self.look()
                await asyncio.sleep(HEARTBEAT_SECONDS)
        finally:
            measuring.cancel()
            self._disconnect()
            self._stop_measuring()

    async def _measure_for_ever(self) -> None:
        while True:
            await self.measure()
            await asyncio.sleep(MEASURE_EVERY if self._schema == [] else HEARTBEAT_SECONDS)

    async def measure(self) -> None:
        """The backlog as it was last seen stays where it can't be measured; that says nothing about the database (REL-12)."""
        if self._schema != []:
            return
        try:
            async with asyncio.timeout(MEASURE_SECONDS):
                if self._measuring is None:
                    self._measuring = await self._db.dedicated(statement_timeout=str(int(MEASURE_SECONDS * 1000)))
                refuse_read_only(self._measuring)  # the database may be another one by now
                conn = Conn(self._measuring, self._clock)
                row = await conn.fetchrow(_BACKLOG, conn.now, COUNT_LIMIT)
        except Exception as error:  # noqa: BLE001 - whatever it is, the probes look for themselves
            log.warning("health.backlog_unknown", error=type(error).__name__)
            self._stop_measuring()
        else:
            if row is not None:
                age = (conn.now - row["oldest"]).total_seconds() if row["oldest"] else 0.0
                counts = {name: row[name] for name in ("outbox", "parked", "work", "work_given_up")}
                self._backlog = {**counts, "outbox_age_seconds": age}

    async def look(self) -> None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, the database did not answer
            self._disconnect()
            self._count(good=False, reason=type(error).__name__)
        else:
            self._count(good=True)

    async def _ask(self) -> None:
        if self._connection is None:
            self._connection = await self._db.dedicated()
        conn = Conn(self._connection, self._clock)
        if self._schema is None or self._schema:
            self._schema = await missing(conn, self._service)
        began = self._clock.monotonic()
        asked = [_ASK] if self._schema else [_WRITE, self._place, conn.now]
        self._clock.compare(await conn.fetchval(*asked), began)
        self._note_skew()

    def _note_skew(self) -> None:
        skew = abs(self._clock.skew())
        found = "none" if skew <= NOTED_SKEW else "noted" if skew <= MOST_SKEW else "too_much"
        if found != self._skew:
            self._skew = found
            tell = log.info if found == "none" else log.warning
            accepted = found != "too_much"
            tell("health.clock_skew", seconds=round(self._clock.skew(), 1), codes_and_links="accepted" if accepted else "refused")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    def _stop_measuring(self) -> None:
        connection, self._measuring = self._measuring, None
        if connection is not None:
            connection.terminate()

    def _count(self, *, good: bool, reason: str = "") -> None:
        self._good, self._bad = (self._good + 1, 0) if good else (0, self._bad + 1)
        if self._reachable and self._bad >= UNREADY_AFTER:
            self._reachable = False
            log.warning("health.database_unavailable", error=reason)
        elif not self._reachable and self._good >= READY_AFTER:
            self._reachable = True
            log.info("health.database_available")

    def live(self) -> bool:
        return time.monotonic() - self._beat < DEAD_AFTER_SECONDS

    def ready(self) -> dict[str, bool]:
        """Each condition by name; ready when all hold."""
        return {
            "started": self._is_started,
            "schema": self._schema == [],
            "database": self._reachable,
            "clock": self._clock.believable(),
            "not_stopping": not self._is_stopping,
        }

    def collect(self) -> list[GaugeMetricFamily]:
        """Prometheus: the backlog of the service's own tables, and whether it reads from Kafka."""
        values = {**self._backlog, "consuming": float(self._joined), "clock_skew_seconds": self._clock.skew()}
        return [
            GaugeMetricFamily(f"latchkey_{name}", f"{name.replace('_', ' ')} of this service", value=value)
            for name, value in values.items()
        ]


def management_app(health: Health) -> Starlette:
    REGISTRY.register(health)

    async def live(_request: Request) -> Response:
        return JSONResponse({"live": health.live()}, 200 if health.live() else 503)

    async def ready(_request: Request) -> Response:
        found = health.ready()
        return JSONResponse({"ready": all(found.values()), **found}, 200 if all(found.values()) else 503)

    async def startup(_request: Request) -> Response:
        found = health.ready()
        done = found["started"] and found["schema"]
        return JSONResponse({"started": done}, 200 if done else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/health/live", live),
            Route("/health/ready", ready),
            Route("/health/startup", startup),
            Route("/metrics", metrics),
        ]
    )
