"""EVT-2, REL-3, REL-4, REL-5: each event has its effect once, a bad one never blocks, none is lost."""

import ast
import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka.subscriber.usecase import BatchSubscriber
from latchkey_contracts.event import Event
from latchkey_contracts.identity import RegistrationExpired, SignInFailed
from latchkey_contracts.topics import RETENTION_MS, events_topic
from servicekit.context import current_trace
from servicekit.db import Database, DatabaseUnavailable, Tx
from servicekit.errors import Overloaded, Permanent
from servicekit.events import inbox as inbox_module
from servicekit.events.broker import make_broker, subscribe
from servicekit.events.inbox import KEEP_INBOX, QUICK_TRIES, RETRY_AFTER, Inbox, Only, Subscription, purge
from servicekit.events.kafka import KafkaSettings
from testkit.records import ORIGIN, TOPIC, an_event, create_topic, headers_of, record, until

ROOT = Path(__file__).parents[3]
EFFECT = "INSERT INTO work (kind, payload, trace, due_at) VALUES ($1, '{}', '{}', $2)"

pytestmark = pytest.mark.usefixtures("clean", "logged")


@dataclass
class Effects:
    """A handler that writes one row an event, and fails when it is told to."""

    tried: list[str] = field(default_factory=list)
    failures: dict[str, list[Exception]] = field(default_factory=dict)

    async def __call__(self, tx: Tx, event: Event) -> None:
        self.tried.append(event.subject)
        await tx.execute(EFFECT, event.subject, tx.now)
        await tx.emit(an_event())
        if failures := self.failures.get(event.subject):
            raise failures.pop(0)

    def fail(self, event: Event, error: Exception, times: int = 10_000) -> None:
        self.failures[event.subject] = [error] * times


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def inbox(db: Database, effects: Effects) -> Inbox:
    return Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: effects}), pause_seconds=0.01)


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """The pauses between quick tries are for real outages."""
    real = asyncio.sleep
    monkeypatch.setattr(inbox_module.asyncio, "sleep", lambda seconds, result=None: real(min(seconds, 0.02), result))


async def done(db: Database) -> list[str]:
    """Subjects of the effects, in their order; each has its event in the outbox, too."""
    async with db.read() as conn:
        row = await conn.fetchrow("SELECT (SELECT array_agg(kind ORDER BY id) FROM work) AS kinds, (SELECT count(*) FROM outbox)")
        found = row["kinds"] or []
        assert len(found) == row["count"]
        return found


async def parked(db: Database) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch('SELECT * FROM parked ORDER BY "offset"')


def subjects(*events: Event) -> list[str]:
    return [event.subject for event in events]


class TestEffects:
    async def test_once_each_in_order(self, db, inbox):
        events = [an_event() for _ in range(5)]
        await inbox.consume([record(event, offset=number) for number, event in enumerate(events)])
        assert await done(db) == subjects(*events)
        assert await parked(db) == []

    async def test_what_nobody_handles_is_known_by_its_header(self, db, inbox, monkeypatch):
        """It is neither decoded nor heard of by the database, whatever its value is."""
        stranger = SignInFailed(account_id=uuid4(), application="demo", reason="credentials_wrong")
        monkeypatch.setattr(inbox_module.wire, "decode", None)
        monkeypatch.setattr(db, "transaction", None)
        await inbox.consume([record(stranger), record(stranger, offset=1, value=b"\xff")])

    @pytest.mark.parametrize("named", [b"latchkey.identity.of_a_later_release.v1", b"", None])
    async def test_what_its_header_does_not_name_is_parked(self, db, inbox, named: bytes | None):
        """REL-3: nothing is lost because its header is."""
        headers = [(name, value) for name, value in headers_of(an_event()) if name != "ce_type"]
        await inbox.consume([record(headers=[*headers, *([("ce_type", named)] if named is not None else [])])])
        assert len(await parked(db)) == 1

    @pytest.mark.parametrize("batches", [[[0, 0]], [[0], [0]], [[0, 1], [1, 2, 0]]])
    async def test_a_repeated_one_has_no_second_effect(self, db, inbox, batches):
        """EVT-2, REL-3: known by source and id, at whatever offset it comes again."""
        events = [(an_event(), uuid4()) for _ in range(3)]
        offset = 0
        for batch in batches:
            records = []
            for number in batch:
                event, known = events[number]
                records.append(record(event, id=known, offset=(offset := offset + 1)))
            await inbox.consume(records)
        seen = sorted({number for batch in batches for number in batch})
        assert sorted(await done(db)) == sorted(events[number][0].subject for number in seen)

    async def test_the_same_id_from_another_source_is_another_event(self, db, inbox):
        """EVT-2: source and id together."""
        known, one, other = uuid4(), an_event(), an_event()
        stranger = headers_of(other, id=known, source="https://elsewhere.example/services/identity")
        await inbox.consume([record(one, id=known), record(other, headers=stranger, offset=1)])
        assert await done(db) == subjects(one, other)

    async def test_each_consumer_has_its_own(self, db, inbox, effects):
        """REL-3: the key is consumer, source and id."""
        twin = Inbox(db, Subscription("notifier", "identity", {RegistrationExpired: effects}))
        one = record()
        await inbox.consume([one])
        await twin.consume([one])
        assert len(await done(db)) == 2

    async def test_two_at_once(self, db, inbox, replica, effects):
        """REL-3: after a rebalance two replicas may hold the same batch."""
        other = Inbox(replica, inbox.subscription)
        batch = [record(offset=number) for number in range(5)]
        await asyncio.gather(inbox.consume(batch), other.consume(batch))
        assert len(await done(db)) == 5

    async def test_structured_mode(self, db, inbox):
        """EVT-1: consumers also accept application/cloudevents+json."""
        event = an_event()
        attributes = {name[3:]: value.decode() for name, value in headers_of(event) if name.startswith("ce_")}
        attributes["data"] = event.model_dump(mode="json")
        headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
        await inbox.consume([record(headers=headers, value=json.dumps(attributes).encode())])
        assert await done(db) == subjects(event)

    async def test_caused_by_the_event(self, db):
        """EVT-5: what a handler writes tells of the event that caused it, and of the story that it belongs to."""
        traces = []

        async def look(_tx: Tx, _event: Event) -> None:
            traces.append(current_trace())

        known = uuid4()
        await Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: look})).consume([record(id=known)])
        (trace,) = traces
        assert (trace.causation_id, trace.correlation_id) == (str(known), "the-story")
        assert (trace.authtype, trace.tenant) == ("system", "default")

    async def test_what_nobody_wants_never_touches_the_database(self, effects):
        """A replay of a topic costs a service only what it cares for."""
        nowhere = Inbox(None, Subscription("mfa", "identity", {RegistrationExpired: effects}))  # type: ignore[arg-type]
        event = SignInFailed(account_id=uuid4(), application="demo", reason="credentials_wrong")
        await nowhere.consume([record(event, offset=number) for number in range(3)])
        await nowhere.consume([])

    async def test_a_handler_for_some_of_a_type(self, db, effects):
        """Only what it cares for has its effect, and leaves an id behind; also when it comes out of the parked table."""
        wanted, other = an_event(), an_event()
        only = Only(lambda event: event.subject == wanted.subject, effects)
        some = Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: only}))
        await some.consume([record(wanted), record(other, offset=1)])
        assert await done(db) == subjects(wanted)
        async with db.transaction() as tx:
            assert await tx.fetchval("SELECT count(*) FROM inbox") == 1
            await only(tx, other)
        assert await done(db) == subjects(wanted)

    async def test_a_handler_only_for_events_of_the_publisher(self, effects):
        with pytest.raises(ValueError, match="recovery does not publish RegistrationExpired"):
            Subscription("mfa", "recovery", {RegistrationExpired: effects})

    async def test_forgets_after_the_longest_replay(self, db, inbox, clock):
        """REL-3: retention of ids is longer than that of the topics (7 days)."""
        event, known = an_event(), uuid4()
        await inbox.consume([record(event, id=known)])
        clock.move((KEEP_INBOX - timedelta(seconds=1)).total_seconds())
        async with db.transaction() as tx:
            await purge(tx)
        await inbox.consume([record(event, id=known, offset=1)])
        assert len(await done(db)) == 1
        clock.move(2)
        async with db.transaction() as tx:
            await purge(tx)
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM inbox") == 0


class TestFailures:
    async def test_three_quick_tries_then_parked(self, db, inbox, effects, clock):
        """REL-5: the others of the batch have their effect; the bad one leaves none, and comes again in 30 s."""
        good, bad, last = an_event(), an_event(), an_event()
        effects.fail(bad, RuntimeError("secret"))
        await inbox.consume([record(good), record(bad, offset=1), record(last, offset=2)])
        assert await done(db) == subjects(good, last)
        assert effects.tried.count(bad.subject) == 1 + QUICK_TRIES  # once with the batch, then alone
        (row,) = await parked(db)
        assert (row["topic"], row["partition"], row["offset"], row["consumer"]) == (TOPIC, 0, 1, "mfa")
        assert (row["subject"], row["event_type"]) == (bad.subject, bad.event_type)
        assert (row["reason"], row["attempts"]) == ("failed: RuntimeError", QUICK_TRIES)
        assert row["due_at"] == clock.now() + RETRY_AFTER[0]
        assert row["parked_at"] == row["last_tried_at"] == clock.now()
        assert row["value"] == bad.model_dump_json().encode()

    async def test_one_that_gets_over_it(self, db, inbox, effects):
        """REL-5: a failure that passes leaves nothing behind."""
        event = an_event()
        effects.fail(event, RuntimeError(), times=QUICK_TRIES)  # the batch and two of three alone
        await inbox.consume([record(event)])
        assert await done(db) == subjects(event)
        assert await parked(db) == []

    async def test_permanent_at_once(self, db, inbox, effects):
        """REL-5: no second try alone, and none by itself: it waits for an operator."""
        bad, good = an_event(), an_event()
        effects.fail(bad, Permanent("key is gone"))
        await inbox.consume([record(bad), record(good, offset=1)])
        assert await done(db) == subjects(good)
        assert effects.tried.count(bad.subject) == 2
        (row,) = await parked(db)
        assert (row["reason"], row["due_at"], row["attempts"]) == ("permanent: key is gone", None, 1)

    async def test_a_statement_that_fails_is_one_events_failure(self, db, effects):
        """REL-4: a savepoint each, so that a failed statement spoils the effects of no other."""

        async def handler(tx: Tx, event: Event) -> None:
            if event.subject == bad.subject:
                await tx.execute("INSERT INTO work (id) VALUES (2::numeric ^ 80)")
            await effects(tx, event)

        bad, good = an_event(), an_event()
        await Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: handler})).consume(
            [record(bad), record(good, offset=1)]
        )
        assert await done(db) == subjects(good)
        assert len(await parked(db)) == 1

    async def test_an_argument_that_fits_no_column_is_one_events_failure(self, db, effects):
        """REL-4: asyncpg's own refusal must not look like an outage, or the partition would stand still."""

        async def handler(tx: Tx, event: Event) -> None:
            await tx.execute("UPDATE work SET attempts = $1", event.meta.aggregateversion)
            await effects(tx, event)

        bad, good = an_event(), an_event()
        await Inbox(db, Subscription("mfa", "identity", {RegistrationExpired: handler})).consume(
            [record(bad, version=2**40), record(good, offset=1)]
        )
        assert await done(db) == subjects(good)
        assert len(await parked(db)) == 1

    async def test_parked_ones_are_not_handled_again_when_the_batch_is(self, db, inbox, effects):
        """REL-3: the batch comes again when the acknowledgement is lost."""
        bad, good = an_event(), an_event()
        effects.fail(bad, RuntimeError())
        batch = [record(bad), record(good, offset=1), record(offset=2, value=b"{")]
        await inbox.consume(batch)
        tried = len(effects.tried)
        await inbox.consume(batch)
        assert len(effects.tried) == tried
        assert len(await parked(db)) == 2

    @pytest.mark.parametrize("error", [Overloaded(), ConnectionRefusedError(), TimeoutError()])
    async def test_a_shed_batch_comes_again_whole(self, db, inbox, effects, error):
        """REL-4: nothing of it is done, nothing parked, and the caller is told, so that it is not acknowledged."""
        good, bad = an_event(), an_event()
        effects.fail(bad, error, times=1)
        batch = [record(good), record(bad, offset=1)]
        with pytest.raises(type(error)):
            await inbox.consume(batch)
        assert await done(db) == await parked(db) == []
        await inbox.consume(batch)
        assert await done(db) == subjects(good, bad)

    async def test_the_pause_grows_while_the_trouble_lasts(self, inbox, effects, monkeypatch):
        """Without it a batch would be read again 1,200 times a second."""
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr(inbox_module.asyncio, "sleep", sleep)
        monkeypatch.setattr(inbox_module.random, "uniform", lambda _low, high: high)
        event = an_event()
        effects.fail(event, Overloaded(), times=3)
        for _ in range(3):
            with pytest.raises(Overloaded):
                await inbox.consume([record(event)])
        assert pauses == [0.01, 0.02, 0.04]
        inbox._failures = 40
        effects.fail(event, Overloaded(), times=1)
        with pytest.raises(Overloaded):
            await inbox.consume([record(event)])
        assert pauses[-1] == 30
        await inbox.consume([record(event)])
        assert inbox._failures == 0

    async def test_database_away(self, clock, effects, kit_dsn, infrastructure):
        """REL-4: raises; nothing counts as done."""
        database = await Database.connect(kit_dsn, service="identity", origin=ORIGIN, clock=clock)
        await database.close()
        inbox = Inbox(database, Subscription("mfa", "identity", {RegistrationExpired: effects}), pause_seconds=0.01)
        for batch in ([record()], [record(value=b"{")]):
            with pytest.raises(DatabaseUnavailable):
                await inbox.consume(batch)
        assert effects.tried == []


NESTED = b"[" * 100_000
EVENT = an_event()
RIGHT = headers_of(EVENT)


def without(*names: str) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in RIGHT if name not in names]


UNREADABLE: dict[str, tuple[Sequence[tuple[str, Any]], bytes | None, str]] = {
    "no value": (RIGHT, None, "malformed: no value"),
    "an empty value": (RIGHT, b" ", "malformed: value is not JSON"),
    "no JSON": (RIGHT, b"{", "malformed: value is not JSON"),
    "bytes that are no text": (RIGHT, b"\xff\x00", "malformed: value is not JSON"),
    "nested too deep": (RIGHT, NESTED, "malformed: value is not JSON"),
    "a number too long": (RIGHT, b"1" * 5000, "malformed: value is not JSON"),
    "another shape": (RIGHT, b"[]", "malformed: RegistrationExpired does not validate: value"),
    "a field missing": (
        RIGHT,
        b'{"account_id": "0193588f-95f5-7a2c-8000-000000000001"}',
        "malformed: RegistrationExpired does not validate: store_id",
    ),
    "no headers": ([], b"{}", "malformed: specversion is not 1.0"),
    "no id": (without("ce_id"), b"", "malformed: RegistrationExpired does not validate: id"),
    "an unknown type": ([*RIGHT, ("ce_type", b"latchkey.identity.invented.v9")], b"{}", "unknown: event type is not known to this release"),
    "an unknown content type": ([*RIGHT, ("content-type", b"text/plain")], b"{}", "malformed: content-type is neither"),
    "a header that is no UTF-8": ([*RIGHT, ("ce_specversion", b"\xff\xfe")], b"{}", "malformed: specversion is not 1.0"),
    "a content type without a value": ([*RIGHT, ("content-type", None)], b"{", "malformed: value is not JSON"),
    "an attribute without a value": ([*without("ce_id"), ("ce_id", None)], b"", "malformed: RegistrationExpired does not validate: id"),
    "a zero byte in the source": ([*RIGHT, ("ce_source", b"a\x00b")], b"", "malformed: source holds a zero character"),
    "a zero byte in the subject": ([*RIGHT, ("ce_subject", b"a\x00b")], b"", "malformed: subject holds a zero character"),
    "a zero byte in the name of a header": ([*RIGHT, ("ce_a\x00b", b"x")], b"{", "malformed: value is not JSON"),
    "a zero byte in the type": ([*RIGHT, ("ce_type", b"a\x00b")], b"{}", "malformed: type holds a zero character"),
    "structured: no object": ([("content-type", b"application/cloudevents+json")], b"[]", "malformed: structured event is not"),
    "structured: nested too deep": ([("content-type", b"application/cloudevents+json")], NESTED, "malformed: value is not JSON"),
    "structured: a source that is no text": (
        [("content-type", b"application/cloudevents+json")],
        b'{"specversion": "1.0", "type": ["x"], "source": {}}',
        "unknown: event type",
    ),
}  # fmt: skip


class TestUnreadable:
    """REL-4: parse errors are parked with their bytes and their reason, and the partition moves on."""

    @pytest.mark.parametrize("name", UNREADABLE)
    async def test_is_parked_with_its_reason(self, db, inbox, name):
        headers, value, reason = UNREADABLE[name]
        value = EVENT.model_dump_json().encode() if value == b"" else value
        before, after = an_event(), an_event()
        await inbox.consume(
            [record(before), record(headers=headers, value=value, offset=1, partition=1), record(after, offset=2)]
        )
        assert await done(db) == subjects(before, after)
        (row,) = await parked(db)
        assert row["reason"].startswith(reason)
        assert (row["due_at"], row["attempts"], row["partition"]) == (None, 0, 1)
        assert row["value"] == value
        assert len(row["headers"]) == len(headers)

    async def test_the_reason_does_not_repeat_what_came(self, db, inbox, logged):
        """LOG-2, EVT-6."""
        value = b'{"account_id": "someone@posteo.example", "store_id": 17}'
        await inbox.consume([record(headers=RIGHT, value=value)])
        (row,) = await parked(db)
        assert "posteo" not in row["reason"]
        assert b"posteo" not in logged.raw()

    async def test_even_what_nobody_thought_of(self, db, inbox, monkeypatch):
        def decode(*_args: Any) -> None:
            raise LookupError

        monkeypatch.setattr(inbox_module.wire, "decode", decode)
        await inbox.consume([record()])
        (row,) = await parked(db)
        assert row["reason"] == "malformed: LookupError"

    async def test_a_whole_batch_of_them(self, db, inbox):
        await inbox.consume([record(offset=number, value=b"{") for number in range(20)])
        assert len(await parked(db)) == 20


class TestFollowers:
    """REL-5: later ones of a subject don't wait for one that is parked."""

    async def test_structured_ones_too(self, db, inbox, effects):
        """EVT-1: the subject is the event's, wherever its attributes stand."""
        account = uuid4()
        records = []
        for offset in range(2):
            event = an_event(account)
            attributes: dict[str, Any] = {name[3:]: value.decode() for name, value in headers_of(event) if name.startswith("ce_")}
            attributes["data"] = event.model_dump(mode="json")
            headers = [("content-type", b"application/cloudevents+json")]
            records.append(record(headers=headers, value=json.dumps(attributes).encode(), offset=offset))
        effects.fail(event, RuntimeError(), times=2 * (1 + QUICK_TRIES))
        for one in records:
            await inbox.consume([one])
        assert await done(db) == []
        assert [(row["subject"], row["event_type"]) for row in await parked(db)] == [(str(account), event.event_type)] * 2

    async def test_not_behind_one_that_waits_for_an_operator(self, db, inbox, effects):
        """A permanent failure would hold its subject back for ever; handlers tolerate what comes late (decision 2)."""
        account = uuid4()
        effects.fail(an_event(account), Permanent("never"), times=2)
        await inbox.consume([record(an_event(account)), record(an_event(account), offset=1)])
        assert await done(db) == [str(account)]

    async def test_nor_behind_one_that_is_tried_again(self, db, inbox, effects):
        account = uuid4()
        effects.fail(an_event(account), RuntimeError(), times=1 + QUICK_TRIES)
        await inbox.consume([record(an_event(account)), record(an_event(account), offset=1)])
        assert await done(db) == [str(account)]


@contextlib.asynccontextmanager
async def consuming(kafka: KafkaSettings, *inboxes: Inbox) -> AsyncIterator[Any]:
    broker = make_broker(kafka, graceful_timeout=5)
    for inbox in inboxes:
        subscribe(broker, inbox, kafka)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


async def committed(kafka: KafkaSettings, consumer: str) -> int:
    """Records of the topic that the group has acknowledged."""
    topic = events_topic("identity", kafka.topic_prefix)
    reader = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=kafka.group(consumer), enable_auto_commit=False)
    await reader.start()
    try:
        return sum([await reader.committed(TopicPartition(topic, number)) or 0 for number in range(2)])
    finally:
        await reader.stop()


Produce = Callable[..., Any]


@pytest.fixture
async def produce(kafka: KafkaSettings) -> AsyncIterator[Produce]:
    producer = kafka.producer()
    await producer.start()

    async def send(*records: ConsumerRecord) -> None:
        for one in records:
            await producer.send_and_wait(
                events_topic("identity", kafka.topic_prefix), one.value, key=one.key, headers=list(one.headers)
            )

    yield send
    await producer.stop()


class TestSubscribe:
    async def test_no_other_policy(self, db, kafka, effects):
        """REL-4: the policy stands on each subscriber of the broker, and nothing acknowledges by the clock."""
        broker = make_broker(kafka, graceful_timeout=5)
        for publisher in ("identity", "recovery"):
            subscribe(broker, Inbox(db, Subscription("mfa", publisher, {})), kafka)
        assert len(broker.subscribers) == 2
        for one in broker.subscribers:
            assert one.ack_policy is AckPolicy.NACK_ON_ERROR
            assert one._connection_args["enable_auto_commit"] is False
            assert one._connection_args["auto_offset_reset"] == "earliest"
            assert one.group_id == f"{kafka.topic_prefix}latchkey.mfa"
            assert isinstance(one, BatchSubscriber)

    def test_nothing_else_consumes_in_groups(self):
        """REL-4, decision 2: `subscribe` is the only way. Followers have no group and acknowledge nothing."""
        paths = [*ROOT.glob("services/*/src/**/*.py"), *ROOT.glob("libs/*/src/**/*.py")]
        assert ROOT / "libs/servicekit/src/servicekit/events/broker.py" in paths
        for path, node in ((one, node) for one in paths for node in ast.walk(ast.parse(one.read_text(encoding="utf-8")))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            if name.endswith((".subscriber", "KafkaRouter", "KafkaBroker")):
                assert path.name == "broker.py", path
            if name.endswith("AIOKafkaConsumer"):
                assert given.get("enable_auto_commit") == "False"
                assert "group_id" not in given
            assert given.get("enable_auto_commit", "False") == "False"

    async def test_acknowledges_what_is_done(self, db, kafka, inbox, produce):
        events = [an_event() for _ in range(4)]
        await produce(*(record(event) for event in events))
        async with consuming(kafka, inbox):

            async def look() -> bool:
                return len(await done(db)) == 4

            await until(look)
        assert sorted(await done(db)) == sorted(subjects(*events))
        assert await committed(kafka, "mfa") == 4

    async def test_a_bad_byte_in_a_header_loses_no_batch(self, db, kafka, inbox, produce):
        """REL-4: FastStream decodes headers before it acknowledges; a batch with one such record would be gone."""
        good = [an_event() for _ in range(3)]
        bad = record(headers=[*RIGHT, ("correlation_id", b"\xff\xfe"), ("nothing", None)], value=b"{")
        await produce(record(good[0]), bad, *map(record, good[1:]))
        async with consuming(kafka, inbox):

            async def look() -> bool:
                return len(await done(db)) == 3 and len(await parked(db)) == 1

            await until(look)
        assert await committed(kafka, "mfa") == 4

    async def test_database_away_acknowledges_nothing(self, db, kafka, inbox, effects, produce):
        """REL-4: read again and again until it is done; then once."""
        event = an_event()
        effects.fail(event, ConnectionResetError())
        await produce(record(event))
        async with consuming(kafka, inbox):
            await until(lambda: asyncio.sleep(0, len(effects.tried) >= 2))
            assert await committed(kafka, "mfa") == 0
            effects.failures.clear()

            async def look() -> bool:
                return len(await done(db)) == 1

            await until(look)
        assert await committed(kafka, "mfa") == 1

    async def test_what_was_not_acknowledged_comes_again_after_a_restart(self, db, kafka, inbox, effects, produce):
        event = an_event()
        effects.fail(event, ConnectionResetError())
        await produce(record(event))
        async with consuming(kafka, inbox):
            await until(lambda: asyncio.sleep(0, len(effects.tried) >= 1))
        effects.failures.clear()
        assert await done(db) == []
        async with consuming(kafka, inbox):

            async def look() -> bool:
                return len(await done(db)) == 1

            await until(look)

    async def test_two_topics_in_one_group(self, db, kafka, inbox, effects, produce):
        """One subscription per publisher, all of them in the service's one group."""
        await create_topic(kafka.bootstrap, events_topic("recovery", kafka.topic_prefix), 1)
        event = an_event()
        await produce(record(event))
        async with consuming(kafka, Inbox(db, Subscription("mfa", "recovery", {})), inbox):

            async def look() -> bool:
                return len(await done(db)) == 1

            await until(look)


def test_the_group_of_ids_is_kept_twice_as_long_as_the_topics():
    """REL-3: retention of ids >= longest replay."""
    assert KEEP_INBOX.total_seconds() * 1000 >= 2 * RETENTION_MS
