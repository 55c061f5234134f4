"""PostgreSQL for a service: `Conn` reads, `Tx` writes and is the only thing that can publish (docs/architecture.md).

With `connection`, what its sessions are like, the only module that imports asyncpg. Times are always parameters, taken from the clock, never SQL's now().
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from latchkey_contracts.event import Event

from .connection import LOST, PLANS, Connection, is_read_only, prepare
from .failpoints import failpoint
from .outgoing import Outgoing, outgoing

UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError
# The database can't be reached or sheds us; nothing is known to be wrong with what was asked.
DatabaseUnavailable = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # class 57: shuts down, has crashed, is not up yet
    asyncpg.InsufficientResourcesError,  # class 53: connections, memory or disk are used up
    asyncpg.ReadOnlySQLTransactionError,  # the primary is another server by now
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # said instead when the server ends the session in just the wrong moment
    OSError,
    TimeoutError,
)
# Another transaction stood in the way; the same work may well succeed the next time.
Contention = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)

Record: TypeAlias = Mapping[str, Any]
Row = TypeVar("Row")


class HasNow(Protocol):
    def now(self) -> datetime: ...

    def believable(self) -> bool: ...


class Conn:
    """Reads. A writer asks for a `Tx`, so that the type checker notices a write outside of a transaction."""

    def __init__(self, raw: asyncpg.Connection, clock: HasNow) -> None:
        self._raw = raw
        self.clock = clock
        self.now = clock.now()

    async def fetch(self, sql: str, *args: object) -> list[Record]:
        return list(await self._raw.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: object) -> Record | None:
        row: Record | None = await self._raw.fetchrow(sql, *args)
        return row

    async def rows(self, kind: type[Row], sql: str, *args: object) -> list[Row]:
        """Each as a `kind`, a frozen dataclass whose fields are the statement's columns; anything else is a TypeError."""
        return [kind(**record) for record in await self._raw.fetch(sql, *args)]

    async def row(self, kind: type[Row], sql: str, *args: object) -> Row | None:
        """The first as a `kind`, like `rows`; None where there is none."""
        record = await self._raw.fetchrow(sql, *args)
        return kind(**record) if record is not None else None

    async def fetchval(self, sql: str, *args: object) -> Any:
        return await self._raw.fetchval(sql, *args)


# Each subject's row is locked, in one order for all, before its outbox ids are drawn.
_EMIT = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS one(subject, topic, attributes, value, place)
), counted AS (
    SELECT subject, count(*) AS count FROM given GROUP BY subject
), bumped AS (
    INSERT INTO aggregate_version (subject, version) SELECT subject, count FROM counted ORDER BY subject
    ON CONFLICT (subject) DO UPDATE SET version = aggregate_version.version + excluded.version
    RETURNING subject, version
)
INSERT INTO outbox (topic, subject, aggregateversion, attributes, value, created_at)
SELECT topic, subject, version - count + row_number() OVER (PARTITION BY subject ORDER BY place), attributes::jsonb, value, $5
FROM given JOIN counted USING (subject) JOIN bumped USING (subject) ORDER BY place
"""


class Tx(Conn):
    """One transaction. `now` is one moment for all of it."""

    def __init__(self, raw: asyncpg.Connection, database: "Database") -> None:
        super().__init__(raw, database.clock)
        self._database = database
        self._on_commit: list[Callable[[], None]] = []
        self._emitted: list[Outgoing] = []
        self._waited_for = False

    @property
    def service(self) -> str:
        """Whose database this is."""
        return self._database.service

    async def execute(self, sql: str, *args: object) -> int:
        """Runs one statement; answers the number of rows it touched."""
        status: str = await self._raw.execute(sql, *args)
        count = status.rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        await self._raw.executemany(sql, rows)

    async def emit(self, event: Event, *, expirytime: datetime | None = None, tenant: UUID | None = None) -> UUID:
        """Publishes the event if and when this transaction commits (outbox, EVT-4). It is written with all others just before that.

        `expirytime`: when it is of no use to anybody any more; facts never have one (EVT-9). `tenant`: the store that it is about
        (EVT-5), where neither the event says it nor the work at hand. Answers the event's id. Raises EventTooLarge.
        """
        event_id, row = outgoing(
            event,
            service=self._database.service,
            origin=self._database.origin,
            topic_prefix=self._database.topic_prefix,
            time=self.now,
            expirytime=expirytime,
            tenant=tenant,
        )
        self._emitted.append(row)
        self._waited_for = self._waited_for or event.waited_for
        return event_id

    async def write_events(self) -> None:
        """One statement for all. It takes the row lock of a subject's version before it draws the outbox ids, so that events
        about one subject are published in the order of their commits.
        """
        if self._emitted:
            columns = [list(column) for column in zip(*self._emitted, strict=True)]
            self._emitted.clear()
            await self._raw.execute(_EMIT, *columns, self.now)
            if self._waited_for:  # else the relay finds them when it looks by itself
                self.on_commit(lambda: self._database.signal("outbox"))

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Called in this process after the commit; for wake-ups, never for anything that must not be lost."""
        self._on_commit.append(callback)

    def committed(self) -> None:
        for callback in self._on_commit:
            callback()

    def signal(self, name: str) -> None:
        """Wakes whoever waits for `name` ("work", "parked", ...) once this is committed."""
        self.on_commit(lambda: self._database.signal(name))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """What happens inside is undone alone if it raises."""
        callbacks, events = len(self._on_commit), len(self._emitted)
        try:
            async with self._raw.transaction():
                yield
        except BaseException:
            del self._on_commit[callbacks:], self._emitted[events:]
            raise


class Database:
    """A service's own database: pool with admission in order of arrival."""

    def __init__(
        self, pool: asyncpg.Pool, dsn: str, *, service: str, origin: str, clock: HasNow, size: int, topic_prefix: str
    ) -> None:
        self._pool = pool
        self._admission = asyncio.Semaphore(size)
        self.dsn = dsn
        self.service = service
        self.origin = origin
        self.clock = clock
        self.topic_prefix = topic_prefix
        self.signal: Callable[[str], None] = lambda _name: None

    @classmethod
    async def connect(
        cls, dsn: str, *, service: str, origin: str, clock: HasNow, pool_size: int = 10, topic_prefix: str = ""
    ) -> Self:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=pool_size,
            connection_class=Connection,
            init=prepare,
            command_timeout=15,
            timeout=5,
            server_settings={
                **PLANS,
                "lock_timeout": "2000",
                "idle_in_transaction_session_timeout": "60000",
                "application_name": service,
            },
        )
        return cls(pool, dsn, service=service, origin=origin, clock=clock, size=pool_size, topic_prefix=topic_prefix)

    async def close(self) -> None:
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection]:
        """One of the pool. What failed as a session is no good for the next either, and isn't given back (REL-12)."""
        async with self._admission, self._pool.acquire() as raw:
            try:
                yield raw
            except DatabaseUnavailable:
                raw.terminate()
                raise

    @asynccontextmanager
    async def _writable(self) -> AsyncIterator[asyncpg.Connection]:
        """Of those that a read-only spell left behind, idle ones too, none is used. While it lasts, a new one is no better."""
        async with self._session() as raw:
            if not is_read_only(raw):
                yield raw
                return
            raw.terminate()
        await self._pool.expire_connections()
        async with self._session() as raw:
            yield raw

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Conn]:
        async with self._session() as raw:
            yield Conn(raw, self.clock)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """State and events, both or neither. Opened in a service.py only, never in a FastAPI dependency."""
        async with self._writable() as raw:
            tx = Tx(raw, self)
            async with raw.transaction():
                yield tx
                await tx.write_events()
                failpoint("before_commit")
            failpoint("after_commit")
        tx.committed()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Tx]:
        """For one statement, which is a transaction of its own: two round trips less. Nothing is published from here."""
        async with self._writable() as raw:
            tx = Tx(raw, self)
            yield tx
            if tx._emitted:  # noqa: SLF001 - Tx and Database are one thing
                raise RuntimeError("events need a transaction")
        tx.committed()

    async def dedicated(self, **settings: str) -> asyncpg.Connection:
        """A connection outside of the pool, for advisory locks and LISTEN; the caller closes it, and makes another one when
        `refuse_read_only` raises.
        """
        connection = await asyncpg.connect(
            self.dsn,
            timeout=5,
            command_timeout=15,
            server_settings={"application_name": f"{self.service} relay", **LOST, **settings},
        )
        await prepare(connection)
        return connection


def database_name(dsn: str) -> str:
    return urlsplit(dsn).path.lstrip("/")
