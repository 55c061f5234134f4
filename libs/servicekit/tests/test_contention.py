"""REL-4, REL-5, REL-6: a lock that another holds is nobody's fault; each parked record has its whole ladder; given-up work is seen."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from latchkey_cli import cli
from latchkey_contracts.event import Event
from latchkey_contracts.identity import RegistrationExpired
from servicekit.db import Contention, Database, Tx
from servicekit.errors import Permanent
from servicekit.events import inbox as inbox_module
from servicekit.events import wakeups as wakeups_module
from servicekit.events.inbox import QUICK_TRIES, RETRY_AFTER, Inbox, Subscription
from servicekit.events.outbox import Relay
from servicekit.events.parked import ParkedRetrier, replay
from servicekit.events.wakeups import Wakeups
from servicekit.events.work import MAX_ATTEMPTS, Worker, enqueue, retry
from servicekit.process.health import Health
from testkit.records import TOPIC, an_event, record, until

TAKE = "UPDATE aggregate_version SET version = version + 1 WHERE subject = 'held'"

pytestmark = pytest.mark.usefixtures("clean", "logged")


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(inbox_module.random, "uniform", lambda _low, _high: 0.001)


@pytest.fixture
async def impatient(kit_dsn: str, clock) -> AsyncIterator[Database]:
    """One connection, and one for each loop that wants its own; all of them wait 50 ms for a lock."""
    separator = "&" if "?" in kit_dsn else "?"
    database = await Database.connect(
        f"{kit_dsn}{separator}lock_timeout=50", service="identity", origin="", clock=clock, pool_size=1
    )
    async with database.transaction() as tx:
        await tx.execute("SET lock_timeout = '50ms'")  # `connect` has its own opinion
    yield database
    await database.close()


@contextlib.asynccontextmanager
async def held(db: Database) -> AsyncIterator[None]:
    """Another transaction has the row that `TAKE` wants."""
    async with db.transaction() as tx:
        await tx.execute("INSERT INTO aggregate_version (subject, version) VALUES ('held', 1) ON CONFLICT DO NOTHING")
    async with db.transaction() as tx:
        await tx.execute(TAKE)
        yield


@contextlib.asynccontextmanager
async def running(loop: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """The loop must still run at the end: one that ends takes its process with it."""
    task = asyncio.ensure_future(loop())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, *Contention):
            await task


async def said(logged: Callable[[], list[dict[str, Any]]], name: str) -> None:
    await until(lambda: asyncio.sleep(0, any(line["event"] == name for line in logged())))


async def parked(db: Database) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch('SELECT * FROM parked ORDER BY "offset"')


class Handler:
    """Takes the row that may be held for the subjects in `wanting`, fails for those in `failing`."""

    def __init__(self) -> None:
        self.wanting: set[str] = set()
        self.failing: dict[str, Exception] = {}
        self.done: list[str] = []

    async def __call__(self, tx: Tx, event: Event) -> None:
        if event.subject in self.wanting:
            await tx.execute(TAKE)
        if error := self.failing.get(event.subject):
            raise error
        self.done.append(event.subject)


@pytest.fixture
def handler() -> Handler:
    return Handler()


def inbox_of(db: Database, handler: Handler) -> Inbox:
    return Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: handler}), pause_seconds=0.01)


async def work_off(inbox: Inbox) -> None:
    retrier = ParkedRetrier(inbox.db, [(inbox, TOPIC)], Wakeups(inbox.db))
    while await retrier._try_one(inbox, TOPIC):
        pass


class TestLoops:
    """REL-4: a deadlock or a lock timeout in a loop's own statements ends no loop."""

    async def test_relay(self, db, impatient, kafka, logged):
        relay = Relay(impatient, kafka, Wakeups(impatient), poll_seconds=0.02)
        async with running(relay.run):
            async with db.transaction() as tx:
                await tx.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
                await said(logged, "relay.database_unavailable")
            await until(lambda: asyncio.sleep(0, relay.leading))

    async def test_wakeups(self, db, monkeypatch, logged):
        """NOTIFY takes a lock of the whole database while it commits; that can't be held from outside, so it is said here."""
        real, refusals = db.dedicated, [error("held") for error in Contention]

        async def dedicated() -> Any:
            if refusals:
                raise refusals.pop()
            return await real()

        sleep = asyncio.sleep
        monkeypatch.setattr(db, "dedicated", dedicated)
        monkeypatch.setattr(wakeups_module.asyncio, "sleep", lambda seconds, result=None: sleep(min(seconds, 0.01), result))
        async with running(Wakeups(db).run):
            await until(lambda: asyncio.sleep(0, not refusals))
        assert [line["error"] for line in logged() if line["event"] == "wakeups.disconnected"] == [
            error.__name__ for error in reversed(Contention)
        ]

    async def test_work(self, db, impatient, logged):
        """Nor is it an attempt."""

        async def take(tx: Tx, _payload: dict[str, Any]) -> None:
            await tx.execute(TAKE)

        async with running(Worker(impatient, {"take": take}, Wakeups(impatient), poll_seconds=0.02, lanes=1).run):
            async with held(db):
                async with db.transaction() as tx:
                    await enqueue(tx, "take", {})
                await said(logged, "work.paused")
                async with db.read() as conn:
                    assert await conn.fetchval("SELECT attempts FROM work") == 0

            async def look() -> bool:
                async with db.read() as conn:
                    return bool(await conn.fetchval("SELECT count(*) = 0 FROM work"))

            await until(look)


class TestHandlers:
    async def test_the_batch_comes_again(self, db, impatient, handler):
        """REL-4: also when its records are handled one by one; nothing of it is done, parked or acknowledged."""
        inbox, bad, wanting = inbox_of(impatient, handler), an_event(), an_event()
        handler.failing = {bad.subject: RuntimeError()}
        handler.wanting = {wanting.subject}
        batch = [record(bad), record(wanting, offset=1)]
        async with held(db):
            with pytest.raises(Contention):
                await inbox.consume(batch)
            assert await parked(db) == []
        assert handler.done == []
        await inbox.consume(batch)
        assert handler.done == [wanting.subject]
        assert [row["subject"] for row in await parked(db)] == [bad.subject]

    async def test_a_parked_record_loses_no_attempt(self, db, impatient, handler, clock):
        """REL-5: it goes behind the others, as with a busy peer."""
        inbox, wanting, other = inbox_of(impatient, handler), an_event(), an_event()
        handler.failing = {wanting.subject: RuntimeError(), other.subject: RuntimeError()}
        await inbox.consume([record(wanting), record(other, offset=1)])
        handler.failing.clear()
        handler.wanting = {wanting.subject}
        clock.move(30)
        async with held(db):
            await work_off(inbox)
        (row,) = await parked(db)
        assert (row["subject"], row["attempts"], row["due_at"]) == (wanting.subject, QUICK_TRIES, clock.now() + RETRY_AFTER[0])
        assert handler.done == [other.subject]
        clock.move(30)
        await work_off(inbox)
        assert handler.done == [other.subject, wanting.subject]


class TestLadder:
    """REL-5, INV-18: 30 s, 5 min, 1 h, then an operator, however a record came to be parked."""

    async def pauses(self, inbox: Inbox, clock: Any, subject: str, offset: int) -> list[timedelta | None]:
        """How long the record waits after each of its failures, until nobody but an operator tries it again."""
        found: list[timedelta | None] = []
        while not found or found[-1] is not None:
            await work_off(inbox)
            (row,) = [one for one in await parked(inbox.db) if (one["subject"], one["offset"]) == (subject, offset)]
            found.append(row["due_at"] and row["due_at"] - clock.now())
            assert len(found) < 10
            clock.move(found[-1].total_seconds() if found[-1] else 0)
        return found

    async def test_after_the_quick_tries(self, db, handler, clock):
        inbox, event = inbox_of(db, handler), an_event()
        handler.failing = {event.subject: RuntimeError()}
        await inbox.consume([record(event)])
        assert await self.pauses(inbox, clock, event.subject, 0) == [*RETRY_AFTER, None]

    @pytest.mark.parametrize("error", [Permanent("no"), RuntimeError()])
    async def test_replayed(self, db, handler, clock, error):
        """Whether it had been tried three times or once, and as often as it is replayed."""
        inbox, event = inbox_of(db, handler), an_event()
        handler.failing = {event.subject: error}
        await inbox.consume([record(event)])
        handler.failing = {event.subject: RuntimeError()}
        for _ in range(2):
            async with db.transaction() as tx:
                await replay(tx, [row["id"] for row in await parked(db)])
            assert await self.pauses(inbox, clock, event.subject, 0) == [*RETRY_AFTER, None]


class TestGivenUpWork:
    """INV-18, REL-6: `latchkey work list | retry`, and a gauge."""

    @pytest.fixture
    async def rows(self, db: Database, clock) -> list[int]:
        """Two given up, one that is due, one that is not; the ids of the first two."""
        async with db.transaction() as tx:
            for kind in ("look_up", "tell", "look_up"):
                await enqueue(tx, kind, {"flow": "17"})
            await enqueue(tx, "tell", {}, due_at=clock.now() + timedelta(hours=1))
            await tx.execute(
                "UPDATE work SET failed_at = $1, attempts = $2, reason = 'KeyError' WHERE id <= 2", tx.now, MAX_ATTEMPTS
            )
        return [1, 2]

    @pytest.fixture
    def latchkey(self, kit_dsn: str, capsys) -> Callable[..., Awaitable[tuple[int, str]]]:
        async def run(*arguments: str) -> tuple[int, str]:
            def main() -> int:
                with pytest.raises(SystemExit) as ended:
                    cli.main(["work", *arguments, "--dsn", kit_dsn])
                return int(ended.value.code or 0)

            capsys.readouterr()
            return await asyncio.to_thread(main), capsys.readouterr().out

        return run

    async def waiting(self, db: Database) -> list[tuple[int, int, datetime]]:
        async with db.read() as conn:
            found = await conn.fetch("SELECT id, attempts, due_at FROM work WHERE failed_at IS NULL ORDER BY id")
        return [(row["id"], row["attempts"], row["due_at"]) for row in found]

    async def test_list(self, rows, latchkey):
        code, text = await latchkey("list")
        assert code == 0
        first, second, last = text.splitlines()
        assert (first.split()[:4], second.split()[:4]) == (["service", "1", "look_up", "12"], ["service", "2", "tell", "12"])
        assert last == "2 given up"
        found = json.loads((await latchkey("list", "--json", "--kind", "tell"))[1])
        assert [(one["id"], one["kind"], one["reason"]) for one in found] == [(2, "tell", "KeyError")]
        assert found[0]["payload"] == {"flow": "17"}

    async def test_retry(self, db, rows, latchkey, clock):
        """Only what was given up; as if it had never been tried; once, however often it is said."""
        before = await self.waiting(db)
        assert (await latchkey("retry", "--service", "mfa"))[0] == 2
        assert await latchkey("retry", "--service", "mfa", "--all", "--dry-run") == (0, "1\n2\n2 would be retried\n")
        assert await latchkey("retry", "--service", "mfa", "3", "99") == (0, "0 made due\n")
        assert await self.waiting(db) == before
        assert await latchkey("retry", "--service", "mfa", "--kind", "tell") == (0, "2\n1 made due\n")
        assert await latchkey("retry", "--service", "mfa", "1", "2") == (0, "1\n1 made due\n")
        assert await latchkey("retry", "--service", "mfa", "--all") == (0, "0 made due\n")
        after = await self.waiting(db)
        assert [(number, attempts) for number, attempts, _ in after] == [(1, 0), (2, 0), (3, 0), (4, 0)]
        assert after[2:] == before

    async def test_is_done_then(self, db, rows):
        """By the clock of the test: the command has the real one."""
        async with db.transaction() as tx:
            assert await retry(tx, [1, 3, 99]) == 1
        seen: list[dict[str, Any]] = []

        async def look_up(_tx: Tx, payload: dict[str, Any]) -> None:
            seen.append(payload)

        worker = Worker(db, {"look_up": look_up}, Wakeups(db))
        while await worker._do_some():
            pass
        assert seen == [{"flow": "17"}] * 2

    async def test_gauges(self, db, rows, clock):
        health = Health("kit", db, clock, None)
        health._schema = []  # these tables were made without the list of migrations
        await health.measure()
        values = {gauge.name: gauge.samples[0].value for gauge in health.collect()}
        assert (values["latchkey_work"], values["latchkey_work_given_up"]) == (1, 2)
