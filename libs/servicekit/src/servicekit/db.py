"""PostgreSQL for a service: `Conn` reads, `Tx` writes and is the only thing that can publish (design.md §3.1).

The only module that imports asyncpg. Times are always parameters, taken from the clock, never SQL's now().
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import urlsplit

import asyncpg
import orjson
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.topics import events_topic

from .context import current_trace
from .failpoints import failpoint
from .ids import uuid7

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
# Look-ups by key go by their index from the first row on. By its statistics the planner takes a table for small until it is
# analyzed, and reads all of a queue for each message. Compiling queries pays for reports, never for these.
_PLANS = {"enable_seqscan": "off", "jit": "off"}

# How soon PostgreSQL notices that the host at the other end is gone without a word: 25 s, where Linux takes two hours (REL-2).
_LOST = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}

# Of an event with its attributes. Kafka refuses more than 1 MiB, and would refuse it for ever, with all events behind it.
MOST_BYTES = 900_000


class EventTooLarge(Exception):
    """Nothing of the transaction is written: whoever makes events of what others give must bound it."""

    def __init__(self, event_type: str, size: int) -> None:
        super().__init__(f"{event_type} has {size} bytes; {MOST_BYTES} are the most")
        self.event_type = event_type
        self.size = size


class HasNow(Protocol):
    def now(self) -> datetime: ...


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """No reset between uses: one round trip less per request (stack.md §4.1); session state is never set, by rule."""

    def get_reset_query(self) -> str:
        return ""


async def _prepare(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS),
        decoder=lambda raw: orjson.loads(raw[1:]),
    )
    # asyncpg looks every kind of list up, on every connection and for many milliseconds; here all of them at once.
    await connection.prepare("SELECT $1::text[], $2::uuid[], $3::bytea[], $4::timestamptz[], $5::bigint[], $6::int[], $7::bool[]")


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
        self._emitted: list[tuple[str, str, str, bytes]] = []

    async def execute(self, sql: str, *args: object) -> int:
        """Runs one statement; answers the number of rows it touched."""
        status: str = await self._raw.execute(sql, *args)
        count = status.rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def executemany(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        await self._raw.executemany(sql, rows)

    async def emit(self, event: Event, *, expirytime: datetime | None = None) -> None:
        """Publishes the event if and when this transaction commits (outbox, EVT-4). It is written with all others just before that.

        Raises EventTooLarge.
        """
        if event.publisher != self._database.service:
            raise ValueError(f"{self._database.service} may not publish {event.event_type}")
        trace = current_trace()
        meta = wire.new_meta(
            event,
            id=uuid7(),
            origin=self._database.origin,
            time=self.now,
            aggregateversion=1,  # the statement below counts; the relay writes the header
            correlationid=trace.correlation_id,
            causationid=trace.causation_id,
            traceparent=trace.traceparent or None,
            authtype=trace.authtype,
            tenant=trace.tenant,
            expirytime=expirytime,
        )
        topic = events_topic(event.publisher, self._database.topic_prefix)
        # As text: for a list of jsonb, whose codec is ours, asyncpg would look its type up on every new connection (10 ms).
        attributes = orjson.dumps(wire.attributes(meta)).decode()
        value = event.model_dump_json().encode()
        if (size := len(value) + len(attributes.encode())) > MOST_BYTES:
            raise EventTooLarge(event.event_type, size)
        self._emitted.append((event.subject, topic, attributes, value))

    async def write_events(self) -> None:
        """One statement for all. It takes the row lock of a subject's version before it draws the outbox ids, so that events
        about one subject are published in the order of their commits (stack.md §3.4).
        """
        if self._emitted:
            columns = [list(column) for column in zip(*self._emitted, strict=True)]
            self._emitted.clear()
            await self._raw.execute(_EMIT, *columns, self.now)
            self.on_commit(lambda: self._database.signal("outbox"))

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Called in this process after the commit; for wake-ups, never for anything that must not be lost."""
        self._on_commit.append(callback)

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
    """A service's own database: pool with admission in order of arrival (stack.md §4.2, "pool tail")."""

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
            connection_class=_Connection,
            init=_prepare,
            command_timeout=15,
            timeout=5,
            server_settings={
                **_PLANS,
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
    async def read(self) -> AsyncIterator[Conn]:
        async with self._admission, self._pool.acquire() as raw:
            yield Conn(raw, self.clock)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """State and events, both or neither. Opened in a service.py only, never in a FastAPI dependency."""
        async with self._admission, self._pool.acquire() as raw:
            tx = Tx(raw, self)
            async with raw.transaction():
                yield tx
                await tx.write_events()
                failpoint("before_commit")
            failpoint("after_commit")
        for callback in tx._on_commit:  # noqa: SLF001 - Tx and Database are one thing
            callback()

    @asynccontextmanager
    async def single(self) -> AsyncIterator[Tx]:
        """For one statement, which is a transaction of its own: two round trips less. Nothing is published from here."""
        async with self._admission, self._pool.acquire() as raw:
            yield Tx(raw, self)

    async def ping(self) -> None:
        """Raises when the database doesn't answer within 2 s."""
        async with asyncio.timeout(2), self._pool.acquire() as raw:
            await raw.fetchval("SELECT 1")

    async def dedicated(self, **settings: str) -> asyncpg.Connection:
        """A connection outside of the pool, for advisory locks and LISTEN; the caller closes it."""
        connection = await asyncpg.connect(
            self.dsn,
            timeout=5,
            command_timeout=15,
            server_settings={"application_name": f"{self.service} relay", **_LOST, **settings},
        )
        await _prepare(connection)
        return connection


def database_name(dsn: str) -> str:
    return urlsplit(dsn).path.lstrip("/")
