"""Health on a port of its own (REL-12, kubernetes.md §3.3). Kafka, mail and peers are metrics, never readiness."""

import asyncio
import time
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import GaugeMetricFamily
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .clock import Clock
from .db import Database
from .http import JSONResponse
from .logging import get_logger
from .migrations import missing

HEARTBEAT_SECONDS = 0.5
DEAD_AFTER_SECONDS = 15.0
UNREADY_AFTER = 3  # failed checks in a row: one slow answer is no outage
log = get_logger("servicekit.health")


class Health:
    def __init__(self, service: str, db: Database, clock: Clock, settings: Any) -> None:
        self._service = service
        self._db = db
        self._clock = clock
        self._settings = settings
        self._beat = time.monotonic()
        self._failures = 0
        self._is_started = False
        self._is_stopping = False
        self._joined = False
        self._schema: list[str] | None = None
        self._backlog: dict[str, float] = {}

    def started(self) -> None:
        self._is_started = True

    def stopping(self) -> None:
        self._is_stopping = True

    def consuming(self) -> None:
        self._joined = True

    async def run(self) -> None:
        """The loop's heartbeat, and a look at the database every second."""
        count = 0
        while True:
            self._beat = time.monotonic()
            if count % 2 == 0:
                await self._look()
            count += 1
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(2), self._db.read() as conn:
                if self._schema is None or self._schema:
                    self._schema = await missing(conn, self._service)
                row = (
                    await conn.fetchrow(
                        "SELECT (SELECT count(*) FROM outbox) AS outbox, (SELECT min(created_at) FROM outbox) AS oldest,"
                        " (SELECT count(*) FROM parked) AS parked, (SELECT count(*) FROM work WHERE due_at <= $1) AS work",
                        conn.now,
                    )
                    if not self._schema
                    else None
                )
            if row is not None:
                age = (self._clock.now() - row["oldest"]).total_seconds() if row["oldest"] else 0.0
                self._backlog = {"outbox": row["outbox"], "outbox_age_seconds": age, "parked": row["parked"], "work": row["work"]}
            self._failures = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, the database did not answer
            self._failures += 1
            if self._failures == UNREADY_AFTER:
                log.warning("health.database_unavailable", error=type(error).__name__)

    def live(self) -> bool:
        return time.monotonic() - self._beat < DEAD_AFTER_SECONDS

    def ready(self) -> dict[str, bool]:
        """Each condition by name; ready when all hold."""
        return {
            "started": self._is_started,
            "schema": self._schema == [],
            "database": self._failures < UNREADY_AFTER,
            "not_stopping": not self._is_stopping,
        }

    def collect(self) -> list[GaugeMetricFamily]:
        """Prometheus: the backlog of the service's own tables."""
        return [
            GaugeMetricFamily(f"latchkey_{name}", f"{name.replace('_', ' ')} of this service", value=value)
            for name, value in self._backlog.items()
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
