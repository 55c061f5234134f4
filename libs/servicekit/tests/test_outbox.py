"""REL-2: the relay sends what is pending, in order, at least once, whoever dies in between."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.identity import SelfServicePolicyPublished
from latchkey_contracts.topics import events_topic
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.events import outbox
from servicekit.events.kafka import KafkaSettings
from servicekit.events.outbox import LOCK, Relay, _stopped
from servicekit.events.wakeups import Wakeups
from servicekit.outgoing import MOST_BYTES, EventTooLarge
from testkit.cable import Cable
from testkit.records import an_event, read_topic, until

LEADERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
async def db(kit_dsn: str, clock: ManualClock, kafka: KafkaSettings) -> AsyncIterator[Database]:
    database = await Database.connect(
        kit_dsn,
        service="identity",
        origin="https://id.example",
        clock=clock,
        pool_size=20,
        topic_prefix=kafka.topic_prefix,
    )
    yield database
    await database.close()


@dataclass
class Fakes:
    """Producers whose acknowledgements the test gives; `made` are all of them."""

    fail: Callable[[int], Exception | None] = lambda _number: None
    refuse: Callable[[bytes], Exception | None] = lambda _value: None
    hold: bool = False
    made: list["FakeProducer"] = field(default_factory=list)
    stored: list[Event] = field(default_factory=list)

    def producer(self) -> "FakeProducer":
        self.made.append(FakeProducer(self))
        return self.made[-1]


class FakeProducer:
    def __init__(self, fakes: Fakes) -> None:
        self.fakes = fakes
        self.futures: list[asyncio.Future[None]] = []
        self.stopped = False

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.stopped = True

    async def send(self, _topic: str, *, key: bytes, value: bytes, headers: Any) -> asyncio.Future[None]:
        if refused := self.fakes.refuse(value):
            raise refused
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if error := self.fakes.fail(len(self.futures)):
            future.set_exception(error)
        else:
            self.fakes.stored.append(wire.decode(value, headers))
            if not self.fakes.hold:
                future.set_result(None)
        return future


@contextlib.asynccontextmanager
async def running(db: Database, kafka: Any, *, poll: float = 0.05, wakeups: Wakeups | None = None) -> AsyncIterator[Relay]:
    relay = Relay(db, kafka, wakeups or Wakeups(db), poll_seconds=poll)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def emit(db: Database, *accounts: UUID) -> None:
    for account in accounts:
        async with db.transaction() as tx:
            await tx.emit(an_event(account))


async def pending(db: Database) -> int:
    async with db.read() as conn:
        return await conn.fetchval("SELECT count(*) FROM outbox")


async def sent(db: Database, *, seconds: float = 10) -> None:
    async def nothing_left() -> bool:
        return await pending(db) == 0

    await until(nothing_left, seconds=seconds)


async def published(kafka: KafkaSettings, count: int) -> list[Event]:
    records = await read_topic(kafka.bootstrap, events_topic("identity", kafka.topic_prefix), count)
    return [wire.decode(one.value, one.headers) for one in records]


def versions(events: list[Event]) -> dict[str, list[int]]:
    found = defaultdict(list)
    for event in events:
        found[event.subject].append(event.meta.aggregateversion)
    return dict(found)


class TestPublish:
    async def test_the_record(self, db, kafka):
        """EVT-1, EVT-4: binary mode, key = subject, the version counted at the commit; EVT-2: the id is the row's."""
        account = uuid4()
        async with db.transaction() as tx:
            await tx.emit(an_event(account))
            await tx.emit(an_event(account))
        async with db.read() as conn:
            ids = [row["attributes"]["id"] for row in await conn.fetch("SELECT attributes FROM outbox ORDER BY id")]
        async with running(db, kafka):
            await sent(db)
        records = await read_topic(kafka.bootstrap, events_topic("identity", kafka.topic_prefix), 2)
        assert [one.key for one in records] == [str(account).encode()] * 2
        headers = [dict(one.headers) for one in records]
        assert [one["ce_id"].decode() for one in headers] == ids
        assert [one["ce_aggregateversion"] for one in headers] == [b"1", b"2"]
        assert headers[0]["content-type"] == b"application/json"
        assert headers[0]["ce_partitionkey"] == headers[0]["ce_subject"] == records[0].key

    async def test_order_per_account_under_concurrent_writers(self, db, kafka):
        """EVT-4, REL-2: 16 writers, 4 accounts, pauses inside and outside of the transactions."""
        accounts = [uuid4() for _ in range(4)]

        async def write() -> None:
            for _ in range(8):
                async with db.transaction() as tx:
                    await tx.emit(an_event(random.choice(accounts)))
                    await asyncio.sleep(random.uniform(0, 0.01))

        async with running(db, kafka):
            await asyncio.gather(*(write() for _ in range(16)))
            await sent(db)
        found = versions(await published(kafka, 128))
        assert sum(map(len, found.values())) == 128
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in found.values())

    async def test_ids_that_commit_out_of_order(self, db):
        """REL-2: a row whose id is lower than one already sent is sent, too, once it is committed."""
        fakes = Fakes()
        early, late = an_event(), an_event()
        async with running(db, fakes):
            async with db.transaction() as tx:
                await tx.emit(early)
                await emit(db, late.account_id)
                await sent(db)
                assert [one.subject for one in fakes.stored] == [late.subject]
            await sent(db)
        assert [one.subject for one in fakes.stored] == [late.subject, early.subject]

    async def test_woken_by_the_commit_not_by_the_poll(self, db):
        """A process that relays for itself doesn't wait for the next look."""
        fakes = Fakes()
        async with running(db, fakes, poll=30) as relay:
            await until(lambda: asyncio.sleep(0, relay.leading))
            await emit(db, uuid4())
            await sent(db, seconds=2)

    async def test_more_than_a_batch(self, db, monkeypatch):
        """A full batch is followed by the next one at once."""
        monkeypatch.setattr(outbox, "BATCH", 3)
        fakes = Fakes()
        account = uuid4()
        await emit(db, *[account] * 8)
        async with running(db, fakes, poll=30):
            await sent(db, seconds=2)
        assert versions(fakes.stored) == {str(account): list(range(1, 9))}


class TestLeader:
    async def test_one_of_two(self, db, replica, kafka):
        """REL-2: the other stands by, and takes over when the first is gone; order holds, nothing is lost."""
        account = uuid4()
        async with running(replica, kafka) as second:
            async with running(db, kafka) as first:
                await until(lambda: asyncio.sleep(0, first.leading or second.leading))
                leader, other = (first, second) if first.leading else (second, first)
                for _ in range(10):
                    await emit(db, account)
                    assert leader.leading
                    assert not other.leading
                await sent(db)
                async with db.read() as conn:
                    assert len(await conn.fetch(LEADERS, LOCK)) == 1
            await emit(db, *[account] * 5)
            await sent(db)
            assert second.leading
            assert not first.leading
        assert versions(await published(kafka, 15)) == {str(account): list(range(1, 16))}

    async def test_one_that_loses_its_session(self, db):
        """The lock is gone with the session, so it stops there and then and begins anew."""
        fakes = Fakes()
        account = uuid4()
        async with running(db, fakes) as relay:
            for _ in range(3):
                await until(lambda: asyncio.sleep(0, relay.leading))
                async with db.transaction() as tx:
                    (leader,) = await tx.fetch(LEADERS, LOCK)
                    await tx.fetchval("SELECT pg_terminate_backend($1)", leader["pid"])
                await emit(db, account)
                await sent(db)
        assert versions(fakes.stored) == {str(account): [1, 2, 3]}

    async def test_one_that_is_shut_down_in_the_middle(self, db, clock):
        """The server ends the session while a statement waits (57P01): that is an outage, not a crash of the loop."""
        fakes = Fakes()
        await emit(db, uuid4())
        async with db.transaction() as blocker:
            await blocker.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            async with running(db, fakes) as relay:

                async def waits() -> Any:
                    return await blocker.fetchval("SELECT pid FROM pg_locks WHERE relation = 'outbox'::regclass AND NOT granted")

                pid = await until(waits)
                await blocker.fetchval("SELECT pg_terminate_backend($1)", pid)
                await until(lambda: asyncio.sleep(0, not relay.leading))
                await until(waits)  # and it tries again
        assert await pending(db) == 1


class TestTooLarge:
    """What Kafka would refuse for ever never gets into its way: it would hold up every later event of the service."""

    async def test_refused_where_it_is_made(self, db):
        """The use case fails, and nothing of it is written; the limit counts attributes, too."""
        small, large = (
            an_event(),
            SelfServicePolicyPublished(policy_id=uuid4(), name="Big", revision=1, content={"x": "é" * 450_000}),
        )

        async def use_case() -> None:
            async with db.transaction() as tx:
                await tx.emit(small)
                await tx.emit(large)

        with pytest.raises(EventTooLarge) as caught:
            await use_case()
        assert caught.value.event_type == large.event_type
        assert caught.value.size > 900_000
        assert await pending(db) == 0

    async def test_the_largest_goes_out(self, db, kafka):
        event = SelfServicePolicyPublished(policy_id=uuid4(), name="Big", revision=1, content={"x": ""})
        empty = len(event.model_dump_json())
        content = {"x": "x" * (MOST_BYTES - 2000 - empty)}
        async with db.transaction() as tx:
            await tx.emit(event.model_copy(update={"content": content}))
        async with running(db, kafka):
            await sent(db)

    @pytest.mark.parametrize("at_once", [False, True])
    async def test_one_that_is_there_already(self, db, logged, at_once):
        """Refused by our client or by the broker: whoever looks finds its row, and nobody looks at the broker."""
        accounts = [uuid4() for _ in range(3)]
        await emit(db, *accounts)
        async with db.transaction() as tx:
            await tx.execute("UPDATE outbox SET value = value || repeat(' ', 1000)::bytea WHERE subject = $1", str(accounts[1]))
            row = await tx.fetchrow("SELECT id FROM outbox WHERE subject = $1", str(accounts[1]))
        fakes = Fakes(fail=lambda number: MessageSizeTooLargeError() if number in {1, 2} else None)
        if at_once:
            fakes = Fakes(refuse=lambda value: MessageSizeTooLargeError() if len(value) > 1000 else None)
        async with running(db, fakes):
            await until(lambda: asyncio.sleep(0, len(fakes.made) == 2))
        lines = [one for one in logged() if one["event"] in {"relay.event_too_large", "relay.broker_unavailable"}]
        assert {one["event"] for one in lines} == {"relay.event_too_large"}
        assert (lines[0]["level"], lines[0]["outbox_id"], lines[0]["type"]) == ("error", row["id"], an_event().event_type)
        assert await pending(db) == 3


class TestLeaderLost:
    """REL-2: a leader whose host is gone without a word gives the lock back, though nothing ever closes its connection."""

    async def test_the_server_looks_after_its_sessions(self, db):
        connection = await db.dedicated(idle_session_timeout="30000")
        try:
            names = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout")
            found = {name: await connection.fetchval(f"SHOW {name}") for name in (*names, "idle_session_timeout")}
        finally:
            connection.terminate()
        assert list(found.values()) in (
            ["10", "5", "3", "25000", "30s"],
            ["0", "0", "0", "0", "30s"],  # over a Unix socket nobody gets lost
        )

    async def test_another_leads_soon(self, db, kit_dsn, clock, kafka, monkeypatch):
        """Its kernel still answers; only it says nothing any more."""
        monkeypatch.setattr(outbox, "IDLE_SECONDS", 1.0)
        cable = Cable(kit_dsn)
        await cable.plug()
        far = await Database.connect(cable.dsn, service="identity", origin="https://id.example", clock=clock)
        fakes = Fakes()
        try:
            async with running(far, fakes) as lost:
                await until(lambda: asyncio.sleep(0, lost.leading))
                cable.hold()
                async with running(db, fakes) as other:
                    await until(lambda: asyncio.sleep(0, other.leading), seconds=5)
                    await emit(db, uuid4())
                    await sent(db)
        finally:
            await cable.cut()
            far._pool.terminate()

    async def test_one_that_has_nothing_to_send_keeps_it(self, db, monkeypatch):
        """Whatever its poll: it speaks in time."""
        monkeypatch.setattr(outbox, "IDLE_SECONDS", 1.0)
        older = "SELECT backend_start < clock_timestamp() - interval '2 s' FROM pg_stat_activity WHERE pid = $1"
        async with running(db, Fakes(), poll=30) as relay:
            await until(lambda: asyncio.sleep(0, relay.leading))
            async with db.read() as conn:
                (leader,) = await conn.fetch(LEADERS, LOCK)
                await until(lambda: conn.fetchval(older, leader["pid"]))
                assert await conn.fetch(LEADERS, LOCK) == [leader]

    def test_the_longest_silence(self):
        """With the broker away: a send that hangs, a producer that doesn't start and doesn't stop, then the pause."""
        silence = outbox.SEND_SECONDS + 2 * outbox.STOP_SECONDS + outbox.MOST_DELAY
        assert silence < outbox.IDLE_SECONDS * 2 / 3


class TestBrokerAway:
    async def test_rows_stay_until_the_acknowledgement(self, db):
        """REL-1: handed over is not delivered."""
        fakes = Fakes(hold=True)
        await emit(db, uuid4(), uuid4())
        async with running(db, fakes):
            await until(lambda: asyncio.sleep(0, len(fakes.stored) == 2))
            first, second = fakes.made[0].futures
            first.set_result(None)
            await asyncio.sleep(0.1)
            assert await pending(db) == 2
            second.set_result(None)
            await sent(db)
        assert len(fakes.stored) == 2

    @pytest.mark.parametrize("error", [KafkaError(), UnknownTopicOrPartitionError()])
    async def test_an_error_loses_nothing_and_keeps_the_order(self, db, error):
        """One of three is refused: all three go again, by a new producer, with the ids that they had (EVT-2)."""
        account = uuid4()
        await emit(db, *[account] * 3)
        fakes = Fakes(fail=lambda number: error if number == 2 and len(fakes.made) == 1 else None)
        async with running(db, fakes):
            await sent(db)
        assert len(fakes.made) == 2
        assert fakes.made[0].stopped
        assert [one.meta.aggregateversion for one in fakes.stored] == [1, 3, 1, 2, 3]
        assert len({one.meta.id for one in fakes.stored}) == 3

    async def test_a_broker_that_never_answers(self, db, monkeypatch):
        """Only a new producer is sure to go on."""
        monkeypatch.setattr(outbox, "SEND_SECONDS", 0.1)
        fakes = Fakes(hold=True)
        await emit(db, uuid4())
        async with running(db, fakes):
            await until(lambda: asyncio.sleep(0, len(fakes.made) == 2))
            assert await pending(db) == 1
            fakes.hold = False
            await sent(db)
        assert [one.stopped for one in fakes.made][:2] == [True, True]
        assert len({one.meta.id for one in fakes.stored}) == 1

    async def test_a_producer_that_is_given_up_leaves_nothing_behind(self, kafka, monkeypatch):
        """Its stop waits for a broker that never answers; nothing of it goes on trying."""
        monkeypatch.setattr("servicekit.events.outbox.STOP_SECONDS", 0.3)
        producer, topic = kafka.producer(), events_topic("identity", kafka.topic_prefix)
        await producer.start()
        await producer.send_and_wait(topic, b"so that the topic's leader is known")

        async def never(*_given: Any, **_more: Any) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(next(iter(producer.client._conns.values())).__class__, "send", never)
        async with asyncio.timeout(10):
            await producer.send(topic, b"on its way")
            await asyncio.sleep(0.1)
            await _stopped(producer)
        await asyncio.sleep(0.05)
        assert producer._sender.sender_task.done()
        assert not [one for one in asyncio.all_tasks() if "aiokafka" in str(one.get_coro())]

    async def test_nobody_there(self, db, kafka):
        """REL-10: the outbox grows; when the broker is back everything goes out."""
        away = KafkaSettings("127.0.0.1:9", kafka.topic_prefix)
        account = uuid4()
        async with running(db, away) as relay:
            await until(lambda: asyncio.sleep(0, relay.leading))
            await emit(db, *[account] * 3)
            await asyncio.sleep(0.1)
            assert await pending(db) == 3
            relay._kafka = kafka
            await sent(db)
        assert versions(await published(kafka, 3)) == {str(account): [1, 2, 3]}

    async def test_dead_between_acknowledgement_and_delete(self, db, monkeypatch):
        """EVT-2: the next relay sends it again, under the same id, so that consumers know it."""
        fakes = Fakes()
        await emit(db, uuid4())

        def die(name: str) -> None:
            if name == "before_mark":
                raise asyncio.CancelledError

        monkeypatch.setattr(outbox, "failpoint", die)
        with pytest.raises(asyncio.CancelledError):
            await Relay(db, fakes, Wakeups(db)).run()
        assert await pending(db) == 1
        monkeypatch.undo()
        async with running(db, fakes):
            await sent(db)
        assert len(fakes.stored) == 2
        assert len({one.meta.id for one in fakes.stored}) == 1
