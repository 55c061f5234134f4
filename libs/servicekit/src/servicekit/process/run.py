"""A service's life: `python -m <service> all|api|worker|migrate` (docs/architecture.md, REL-11, docs/operations.md).

`api` answers HTTP, `worker` consumes, relays and does due work, `all` is both in one process. Kafka away at the start or
later stops nothing: what needs it waits for it.
"""

import argparse
import asyncio
import contextlib
import functools
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from faststream.kafka import KafkaBroker
from latchkey_contracts.event import Event
from latchkey_contracts.topics import events_topic
from starlette.types import ASGIApp

from servicekit import failpoints
from servicekit.clock import Clock, make_clock
from servicekit.db import Database, DatabaseUnavailable
from servicekit.events.broker import make_broker, subscribe
from servicekit.events.inbox import Handler, Inbox, Subscription
from servicekit.events.kafka import KafkaSettings
from servicekit.events.outbox import Relay
from servicekit.events.parked import ParkedRetrier
from servicekit.events.periodic import Periodic
from servicekit.events.topics import TopicWatch
from servicekit.events.wakeups import Wakeups, wait
from servicekit.events.work import Worker, WorkHandler
from servicekit.keys import Keys
from servicekit.logging import configure, get_logger

from .health import Health, management_app
from .migrations import migrate
from .patience import Crowd, Patient
from .purges import purges
from .settings import ServiceSettings, load

ROLES = ("all", "api", "worker", "migrate")
END_TRIES, END_SECONDS = 4, 3.0


@dataclass
class Resources:
    """What every service gets; made once per process."""

    settings: Any  # the service's own subclass of ServiceSettings
    db: Database
    clock: Clock
    keys: Keys
    wakeups: Wakeups
    kafka: KafkaSettings
    health: Health
    role: str


@dataclass
class Wired:
    """What one service is made of: the one place to read what it does."""

    app: ASGIApp | FastAPI
    # {publisher: {event class: handler}}
    consumes: Mapping[str, Mapping[type[Event], Handler]] = field(default_factory=dict)
    # Kinds of due work, and sweeps: (name, seconds, function)
    work: Mapping[str, WorkHandler] = field(default_factory=dict)
    sweeps: Sequence[tuple[str, float, Callable[[], Awaitable[None]]]] = ()
    # Loops that run until cancelled: in every role, and in the worker alone.
    loops: Sequence[Callable[[], Awaitable[None]]] = ()
    worker_loops: Sequence[Callable[[], Awaitable[None]]] = ()
    on_start: Sequence[Callable[[], Awaitable[None]]] = ()
    on_stop: Sequence[Callable[[], Awaitable[None]]] = ()
    crowd: Crowd | None = None  # how many connections an address may have
    urgent: Collection[
        str
    ] = ()  # publishers: a person waits for what follows from their events (servicekit.events.inbox.Subscription)


@dataclass(frozen=True)
class Service:
    name: str
    settings: type[ServiceSettings]
    build: Callable[[Resources], Awaitable[Wired]]


def main(service: Service, arguments: Sequence[str] | None = None) -> None:
    """The program of a service. Exit code 2: the settings are refused, each with its reason."""
    parser = argparse.ArgumentParser(prog=f"python -m {service.name}")
    parser.add_argument("role", choices=ROLES, nargs="?", default="all")
    role = parser.parse_args(arguments).role
    settings = load(service.settings, service.name)
    configure(service.name, settings.log_level)
    if role == "migrate":
        for name in migrate(settings.postgres_dsn.get_secret_value(), service.name):
            sys.stdout.write(f"applied {name}\n")
        return
    import uvloop

    uvloop.run(_serve(service, settings, role))


async def _serve(service: Service, settings: ServiceSettings, role: str) -> None:
    log = get_logger("servicekit.process.run")
    log.info("sys_startup", role=role)
    failpoints.configure(service.name, settings.failpoints_dir)
    clock = make_clock(settings.clock_file, service.name)
    db = await _connect(service, settings, clock)
    health = Health(service.name, db, clock, settings)
    kafka = settings.kafka()
    resources = Resources(settings, db, clock, Keys(settings.keys_dir), Wakeups(db), kafka, health, role)
    wired = await service.build(resources)
    process = Process(resources, wired)
    try:
        await process.run()
    finally:
        await db.close()
        log.info("sys_shutdown")


async def _connect(service: Service, settings: ServiceSettings, clock: Clock) -> Database:
    """Waits for the database: services and database may start in any order."""
    while True:
        try:
            return await Database.connect(
                settings.postgres_dsn.get_secret_value(),
                service=service.name,
                origin=settings.origin,
                clock=clock,
                pool_size=settings.db_pool_size,
                topic_prefix=settings.topic_prefix,
            )
        except DatabaseUnavailable as error:
            get_logger("servicekit.process.run").warning("db.unavailable", error=type(error).__name__)
            await asyncio.sleep(1)


class Process:
    def __init__(self, resources: Resources, wired: Wired) -> None:
        self._r = resources
        self._wired = wired
        self._tasks: set[asyncio.Task[None]] = set()
        self._broker: KafkaBroker | None = None
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        settings, health = self._r.settings, self._r.health
        servers = [_Server(management_app(health), settings.http_host, settings.management_port)]
        if self._r.role in {"all", "api"}:
            drain, crowd = settings.shutdown_grace_seconds, self._wired.crowd
            servers.append(_Server(self._wired.app, settings.http_host, settings.http_port, drain=drain, crowd=crowd))
        await health.look()  # nothing is believed of a clock that nobody has looked at
        for start in self._wired.on_start:
            await start()
        self._spawn(health.run)
        self._spawn(self._r.wakeups.run)
        for one in self._wired.loops:
            self._spawn(one)
        if self._r.role in {"all", "worker"}:
            self._start_worker()
        serving = [asyncio.create_task(server.serve()) for server in servers]
        health.started()
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([stop, *serving], return_when=asyncio.FIRST_COMPLETED)
        await self._shut_down(servers, serving)

    def _start_worker(self) -> None:
        r, wired = self._r, self._wired
        poll = r.settings.poll_seconds
        inboxes = [
            Inbox(r.db, Subscription(r.settings.service_name, publisher, handlers, urgent=publisher in wired.urgent))
            for publisher, handlers in wired.consumes.items()
        ]
        self._spawn(Relay(r.db, r.kafka, r.wakeups, poll_seconds=poll).run)
        if inboxes:
            topics = [(inbox, events_topic(inbox.subscription.publisher, r.kafka.topic_prefix)) for inbox in inboxes]
            self._spawn(ParkedRetrier(r.db, topics, r.wakeups, poll_seconds=poll).run)
            self._spawn(lambda: self._consume(inboxes))
        if wired.work:
            self._spawn(Worker(r.db, wired.work, r.wakeups, poll_seconds=poll).run)
        for name, seconds, sweep in (*purges(r.db), *wired.sweeps):
            self._spawn(Periodic(name, seconds, sweep).run)
        for loop in wired.worker_loops:
            self._spawn(loop)

    async def _consume(self, inboxes: Sequence[Inbox]) -> None:
        """Joins the groups as soon as a broker answers; later outages are the client's to ride out."""
        log = get_logger("servicekit.process.run")
        delay = 0.2
        while True:
            broker = make_broker(self._r.kafka, graceful_timeout=self._r.settings.shutdown_grace_seconds)
            for inbox in inboxes:
                subscribe(broker, inbox, self._r.kafka)
            try:
                await broker.start()
            except Exception as error:  # noqa: BLE001 - whatever the client says, the broker isn't there yet
                log.warning("kafka.unavailable", error=type(error).__name__)
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(5):
                        await broker.stop()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 3.0)
                continue
            self._broker = broker
            self._r.health.consuming()
            await TopicWatch(lambda broker=broker: broker.subscribers).run()  # type: ignore[misc]

    def _spawn(self, loop: Callable[[], Awaitable[None]]) -> None:
        async def guarded() -> None:
            await loop()

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A loop that ended by a bug must not leave a process behind that only looks alive.
            get_logger("servicekit.process.run").critical("loop.crashed", exc_info=error)
            self._stopping.set()

    async def _shut_down(self, servers: Sequence["_Server"], serving: Sequence[asyncio.Task[None]]) -> None:
        """REL-11: unready first, then stop accepting, finish what runs, commit, leave the groups, flush, close."""
        self._r.health.stopping()
        await asyncio.sleep(self._r.settings.drain_delay_seconds)
        api = servers[1:]
        for server in api:
            server.end()
        await asyncio.gather(*serving[1:], return_exceptions=True)
        if self._broker is not None:
            with contextlib.suppress(Exception):
                await self._broker.stop()
        await self._end_loops()
        for stop in self._wired.on_stop:
            with contextlib.suppress(Exception):
                await stop()
        servers[0].end()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _end_loops(self) -> None:
        """Asked more than once: a library in the middle of connecting may swallow a cancellation."""
        for _ in range(END_TRIES):
            if not self._tasks:
                return
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks), timeout=END_SECONDS)
        get_logger("servicekit.process.run").warning("loops.left", count=len(self._tasks))


class _Server(uvicorn.Server):
    """Two of them share a process, so signals are the process's business."""

    def __init__(self, app: Any, host: str, port: int, *, drain: float = 5, crowd: Crowd | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=True,
                lifespan="off",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=int(drain),
                proxy_headers=False,
                http=functools.partial(Patient, crowd=crowd),  # type: ignore[arg-type]  # called as a class is
                ws="none",
            )
        )

        self._ended = asyncio.Event()

    def end(self) -> None:
        """Accepts nobody any more, finishes what runs."""
        self.should_exit = True
        self._ended.set()

    async def main_loop(self) -> None:
        """Uvicorn's own looks ten times a second whether it shall end; all else that it does is the date of the answers, in seconds."""
        while not await self.on_tick(0):
            await wait(self._ended, 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield

    async def serve(self, sockets: Any = None) -> None:
        await super().serve(sockets)
