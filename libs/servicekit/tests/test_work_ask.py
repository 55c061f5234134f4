"""REL-5, REL-16: work that needs another service's answer asks with no transaction open, and is done once for all that."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from servicekit.db import Database, Tx
from servicekit.errors import Overloaded
from servicekit.events.wakeups import Wakeups
from servicekit.events.work import LEASE, AskFirst, Worker
from testkit.records import an_event

from .test_work import add, all_done, rows, working

pytestmark = pytest.mark.usefixtures("clean", "logged")
IDLE = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()"


class Asking:
    """Remembers what it was asked and told; raises the errors that it was given, one each, when it asks or when it works."""

    def __init__(self, db: Database, *, asking: tuple[Exception, ...] = (), working: tuple[Exception, ...] = ()) -> None:
        self._db, self._asking, self._working = db, list(asking), list(working)
        self.asked: list[list[str]] = []
        self.open: list[int] = []
        self.done: list[str] = []

    async def ask(self, items: Any) -> dict[str, str]:
        names = [payload["id"] for _, payload in items]
        self.asked.append(names)
        async with self._db.read() as conn:
            self.open.append(await conn.fetchval(IDLE))
        if self._asking:
            raise self._asking.pop(0)
        return {name: f"answer to {name}" for name in names}

    async def run(self, tx: Tx, items: Any, answers: dict[str, str]) -> None:
        for _, payload in items:
            self.done.append(answers[payload["id"]])
            await tx.emit(an_event())
        if self._working:
            raise self._working.pop(0)

    @property
    def handler(self) -> AskFirst:
        return AskFirst(self.ask, self.run)


async def published(db: Database) -> int:
    async with db.read() as conn:
        found: int = await conn.fetchval("SELECT count(*) FROM outbox")
    return found


async def three(db: Database) -> None:
    for name in "123":
        await add(db, payload={"id": name})


async def test_several_in_one_call_outside_of_any_transaction(db):
    """REL-16."""
    asking = Asking(db)
    await three(db)
    assert await Worker(db, {"look": asking.handler}, Wakeups(db))._do_some() == 3
    assert (asking.asked, asking.open) == ([["1", "2", "3"]], [0])
    assert asking.done == ["answer to 1", "answer to 2", "answer to 3"]
    assert (await rows(db), await published(db)) == ([], 3)


async def test_done_soon(db):
    """By the running worker, beside work of other kinds."""
    asking, others = Asking(db), []

    async def other(_tx: Tx, payload: Any) -> None:
        others.append(payload["id"])

    async with working(db, {"look": asking.handler, "other": other}):
        await three(db)
        await add(db, "other", payload={"id": "4"})
        await all_done(db)
    assert (sorted(asking.done), others) == (["answer to 1", "answer to 2", "answer to 3"], ["4"])


async def test_one_call_each_where_they_differ(db):
    asking = Asking(db)
    await three(db)
    handler = AskFirst(asking.ask, asking.run, together=False)
    await Worker(db, {"look": handler}, Wakeups(db))._do_some()
    assert asking.asked == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize("where", ["asking", "working"])
async def test_what_fails_is_undone_and_tried_alone(db, clock, where: str):
    """REL-5: one failure counts once, and holds up nobody."""
    asking = Asking(db, **{where: (RuntimeError("all"), RuntimeError("the first"))})
    await three(db)
    worker = Worker(db, {"look": asking.handler}, Wakeups(db))
    await worker._do_some()
    (left,) = await rows(db)
    assert (left["payload"], left["attempts"], left["due_at"]) == ({"id": "1"}, 1, clock.now() + timedelta(seconds=2))
    assert await published(db) == 2
    clock.move(2)
    await worker._do_some()
    assert (await rows(db), await published(db)) == ([], 3)


async def test_a_busy_peer_counts_no_attempt(db, clock):
    asking = Asking(db, asking=(Overloaded(3),))
    await three(db)
    worker = Worker(db, {"look": asking.handler}, Wakeups(db))
    with pytest.raises(Overloaded):
        await worker._do_some()
    assert {(row["attempts"], row["due_at"]) for row in await rows(db)} == {(0, clock.now() + timedelta(seconds=3))}
    clock.move(3)
    assert await worker._do_some() == 3
    assert await published(db) == 3


async def test_left_alone_by_others_while_it_asks(db, replica, clock):
    """REL-5: and done by another once whoever asked is gone."""
    begun, go = asyncio.Event(), asyncio.Event()
    asking, slow = Asking(db), Asking(db)

    async def ask(items: Any) -> dict[str, str]:
        begun.set()
        await go.wait()
        return await slow.ask(items)

    await three(db)
    first = asyncio.create_task(Worker(db, {"look": AskFirst(ask, slow.run)}, Wakeups(db))._do_some())
    await begun.wait()
    second = Worker(replica, {"look": asking.handler}, Wakeups(replica))
    assert await second._do_some() == 0
    clock.move(LEASE.total_seconds())
    assert await second._do_some() == 3
    go.set()
    await first
    assert (slow.done, len(asking.done), await published(db)) == ([], 3, 3)


async def test_given_back_when_it_is_stopped(db):
    """REL-12: nobody waits for the end of the lease."""

    async def ask(_items: Any) -> None:
        await asyncio.Event().wait()

    asking = Asking(db)
    await three(db)
    task = asyncio.create_task(Worker(db, {"look": AskFirst(ask, asking.run)}, Wakeups(db))._do_some())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Worker(db, {"look": asking.handler}, Wakeups(db))._do_some() == 3
