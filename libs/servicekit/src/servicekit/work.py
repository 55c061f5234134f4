"""Work inside one service that has no public event: written in the transaction that wants it, done soon after (or when due).

For instance what a registration has to look up once the customer has had the answer (design.md §3.7, REG-1). A payload holds
ids, never a secret.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import orjson

from .context import Trace, child_of, current_trace, new_trace, use_trace
from .db import Conn, Contention, Database, DatabaseUnavailable, Record, Tx
from .errors import Overloaded
from .logging import get_logger
from .wakeups import Pace, Wakeups, wait

Payload = dict[str, Any]


@dataclass(frozen=True)
class Several:
    """Work of which those rows that are due together are done in one call, each with its own trace."""

    run: Callable[[Tx, Sequence[tuple[Trace, Payload]]], Awaitable[None]]


WorkHandler = Callable[[Tx, Payload], Awaitable[None]] | Several
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
WHERE due_at <= $1 AND failed_at IS NULL ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_DONE = "DELETE FROM work WHERE id = ANY($1::bigint[])"
# Not if another lane has tried it meanwhile: one failure counts once.
_AGAIN = "UPDATE work SET attempts = $3, due_at = $4, reason = $5, failed_at = $6 WHERE id = $1 AND attempts = $2"
_GIVEN_UP = """
SELECT id, kind, payload, trace, attempts, failed_at, reason FROM work
WHERE failed_at IS NOT NULL AND ($1::text IS NULL OR kind = $1) ORDER BY failed_at, id
"""
_RETRY = "UPDATE work SET failed_at = NULL, attempts = 0, due_at = $1 WHERE id = ANY($2::bigint[]) AND failed_at IS NOT NULL"


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
            await wait(self._woken, self._poll)
            await self._pace.keep()
            self._woken.clear()
            yield

    async def _do_some(self, turn: AbstractAsyncContextManager[None] | None = None) -> int:
        """What is due, in one transaction; answers how many rows there were. A failure undoes all of it, and only the row that
        failed is put off: the others are done without it.
        """
        rows: list[Record] = []
        group: list[Record] = []
        tried, now = 0, self._db.clock.now()
        together, self._one_by_one = not self._one_by_one, False
        try:
            async with AsyncExitStack() as stack:
                async with turn or nullcontext():
                    tx = await stack.enter_async_context(self._db.transaction())
                    now = tx.now
                    rows = await tx.fetch(_CLAIM, now, BATCH)
                if len(rows) == BATCH:
                    self._woken.set()  # there may be more, for another lane
                for group in self._groups(rows, together=together):
                    tried += len(group)
                    await self._handle(tx, group)
                if rows:
                    await tx.execute(_DONE, [row["id"] for row in rows])
        except (*DatabaseUnavailable, *Contention):
            self._woken.set()  # nothing is done of it
            raise
        except Exception as error:
            if not rows:
                raise
            if len(group) > 1:  # which one it was is found out when each is done alone
                self._one_by_one = True
                self._woken.set()
                return len(rows)
            failed = rows[tried - 1]
            with use_trace(_trace(failed["trace"])):
                await self._put_off(failed, error, now)
            if len(rows) > 1:
                self._woken.set()
            if isinstance(error, Overloaded):
                raise  # this lane pauses
        return len(rows)

    def _groups(self, rows: list[Record], *, together: bool) -> Iterator[list[Record]]:
        """Neighbours of a kind that is done in one call; all others alone."""
        for kind, neighbours in groupby(rows, key=lambda row: row["kind"]):
            if together and isinstance(self._handlers.get(kind), Several):
                yield list(neighbours)
            else:
                yield from ([row] for row in neighbours)

    async def _handle(self, tx: Tx, group: list[Record]) -> None:
        handler = self._handlers[group[0]["kind"]]
        with use_trace(_trace(group[0]["trace"])):
            if isinstance(handler, Several):
                await handler.run(tx, [(_trace(row["trace"]), row["payload"]) for row in group])
            else:
                await handler(tx, group[0]["payload"])

    async def _put_off(self, row: Record, error: Exception, now: datetime) -> None:
        """`now`: when it was tried."""
        attempts, failed = row["attempts"], None
        async with self._db.transaction() as tx:
            if isinstance(error, Overloaded):
                # A peer is busy, which is not the work's fault: no attempt is counted, and the row goes behind the others.
                due = now + timedelta(seconds=error.extra["retry_after_seconds"])
            else:
                attempts += 1
                log.error("work.failed", kind=row["kind"], attempts=attempts, exc_info=error)
                failed = now if attempts >= MAX_ATTEMPTS else None
                due = now + timedelta(seconds=min(2.0**attempts, 3600))
            await tx.execute(_AGAIN, row["id"], row["attempts"], attempts, due, type(error).__name__, failed)


def _trace(stored: Mapping[str, Any]) -> Trace:
    """The cause's trace with a new span; another release may have written more of it, or less (REL-14)."""
    known = {one.name: stored[one.name] for one in fields(Trace) if one.name in stored}
    trace = replace(new_trace(), **known)
    return replace(trace, traceparent=child_of(trace.traceparent))


async def given_up(conn: Conn, kind: str | None = None) -> list[Record]:
    return await conn.fetch(_GIVEN_UP, kind)


async def retry(tx: Tx, ids: Sequence[int]) -> int:
    """Makes given-up work due now, with all its tries before it; the running service does it. Other rows are left alone."""
    tx.signal("work")
    return await tx.execute(_RETRY, tx.now, list(ids))


class Periodic:
    """Runs a sweep every so many seconds of real time; the sweep itself asks the clock what is due."""

    def __init__(self, name: str, seconds: float, sweep: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._seconds = seconds
        self._sweep = sweep

    async def run(self) -> None:
        while True:
            try:
                await self._sweep()
            except asyncio.CancelledError:
                raise
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("periodic.later", sweep=self.name, error=type(error).__name__)
            except Exception:  # tried again next time, too, but somebody should look
                log.exception("periodic.failed", sweep=self.name)
            await asyncio.sleep(self._seconds)
