"""REL-5, REL-6: parked records are tried again by themselves, then wait for an operator, who lists, shows and replays them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from latchkey_cli import cli
from latchkey_contracts.event import Event
from latchkey_contracts.identity import RegistrationExpired
from servicekit.db import Database, Tx
from servicekit.errors import Overloaded, Permanent
from servicekit.events import inbox as inbox_module
from servicekit.events.inbox import QUICK_TRIES, RETRY_AFTER, Inbox, Subscription
from servicekit.events.parked import ParkedRetrier, depth, listing, readable_headers, replay, show
from servicekit.events.wakeups import Wakeups
from testkit.records import TOPIC, an_event, headers_of, record, until

EFFECT = "INSERT INTO work (kind, payload, trace, due_at) VALUES ($1, $2, '{}', $3)"

pytestmark = pytest.mark.usefixtures("clean", "logged")


class Handler:
    """Writes the event's version for its subject; fails with what `failing` has for the subject."""

    def __init__(self) -> None:
        self.failing: dict[str, Exception] = {}
        self.tried = 0

    async def __call__(self, tx: Tx, event: Event) -> None:
        self.tried += 1
        await tx.execute(EFFECT, event.subject, {"version": event.meta.aggregateversion}, tx.now)
        if error := self.failing.get(event.subject):
            raise error


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture
def inbox(db: Database, handler: Handler) -> Inbox:
    return Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: handler}), pause_seconds=0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(inbox_module.random, "uniform", lambda _low, _high: 0.001)


@contextlib.asynccontextmanager
async def retrying(db: Database, inbox: Inbox, poll: float = 0.02) -> AsyncIterator[None]:
    task = asyncio.create_task(ParkedRetrier(db, [(inbox, TOPIC)], Wakeups(db), poll_seconds=poll).run())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def work_off(db: Database, inbox: Inbox) -> int:
    """Everything that is due at this moment; how many records were tried."""
    retrier = ParkedRetrier(db, [(inbox, TOPIC)], Wakeups(db))
    count = 0
    while await retrier._try_one(inbox, TOPIC):
        count += 1
    return count


async def rows(db: Database) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch('SELECT * FROM parked ORDER BY "offset"')


async def done(db: Database, event: Event) -> list[int]:
    async with db.read() as conn:
        found = await conn.fetch("SELECT payload FROM work WHERE kind = $1 ORDER BY id", event.subject)
    return [row["payload"]["version"] for row in found]


async def park(inbox: Inbox, handler: Handler, error: Exception, event: Event | None = None, **more: Any) -> Event:
    event = event or an_event()
    handler.failing[event.subject] = error
    await inbox.consume([record(event, **more)])
    return event


class TestRetry:
    async def test_when_due_and_not_before(self, db, inbox, handler, clock):
        """REL-5: after 30 s, with the effect exactly once and nothing left over."""
        event = await park(inbox, handler, RuntimeError())
        handler.failing.clear()
        clock.move(29)
        assert await work_off(db, inbox) == 0
        clock.move(1)
        assert await work_off(db, inbox) == 1
        assert await done(db, event) == [1]
        assert await rows(db) == []
        await inbox.consume([record(event)])

    async def test_the_ladder_then_the_operator(self, db, inbox, handler, clock):
        """REL-5, INV-18: 30 s, 5 min, 1 h, then it waits; each try leaves no effect."""
        event = await park(inbox, handler, RuntimeError("x@posteo.example"))
        seen = []
        for _ in range(5):
            (row,) = await rows(db)
            seen.append((row["attempts"], row["due_at"] and row["due_at"] - row["last_tried_at"]))
            assert row["reason"] == "failed: RuntimeError"
            if row["due_at"] is not None:
                clock.move((row["due_at"] - clock.now()).total_seconds())
            await work_off(db, inbox)
        assert seen == [
            (QUICK_TRIES, RETRY_AFTER[0]),
            (QUICK_TRIES + 1, RETRY_AFTER[1]),
            (QUICK_TRIES + 2, RETRY_AFTER[2]),
            (QUICK_TRIES + 3, None),
            (QUICK_TRIES + 3, None),
        ]
        assert await done(db, event) == []

    async def test_permanent_now(self, db, inbox, handler, clock):
        event = await park(inbox, handler, RuntimeError())
        handler.failing[event.subject] = Permanent("the account is gone")
        clock.move(30)
        await work_off(db, inbox)
        (row,) = await rows(db)
        assert (row["reason"], row["due_at"]) == ("permanent: the account is gone", None)

    async def test_one_that_this_release_has_no_use_for(self, db, inbox, handler, clock):
        """A handler that is gone takes its parked records with it."""
        await park(inbox, handler, RuntimeError())
        clock.move(30)
        assert await work_off(db, Inbox(db, Subscription("mfa", "identity", {}))) == 1
        assert await rows(db) == []

    async def test_only_its_own(self, db, inbox, handler, clock):
        """Another consumer's record stays."""
        await park(inbox, handler, RuntimeError())
        clock.move(30)
        assert await work_off(db, Inbox(db, Subscription("notifier", "identity", inbox.subscription.handlers))) == 0

    async def test_two_replicas(self, db, replica, inbox, handler, clock):
        """REL-3: each record by one of them."""
        events = [await park(inbox, handler, RuntimeError(), offset=number) for number in range(12)]
        handler.failing.clear()
        clock.move(30)
        other = Inbox(replica, inbox.subscription)
        tried = await asyncio.gather(*(work_off(*pair) for pair in [(db, inbox), (replica, other)] * 2))
        assert sum(tried) == 12
        assert [await done(db, event) for event in events] == [[1]] * 12

    async def test_woken_when_something_is_parked_or_replayed(self, db, inbox, handler, clock):
        async with retrying(db, inbox, poll=30):
            event = await park(inbox, handler, Permanent("for now"))
            handler.failing.clear()
            async with db.transaction() as tx:
                await replay(tx, [row.id for row in await listing(tx)])

            async def look() -> bool:
                return await done(db, event) == [1]

            await until(look, seconds=3)

    @pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError()])
    async def test_an_outage_counts_no_attempt(self, db, inbox, handler, clock, error):
        event = await park(inbox, handler, RuntimeError())
        before = await rows(db)
        handler.failing[event.subject] = error
        clock.move(30)
        async with retrying(db, inbox):
            tried = handler.tried
            await until(lambda: asyncio.sleep(0, handler.tried > tried + 1))
        assert await rows(db) == before

    async def test_a_busy_peer_counts_no_attempt_and_holds_up_nobody(self, db, inbox, handler, clock):
        """REL-5: the record goes behind the others, as often as it takes."""
        shed = await park(inbox, handler, RuntimeError())
        other = await park(inbox, handler, RuntimeError(), offset=1)
        handler.failing = {shed.subject: Overloaded()}
        for _ in range(8):
            clock.move(30)
            await work_off(db, inbox)
            (row,) = await rows(db)
            assert (row["subject"], row["attempts"]) == (shed.subject, QUICK_TRIES)
        assert await done(db, other) == [1]
        handler.failing.clear()
        clock.move(30)
        await work_off(db, inbox)
        assert await done(db, shed) == [1]

    async def test_a_row_that_another_holds(self, kit_dsn, db, inbox, handler, clock, logged):
        """A follower that an operator's command has locked: the loop waits and goes on, and the process lives."""
        impatient = await Database.connect(kit_dsn, service="identity", origin="", clock=clock, pool_size=1)
        async with impatient.transaction() as tx:
            await tx.execute("SET lock_timeout = '50ms'")
        account = uuid4()
        first, follower = an_event(account), an_event(account)
        await park(inbox, handler, RuntimeError(), first)
        clock.move(20)
        await park(inbox, handler, RuntimeError(), follower, offset=1)
        handler.failing.clear()
        clock.move(10)

        async def look() -> bool:
            return await rows(db) == []

        async with contextlib.AsyncExitStack() as loop:
            async with db.transaction() as tx:
                await tx.fetch('SELECT FROM parked WHERE "offset" = 1 FOR UPDATE')
                await loop.enter_async_context(retrying(impatient, Inbox(impatient, inbox.subscription)))
                await until(lambda: asyncio.sleep(0, any(line["event"] == "parked.paused" for line in logged())))
            await until(look)
        await impatient.close()
        assert await done(db, first) == [1, 1]


class TestOrder:
    """REL-5: in order, where several of one subject wait."""

    async def test_followers_come_after_and_at_once(self, db, inbox, handler, clock):
        """When the first is done those behind it don't wait for their own times."""
        event = an_event()
        handler.failing[event.subject] = RuntimeError()
        for version in (1, 2, 3):
            await inbox.consume([record(an_event(event.account_id), version=version, offset=version)])
            clock.move(5)
        handler.failing.clear()
        clock.move(15)  # the first is due, the others would not be
        assert await work_off(db, inbox) == 3
        assert await done(db, event) == [1, 2, 3]


class TestOperator:
    """REL-6: inspect, replay one, all or some; dry run; idempotent."""

    async def test_list_and_show(self, db, inbox, handler, clock):
        first = await park(inbox, handler, Permanent("no key"), offset=4, partition=1)
        clock.move(1)
        second = await park(inbox, handler, RuntimeError(), offset=5)
        async with db.read() as conn:
            found = await listing(conn)
            assert [row.subject for row in found] == [first.subject, second.subject]
            assert [row.subject for row in await listing(conn, second.subject)] == [second.subject]
            row = await show(conn, found[0].id)
            assert await show(conn, uuid4()) is None
            count = await depth(conn)
        assert (row.topic, row.partition, row.offset, row.attempts) == (TOPIC, 1, 4, 1)
        assert row.reason == "permanent: no key"
        assert readable_headers(row)["type"] == first.event_type
        assert (count.depth, count.oldest) == (2, found[0].parked_at)

    async def test_replay(self, db, inbox, handler, clock):
        """Due at once, tried from the start, handled once however often it is said."""
        events = [await park(inbox, handler, Permanent("no key"), offset=number) for number in range(3)]
        handler.failing.clear()
        ids = [row["id"] for row in await rows(db)]
        for _ in range(2):
            async with db.transaction() as tx:
                assert await replay(tx, ids[:2]) == 2
        assert await work_off(db, inbox) == 2
        async with db.transaction() as tx:
            assert await replay(tx, ids[:2]) == 0
        assert await work_off(db, inbox) == 0
        assert [await done(db, event) for event in events] == [[1], [1], []]
        assert [row["id"] for row in await rows(db)] == ids[2:]

    async def test_replay_of_what_still_cant_be_read(self, db, inbox):
        bad = record(headers=[*headers_of(an_event()), ("nothing", None)], value=b"{")
        await inbox.consume([bad])
        async with db.transaction() as tx:
            await replay(tx, [row.id for row in await listing(tx)])
        assert await work_off(db, inbox) == 1
        (row,) = await rows(db)
        assert (row["reason"], row["due_at"], row["attempts"]) == ("malformed: value is not JSON", None, 1)

    async def test_a_replayed_failure_goes_the_whole_way_again(self, db, inbox, handler, clock):
        await park(inbox, handler, Permanent("no"))
        handler.failing = dict.fromkeys(handler.failing, RuntimeError())
        async with db.transaction() as tx:
            await replay(tx, [row.id for row in await listing(tx)])
        await work_off(db, inbox)
        (row,) = await rows(db)
        assert row["due_at"] == clock.now() + RETRY_AFTER[0]


class Commands:
    def __init__(self, dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._dsn = dsn
        self._capsys = capsys

    async def __call__(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was printed."""

        def run() -> int:
            with pytest.raises(SystemExit) as ended:
                cli.main(["parked", *arguments, "--dsn", self._dsn])
            return int(ended.value.code or 0)

        self._capsys.readouterr()
        code = await asyncio.to_thread(run)
        return code, self._capsys.readouterr().out


@pytest.fixture
def latchkey(kit_dsn: str, capsys: pytest.CaptureFixture[str]) -> Commands:
    return Commands(kit_dsn, capsys)


class TestCommands:
    """REL-6: `latchkey parked list | show | replay`."""

    async def test_list(self, inbox, handler, latchkey):
        first = await park(inbox, handler, Permanent("no key"))
        await inbox.consume([record(offset=1, value=b"{")])
        code, said = await latchkey("list")
        assert code == 0
        assert said.splitlines()[-1] == "2 parked"
        assert "permanent: no key" in said
        found = json.loads((await latchkey("list", "--json", "--subject", first.subject))[1])
        assert [(one["subject"], one["consumer"], one["offset"]) for one in found] == [(first.subject, "mfa", 0)]
        assert not {"value", "headers"} & set(found[0])

    async def test_show(self, db, inbox, handler, latchkey):
        event = await park(inbox, handler, Permanent("no key"))
        (row,) = await rows(db)
        code, said = await latchkey("show", str(row["id"]), "--service", "mfa")
        shown = json.loads(said)
        assert (code, shown["attributes"]["subject"]) == (0, event.subject)
        assert json.loads(shown["value"])["account_id"] == event.subject
        assert (await latchkey("show", str(uuid4()), "--service", "mfa"))[0] == 1

    async def test_replay(self, db, inbox, handler, latchkey):
        _, second, third = [await park(inbox, handler, Permanent("no"), offset=number) for number in range(3)]
        ids = [str(row["id"]) for row in await rows(db)]

        async def due() -> list[str]:
            return [str(row["id"]) for row in await rows(db) if row["due_at"] is not None]

        assert (await latchkey("replay", "--service", "mfa"))[0] == 2
        code, said = await latchkey("replay", "--service", "mfa", "--all", "--dry-run")
        assert (code, sorted(said.splitlines())) == (0, sorted([*ids, "3 would be replayed"]))
        assert await due() == []
        await latchkey("replay", "--service", "mfa", ids[0])
        assert await due() == ids[:1]
        await latchkey("replay", "--service", "mfa", "--subject", second.subject)
        assert await due() == ids[:2]
        await latchkey("replay", "--service", "mfa", "--type", "latchkey.identity.signed_in.v1")
        assert await due() == ids[:2]
        await latchkey("replay", "--service", "mfa", "--type", third.event_type)
        assert await due() == ids
