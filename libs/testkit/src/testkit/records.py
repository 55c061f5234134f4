"""Events and Kafka records made by hand, for tests of what consumes and publishes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import latchkey_contracts
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from latchkey_contracts import wire
from latchkey_contracts.event import CodeGuessing, Event
from latchkey_contracts.identity import ConfigurationEvent, RegistrationExpired, SignInFailed

ORIGIN = "https://id.example"
TOPIC = "latchkey.identity.events.v1"
AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


T = TypeVar("T")


def alone(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """From a synchronous test: in a thread of its own, since pytest-asyncio or Playwright may hold a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(make())).result()


async def until(look: Callable[[], Awaitable[Any]], *, seconds: float = 10) -> Any:
    """The first true answer; fails with the last one when time is up."""
    end = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < end, f"did not come true in {seconds} s: {found!r}"
        await asyncio.sleep(0.01)
    return found


SAMPLES = Path(latchkey_contracts.__file__).parents[2] / "samples"
# About a purpose or a policy, so about no store (EVT-5).
OF_NO_STORE = (CodeGuessing, ConfigurationEvent)


def sample(event_type: str) -> Event:
    return Event.registry[event_type].model_validate_json((SAMPLES / f"{event_type}.json").read_text())


def faults_of(event: Event, attributes: Mapping[str, str]) -> list[str]:
    """What a published event's attributes lack or say wrongly (EVT-1, EVT-4, EVT-5, EVT-9)."""
    wanted = {"id", "source", "specversion", "type", "time", "subject", "dataschema", "partitionkey", "aggregateversion", "correlationid", "traceparent", "authtype"}  # fmt: skip
    if not isinstance(event, OF_NO_STORE):
        wanted.add("tenant")
    found = [f"{event.event_type} lacks {name}" for name in sorted(wanted - set(attributes))]
    if "expirytime" in attributes and not event.may_expire:
        found.append(f"{event.event_type} tells a fact and expires")
    if event.may_expire and "expirytime" not in attributes:
        found.append(f"{event.event_type} never expires")
    if isinstance(event, SignInFailed) and attributes.get("authtype") != "unauthenticated":
        found.append(f"{event.event_type} says that {attributes.get('authtype')} did it")
    return found


def an_event(account: UUID | None = None) -> RegistrationExpired:
    return RegistrationExpired(account_id=account or uuid4(), store_id=uuid4())


def headers_of(event: Event, *, id: UUID | None = None, version: int = 1, **attributes: str) -> list[tuple[str, bytes]]:
    """As the relay writes them; `attributes` take the place of the right ones."""
    meta = wire.new_meta(
        event,
        id=id or uuid4(),
        origin=ORIGIN,
        time=AT,
        aggregateversion=version,
        correlationid="the-story",
        causationid=None,
        traceparent=None,
        authtype="user",
        tenant="default",
        expirytime=None,
    )
    return wire.headers({**wire.attributes(meta), **attributes})


def record(
    event: Event | None = None,
    *,
    offset: int = 0,
    partition: int = 0,
    id: UUID | None = None,
    version: int = 1,
    headers: Sequence[tuple[str, Any]] | None = None,
    value: bytes | None = b"",
) -> ConsumerRecord:
    """One record of identity's topic. Without `headers` and `value`: a right one of the event."""
    event = event or an_event()
    return ConsumerRecord(
        topic=TOPIC,
        partition=partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=event.subject.encode(),
        value=event.model_dump_json().encode() if value == b"" else value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=tuple(headers_of(event, id=id, version=version) if headers is None else headers),
    )


async def create_topic(bootstrap: str, name: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()


async def delete_topic(bootstrap: str, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([name])
    finally:
        await admin.close()


async def read_topic(bootstrap: str, name: str, count: int, *, seconds: float = 10) -> list[ConsumerRecord]:
    """All that is in the topic, at least so many records; a partition's records in their order."""
    consumer = AIOKafkaConsumer(name, bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    found: list[ConsumerRecord] = []
    end = time.monotonic() + seconds
    try:
        while True:
            ends = await consumer.end_offsets(consumer.assignment())
            while any([await consumer.position(one) < ends[one] for one in ends]):
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    found += records
            if len(found) >= count or time.monotonic() > end:
                return found
            await asyncio.sleep(0.02)
    finally:
        await consumer.stop()
