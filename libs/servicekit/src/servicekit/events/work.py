"""Work inside one service that has no public event: written in the transaction that wants it, done soon after (or when due).

For instance what a registration has to look up once the customer has had the answer (docs/architecture.md, REG-1). A payload holds
ids, never a secret.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import orjson

from servicekit.context import Trace, child_of, current_trace, new_trace, use_trace
from servicekit.db import Conn, Contention, Database, DatabaseUnavailable, Tx
from servicekit.errors import Overloaded
from servicekit.logging import get_logger

from .wakeups import Pace, Wakeups, wait

Payload = dict[str, Any]


@dataclass(frozen=True)
class Several:
    """Work of which those rows that are due together are done in one call, each with its own trace."""

    run: Callable[[Tx, Sequence[tuple[Trace, Payload]]], Awaitable[None]]


@dataclass(frozen=True)
class AskFirst:
    """Work that needs another service's answer. `ask` gets it, outside of any transaction, so that nobody waits for a lock or a
    connection meanwhile; `run` does the work with it, for those rows that are still this process' own. Asking twice must do no harm:
    after a crash the same rows are asked about again. `together`: rows that are due at once, in one call.
    """

    ask: Callable[[Sequence[tuple[Trace, Payload]]], Awaitable[Any]]
    run: Callable[[Tx, Sequence[tuple[Trace, Payload]], Any], Awaitable[None]]
    together: bool = True


WorkHandler = Callable[[Tx, Payload], Awaitable[None]] | Several | AskFirst
LEASE = timedelta(seconds=10)  # rows that are being asked about are left alone by others for so long
PACE_SECONDS = 0.05  # rows that come within this time share a transaction, and their call to another service
BATCH = 16  # rows that share a transaction when there is a queue
MAX_ATTEMPTS = 12  # with the delays below: given up after about three hours
log = get_logger(__name__)

_INSERT = """
INSERT INTO work (kind, payload, trace, due_at)
SELECT $1, payload::jsonb, trace::jsonb, due_at FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS one(payload, trace, due_at)
"""
_CLAIM = """
SELECT id, kind, payload, trace, attempts FROM work
WHERE due_at <= $1 AND failed_at IS NULL AND (leased_until IS NULL OR leased_until <= $1) ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_ANY = """
SELECT EXISTS (SELECT FROM work WHERE due_at <= $1 AND failed_at IS NULL AND (leased_until IS NULL OR leased_until <= $1))
"""
_DONE = "DELETE FROM work WHERE id = ANY($1::bigint[])"
_LEASE = "UPDATE work SET leased_until = $2 WHERE id = ANY($1::bigint[])"
_DONE_IN_TIME = "DELETE FROM work WHERE id = ANY($1::bigint[]) AND leased_until = $2 RETURNING id"
_GIVE_BACK = "UPDATE work SET leased_until = NULL WHERE id = ANY($1::bigint[]) AND leased_until = $2"
# Not if another lane has tried it meanwhile: one failure counts once.
_AGAIN = (
    "UPDATE work SET attempts = $3, due_at = $4, reason = $5, failed_at = $6, leased_until = NULL WHERE id = $1 AND attempts = $2"
)
_GIVEN_UP = """
SELECT id, kind, payload, trace, attempts, failed_at, reason FROM work
WHERE failed_at IS NOT NULL AND ($1::text IS NULL OR kind = $1) ORDER BY failed_at, id
"""
_RETRY = "UPDATE work SET failed_at = NULL, attempts = 0, due_at = $1 WHERE id = ANY($2::bigint[]) AND failed_at IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Due:
    """Work as it is stored. `trace`: its cause's, as the release wrote it that enqueued it."""

    id: int
    kind: str
    payload: Payload
    trace: Mapping[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class GivenUp(Due):
    failed_at: datetime
    reason: str


async def enqueue(tx: Tx, kind: str, payload: Payload, *, due_at: datetime | None = None) -> None:
    await enqueue_several(tx, kind, [(current_trace(), payload, due_at or tx.now)])


async def enqueue_several(tx: Tx, kind: str, several: Sequence[tuple[Trace, Payload, datetime]]) -> None:
    """Each with its cause's trace, and when it is due."""
    if several:
        # As text: for a list of jsonb, whose codec is ours, asyncpg would look its type up on every new connection.
        payloads = [orjson.dumps(payload).decode() for _, payload, _ in several]
        traces = [orjson.dumps(trace).decode() for trace, _, _ in several]
        await tx.execute(_INSERT, kind, payloads, traces, [due_at for _, _, due_at in several])
        tx.signal("work")


class Worker:
    """Does due work until cancelled; any number of replicas, each row by one of them."""

    def __init__(
        self, db: Database, handlers: Mapping[str, WorkHandler], wakeups: Wakeups, *, poll_seconds: float = 1.0, lanes: int = 4
    ) -> None:
        self._db = db
        self._handlers = handlers
        self._wakeups = wakeups
        self._woken = wakeups.waiter("work")
        self._poll = poll_seconds
        self._lanes = lanes
        self._looking = asyncio.Lock()
        self._pace = Pace(PACE_SECONDS)
        self._one_by_one = False

    async def run(self) -> None:
        self._wakeups.handled_here("work", True)
        self._woken.set()  # there may be some already
        try:
            async with asyncio.TaskGroup() as lanes:
                for _ in range(self._lanes):
                    lanes.create_task(self._lane())
        finally:
            self._wakeups.handled_here("work", False)

    async def _lane(self) -> None:
        while True:
            try:
                await self._do_some(self._turn())
            except (*DatabaseUnavailable, *Contention, Overloaded) as error:
                log.warning("work.paused", error=type(error).__name__)
                await asyncio.sleep(self._poll)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One lane waits and looks; all others are at work or queue behind it, so that one row doesn't wake them all."""
        async with self._looking:
            while not await wait(self._woken, self._poll) and not await self._any_due():
                pass
            await self._pace.keep()
            self._woken.clear()
            yield

    async def _any_due(self) -> bool:
        """One look instead of a transaction, where nobody has said that there is something."""
        async with self._db.read() as conn:
            return bool(await conn.fetchval(_ANY, conn.now))

    async def _do_some(self, turn: AbstractAsyncContextManager[None] | None = None) -> int:
        """What is due, in one transaction; answers how many rows there were. A failure undoes all of it, and only the row that
        failed is put off: the others are done without it.
        """
        rows: list[Due] = []
        group: list[Due] = []
        here: list[Due] = []
        leased: list[Due] = []
        tried, now = 0, self._db.clock.now()
        together, self._one_by_one = not self._one_by_one, False
        try:
            async with AsyncExitStack() as stack:
                async with turn or nullcontext():
                    tx = await stack.enter_async_context(self._db.transaction())
                    now = tx.now
                    rows = await tx.rows(Due, _CLAIM, now, BATCH)
                if len(rows) == BATCH:
                    self._woken.set()  # there may be more, for another lane
                leased = [row for row in rows if isinstance(self._handlers.get(row.kind), AskFirst)]
                here = [row for row in rows if row not in leased]
                for group in self._groups(here, together=together):
                    tried += len(group)
                    await self._handle(tx, group)
                if here:
                    await tx.execute(_DONE, [row.id for row in here])
                if leased:
                    await tx.execute(_LEASE, [row.id for row in leased], now + LEASE)
        except (*DatabaseUnavailable, *Contention):
            self._woken.set()  # nothing is done of it
            raise
        except Exception as error:
            if not tried:
                raise
            await self._undone(rows, group, error, now)
            return len(rows)
        for group in self._groups(leased, together=True):
            await self._ask_first(group, now + LEASE)
        return len(rows)

    async def _undone(self, rows: list[Due], group: list[Due], error: Exception, now: datetime) -> None:
        """Nothing is done of `rows`, since something in `group` has failed. This lane pauses when that was a busy peer."""
        if len(group) > 1:  # which one it was is found out when each is done alone
            self._one_by_one = True
            self._woken.set()
            return
        with use_trace(_trace(group[0].trace)):
            await self._put_off(group[0], error, now)
        if len(rows) > 1:
            self._woken.set()
        if isinstance(error, Overloaded):
            raise error

    async def _ask_first(self, group: list[Due], until: datetime) -> None:
        """`until`: when the lease of these rows ends. Where several fail together, each is tried alone."""
        try:
            await self._asked(group, until)
        except (*DatabaseUnavailable, *Contention, asyncio.CancelledError):
            await self._give_back(group, until)
            raise
        except Exception as error:
            if len(group) > 1 and not isinstance(error, Overloaded):
                for row in group:
                    await self._ask_first([row], until)
                return
            for row in group:
                with use_trace(_trace(row.trace)):
                    await self._put_off(row, error, self._db.clock.now())
            if isinstance(error, Overloaded):
                raise

    async def _asked(self, group: list[Due], until: datetime) -> None:
        handler = self._handlers[group[0].kind]
        assert isinstance(handler, AskFirst)  # noqa: S101 - that is why they were leased
        with use_trace(_trace(group[0].trace)):
            answer = await handler.ask([(_trace(row.trace), row.payload) for row in group])
            async with self._db.transaction() as tx:
                done = {record["id"] for record in await tx.fetch(_DONE_IN_TIME, [row.id for row in group], until)}
                mine = [(_trace(row.trace), row.payload) for row in group if row.id in done]
                if mine:
                    await handler.run(tx, mine, answer)

    async def _give_back(self, group: list[Due], until: datetime) -> None:
        """Others needn't wait for the lease to end. They do if that can't be written now."""
        with suppress(*DatabaseUnavailable, *Contention):
            async with self._db.single() as tx:
                await tx.execute(_GIVE_BACK, [row.id for row in group], until)
            self._woken.set()

    def _groups(self, rows: list[Due], *, together: bool) -> Iterator[list[Due]]:
        """Neighbours of a kind that is done in one call; all others alone."""
        for kind, neighbours in groupby(rows, key=lambda row: row.kind):
            handler = self._handlers.get(kind)
            if together and (isinstance(handler, Several) or (isinstance(handler, AskFirst) and handler.together)):
                yield list(neighbours)
            else:
                yield from ([row] for row in neighbours)

    async def _handle(self, tx: Tx, group: list[Due]) -> None:
        handler = self._handlers[group[0].kind]
        with use_trace(_trace(group[0].trace)):
            if isinstance(handler, Several):
                await handler.run(tx, [(_trace(row.trace), row.payload) for row in group])
            elif not isinstance(handler, AskFirst):  # those come later, outside of this transaction
                await handler(tx, group[0].payload)

    async def _put_off(self, row: Due, error: Exception, now: datetime) -> None:
        """`now`: when it was tried."""
        attempts, failed = row.attempts, None
        async with self._db.transaction() as tx:
            if isinstance(error, Overloaded):
                # A peer is busy, which is not the work's fault: no attempt is counted, and the row goes behind the others.
                due = now + timedelta(seconds=error.extra["retry_after_seconds"])
            else:
                attempts += 1
                log.error("work.failed", kind=row.kind, attempts=attempts, exc_info=error)
                failed = now if attempts >= MAX_ATTEMPTS else None
                due = now + timedelta(seconds=min(2.0**attempts, 3600))
            await tx.execute(_AGAIN, row.id, row.attempts, attempts, due, type(error).__name__, failed)


def _trace(stored: Mapping[str, Any]) -> Trace:
    """The cause's trace with a new span; another release may have written more of it, or less (REL-14)."""
    known = {field.name: stored[field.name] for field in fields(Trace) if field.name in stored}
    trace = replace(new_trace(), **known)
    return replace(trace, traceparent=child_of(trace.traceparent))


async def given_up(conn: Conn, kind: str | None = None) -> list[GivenUp]:
    return await conn.rows(GivenUp, _GIVEN_UP, kind)


async def retry(tx: Tx, ids: Sequence[int]) -> int:
    """Makes given-up work due now, with all its tries before it; the running service does it. Other rows are left alone."""
    tx.signal("work")
    return await tx.execute(_RETRY, tx.now, list(ids))
