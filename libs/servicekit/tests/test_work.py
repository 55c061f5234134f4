"""REL-1, REL-5: due work is written with its cause, done by one worker, tried again with growing pauses, and given up at last."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from servicekit.context import Trace, current_trace, new_trace, use_trace
from servicekit.db import Database, Tx
from servicekit.errors import Overloaded
from servicekit.events.periodic import Periodic
from servicekit.events.wakeups import Wakeups
from servicekit.events.work import MAX_ATTEMPTS, Several, Worker, enqueue
from testkit.records import an_event, until

pytestmark = pytest.mark.usefixtures("clean", "logged")


@contextlib.asynccontextmanager
async def working(db: Database, handlers: Mapping[str, Any], *, poll: float = 0.02, lanes: int = 4) -> AsyncIterator[None]:
    task = asyncio.create_task(Worker(db, handlers, Wakeups(db), poll_seconds=poll, lanes=lanes).run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def add(db: Database, kind: str = "look", *, payload: dict[str, Any] | None = None, **more: Any) -> None:
    async with db.transaction() as tx:
        await enqueue(tx, kind, payload or {}, **more)


async def rows(db: Database) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch("SELECT * FROM work ORDER BY id")


async def all_done(db: Database) -> None:
    async def look() -> bool:
        return await rows(db) == []

    await until(look)


async def one_left(db: Database) -> Any:
    async def look() -> Any:
        found = await rows(db)
        return found[0] if len(found) == 1 else None

    return await until(look)


class Handler:
    """Remembers what it was given; raises the errors that it was given, one each."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.seen: list[dict[str, Any]] = []

    async def __call__(self, tx: Tx, payload: dict[str, Any]) -> None:
        self.seen.append(payload)
        await tx.emit(an_event())
        if self.errors:
            raise self.errors.pop(0)


class TestEnqueue:
    async def test_with_the_state_or_not_at_all(self, db):
        """REL-1."""
        async with db.transaction() as tx:
            with contextlib.suppress(RuntimeError):
                async with tx.savepoint():
                    await enqueue(tx, "look", {})
                    raise RuntimeError
        assert await rows(db) == []

    async def test_done_soon_with_its_payload(self, db):
        """docs/architecture.md: woken by the commit, not by the poll."""
        handler = Handler()
        async with working(db, {"look": handler}, poll=30):
            await asyncio.sleep(0.05)
            await add(db, payload={"id": "17"})
            await all_done(db)
        assert handler.seen == [{"id": "17"}]
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 1

    async def test_in_the_trace_of_its_cause(self, db):
        """EVT-5: correlation, cause, tenant and who asked go along; the span is a new one in the same trace."""
        seen: list[Trace] = []

        async def handler(_tx: Tx, _payload: dict[str, Any]) -> None:
            seen.append(current_trace())

        trace = new_trace(correlation_id="story", causation_id="cause", authtype="user", tenant="default")
        with use_trace(trace):
            await add(db)
        async with working(db, {"look": handler}):
            await all_done(db)
        (found,) = seen
        assert (found.request_id, found.correlation_id, found.causation_id) == (trace.request_id, "story", "cause")
        assert (found.authtype, found.tenant) == ("user", "default")
        assert found.traceparent[:36] == trace.traceparent[:36]
        assert found.traceparent != trace.traceparent

    @pytest.mark.parametrize("trace", [{}, {"correlation_id": "story", "invented_later": True}])
    async def test_written_by_another_release(self, db, trace):
        """REL-14: a trace with more or fewer parts is no reason to stand still."""
        handler = Handler()
        await add(db)
        async with db.transaction() as tx:
            await tx.execute("UPDATE work SET trace = $1", trace)
        async with working(db, {"look": handler}):
            await all_done(db)
        assert len(handler.seen) == 1

    async def test_not_before_it_is_due(self, db, clock):
        """REL-15: by the injected clock."""
        handler = Handler()
        await add(db, payload={"later": True}, due_at=clock.now() + timedelta(hours=1))
        await add(db, payload={"now": True})
        async with working(db, {"look": handler}):
            await until(lambda: asyncio.sleep(0, handler.seen))
            await asyncio.sleep(0.06)
            assert handler.seen == [{"now": True}]
            clock.move(3600)
            await all_done(db)
        assert handler.seen == [{"now": True}, {"later": True}]


class TestFailure:
    async def test_undone_and_tried_again_later(self, db, clock):
        """REL-5: the failed try leaves no effect; 2 s, 4 s, 8 s, ..., at most an hour."""
        handler = Handler(*[RuntimeError("x@posteo.example") for _ in range(MAX_ATTEMPTS)])
        await add(db)
        worker = Worker(db, {"look": handler}, Wakeups(db))
        pauses = []
        for attempt in range(1, MAX_ATTEMPTS + 1):
            assert await worker._do_some()
            (row,) = await rows(db)
            assert (row["attempts"], row["reason"]) == (attempt, "RuntimeError")
            pauses.append((row["due_at"] - clock.now()).total_seconds())
            assert not await worker._do_some()
            clock.move(pauses[-1])
        assert pauses == [min(2.0**number, 3600) for number in range(1, MAX_ATTEMPTS + 1)]
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 0
        assert len(handler.seen) == MAX_ATTEMPTS

    async def test_of_a_batch_only_the_one_that_failed(self, db, clock):
        """REL-5: what shared its transaction is undone, too, and done without it at once."""
        failing = {"id": "2"}

        async def handler(tx: Tx, payload: dict[str, Any]) -> None:
            await tx.emit(an_event())
            if payload == failing:
                await tx.execute("INSERT INTO work (id) VALUES (NULL)")

        for number in range(4):
            await add(db, payload={"id": str(number)})
        worker = Worker(db, {"look": handler}, Wakeups(db))
        assert await worker._do_some() == 4
        assert [row["attempts"] for row in await rows(db)] == [0, 0, 1, 0]
        assert await worker._do_some() == 3
        (row,) = await rows(db)
        assert (row["payload"], row["attempts"]) == (failing, 1)
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 3

    async def test_neighbours_of_a_kind_share_a_call_and_a_failure_is_found_one_by_one(self, db, clock):
        """REL-5: together while all is well; if not, nothing of it is done, and then each alone, so that only the bad one waits."""
        calls: list[list[str]] = []
        traces: set[str] = set()

        async def run(tx: Tx, items: Any) -> None:
            calls.append([payload["id"] for _, payload in items])
            traces.update(trace.correlation_id for trace, _ in items)
            for _, payload in items:
                await tx.emit(an_event())
                if payload["id"] == "2":
                    raise RuntimeError("this one")

        for number in range(4):
            with use_trace(new_trace()):
                await add(db, payload={"id": str(number)})
        worker = Worker(db, {"look": Several(run)}, Wakeups(db))
        while await worker._do_some():
            pass
        assert calls[0] == ["0", "1", "2", "3"]
        assert len(traces) == 4, "each with its own trace"
        (row,) = await rows(db)
        assert (row["payload"], row["attempts"]) == ({"id": "2"}, 1)
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 3

    async def test_given_up_at_last(self, db, clock):
        """INV-18: after the last try it waits for an operator, told in the table, and is never tried again."""
        handler = Handler(RuntimeError())
        await add(db)
        async with db.transaction() as tx:
            await tx.execute("UPDATE work SET attempts = $1", MAX_ATTEMPTS - 1)
        worker = Worker(db, {"look": handler}, Wakeups(db))
        assert await worker._do_some()
        (row,) = await rows(db)
        assert (row["attempts"], row["failed_at"]) == (MAX_ATTEMPTS, clock.now())
        clock.move(7 * 24 * 3600)
        assert not await worker._do_some()

    async def test_a_kind_that_nobody_knows(self, db):
        """REL-14: of a later release; it waits, and the others are done."""
        handler = Handler()
        await add(db, "invented")
        await add(db)
        async with working(db, {"look": handler}, lanes=1):
            row = await one_left(db)
        assert (row["kind"], row["attempts"], row["reason"]) == ("invented", 1, "KeyError")

    async def test_a_failed_statement(self, db):
        async def handler(tx: Tx, _payload: dict[str, Any]) -> None:
            await tx.execute("INSERT INTO work (id) VALUES (NULL)")

        await add(db)
        assert await Worker(db, {"look": handler}, Wakeups(db))._do_some()
        (row,) = await rows(db)
        assert row["attempts"] == 1

    @pytest.mark.parametrize("error", [ConnectionRefusedError, TimeoutError])
    async def test_an_outage_counts_no_attempt(self, db, error):
        handler = Handler(*[error() for _ in range(1000)])
        await add(db)
        before = await rows(db)
        async with working(db, {"look": handler}, poll=0.05, lanes=1):
            await until(lambda: asyncio.sleep(0, handler.seen))
            assert await rows(db) == before
            handler.errors.clear()
            await all_done(db)
        assert len(handler.seen) >= 2

    async def test_a_busy_peer_counts_no_attempt_and_holds_up_nobody(self, db, clock):
        """REL-5: a row whose peer sheds it comes again when that peer said; the others are done meanwhile."""
        shed, other = Handler(*[Overloaded(5) for _ in range(MAX_ATTEMPTS + 1)]), Handler()
        await add(db, "shed")
        await add(db, "other")
        async with working(db, {"shed": shed, "other": other}, lanes=1):
            for _ in range(MAX_ATTEMPTS + 1):
                row = await one_left(db)
                assert (row["kind"], row["attempts"], row["failed_at"]) == ("shed", 0, None)
                seen = len(shed.seen)
                clock.move(5)
                await until(lambda seen=seen: asyncio.sleep(0, len(shed.seen) > seen))
            await all_done(db)
        assert len(shed.seen) == MAX_ATTEMPTS + 2


class TestTogether:
    async def test_no_row_by_two(self, db, replica):
        """REL-1: two workers of four lanes each; every row once, several at a time."""
        done: Counter[str] = Counter()
        busy = {"now": 0, "most": 0}

        async def handler(_tx: Tx, payload: dict[str, Any]) -> None:
            busy["now"] += 1
            busy["most"] = max(busy["most"], busy["now"])
            await asyncio.sleep(0.003)
            done[payload["id"]] += 1
            busy["now"] -= 1

        async with db.transaction() as tx:
            for _ in range(80):
                await enqueue(tx, "look", {"id": str(uuid4())})
        async with working(db, {"look": handler}), working(replica, {"look": handler}):
            await all_done(db)
        assert len(done) == 80
        assert set(done.values()) == {1}
        assert busy["most"] > 2

    async def test_one_row_wakes_one_lane(self, db, monkeypatch):
        """Nobody looks in vain: one transaction at the start, one that writes the row, one that does it."""
        opened: list[None] = []
        transaction = db.transaction
        monkeypatch.setattr(db, "transaction", lambda: (opened.append(None), transaction())[1])
        async with working(db, {"look": Handler()}, poll=30):
            await until(lambda: asyncio.sleep(0, opened))
            await add(db)
            await all_done(db)
            await asyncio.sleep(0.05)
        assert len(opened) == 3

    async def test_cancelled_in_the_middle(self, db):
        """REL-11, REL-16: what a stopping process had begun is done by the next one, once."""
        begun = asyncio.Event()

        async def slow(tx: Tx, _payload: dict[str, Any]) -> None:
            await tx.emit(an_event())
            begun.set()
            await asyncio.sleep(30)

        await add(db)
        async with working(db, {"look": slow}):
            await begun.wait()
        (row,) = await rows(db)
        assert row["attempts"] == 0
        async with working(db, {"look": Handler()}):
            await all_done(db)
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == 1


class TestPeriodic:
    async def test_one_that_fails_goes_on(self):
        count = 0

        async def sweep() -> None:
            nonlocal count
            count += 1
            raise RuntimeError

        task = asyncio.create_task(Periodic("sweep", 0.001, sweep).run())
        await until(lambda: asyncio.sleep(0, count > 2))
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
