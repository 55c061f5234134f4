"""Wake-ups: at once in process and between processes; a lost one costs time only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from servicekit.db import Database
from servicekit.events import wakeups as wakeups_module
from servicekit.events.wakeups import CHANNEL, Pace, Wakeups, wait
from testkit.records import until


@contextlib.asynccontextmanager
async def running(db: Database) -> AsyncIterator[Wakeups]:
    wakeups = Wakeups(db)
    task = asyncio.create_task(wakeups.run())
    try:
        yield wakeups
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def heard(db: Database) -> AsyncIterator[list[str]]:
    """What a stranger hears on the channel."""
    found: list[str] = []
    connection = await db.dedicated()
    await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, name: found.append(name))
    yield found
    connection.terminate()


async def commit(db: Database, name: str) -> None:
    async with db.transaction() as tx:
        tx.signal(name)


class TestWait:
    async def test_until_woken(self):
        event = asyncio.Event()
        task = asyncio.create_task(wait(event, 30))
        await asyncio.sleep(0)
        event.set()
        await asyncio.wait_for(task, 1)
        assert not event.is_set()

    async def test_at_most_so_long(self):
        await wait(asyncio.Event(), 0.001)

    @pytest.mark.parametrize("ticks", range(5))
    async def test_a_cancellation_is_never_forgotten(self, ticks):
        """REL-11: a loop that is woken in the very moment in which it is stopped stops all the same."""
        event = asyncio.Event()

        async def loop() -> None:
            while True:
                await wait(event, 30)

        task = asyncio.create_task(loop())
        await asyncio.sleep(0.01)
        event.set()
        for _ in range(ticks):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=0.5)
        task.cancel()
        assert done


class TestFire:
    async def test_in_process_after_the_commit(self, db):
        wakeups = Wakeups(db)
        waiter = wakeups.waiter("work")
        async with db.transaction() as tx:
            tx.signal("work")
            assert not waiter.is_set()
        assert waiter.is_set()
        assert wakeups.waiter("work") is waiter
        assert not wakeups.waiter("outbox").is_set()

    async def test_another_process(self, db, replica, heard):
        """By a side session, not within the transaction."""
        async with running(db), running(replica) as other:
            waiter = other.waiter("work")

            async def woken() -> bool:
                await commit(db, "work")
                return waiter.is_set()

            await until(woken)
            assert set(heard) == {"work"}

    async def test_nobody_else_when_it_is_handled_here(self, db, heard):
        async with running(db) as wakeups:
            wakeups.handled_here("outbox", True)
            await commit(db, "outbox")
            await commit(db, "work")
            await until(lambda: asyncio.sleep(0, heard))
            assert heard == ["work"]
            wakeups.handled_here("outbox", False)
            await commit(db, "outbox")
            await until(lambda: asyncio.sleep(0, len(heard) == 2))
        assert heard == ["work", "outbox"]

    async def test_many_become_one(self, db, heard):
        async with running(db):
            for _ in range(50):
                db.signal("work")
            await until(lambda: asyncio.sleep(0, heard))
            await asyncio.sleep(0.02)
        assert heard == ["work"]

    async def test_connects_again(self, db, replica, heard, monkeypatch):
        """A lost connection is made again, and whoever waits is woken over the new one."""
        real: Any = asyncio.sleep
        monkeypatch.setattr(wakeups_module.asyncio, "sleep", lambda seconds: real(min(seconds, 0.01)))
        async with running(db):
            db.signal("first")
            await until(lambda: real(0, heard))
            async with replica.transaction() as tx:
                await tx.fetch(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
                )

            async def again() -> bool:
                db.signal("again")
                return "again" in heard

            await until(again)


class TestPace:
    async def test_the_first_at_once_the_next_in_its_time(self):
        """REL-2 at 100 events a second: a look for each of them is what their sender can't afford."""
        loop, pace = asyncio.get_running_loop(), Pace(0.05)
        began = loop.time()
        await pace.keep()
        first = loop.time() - began
        await pace.keep()
        assert first < 0.03
        assert loop.time() - began >= 0.05
        await asyncio.sleep(0.06)
        began = loop.time()
        await pace.keep()
        assert loop.time() - began < 0.03

    async def test_some_ahead(self):
        """One person's few steps are never held up; whoever goes on like that is."""
        loop, pace = asyncio.get_running_loop(), Pace(0.05, burst=3)
        began = loop.time()
        for _ in range(3):
            await pace.keep()
        assert loop.time() - began < 0.04
        await pace.keep()
        assert loop.time() - began >= 0.049
