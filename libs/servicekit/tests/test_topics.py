"""REL-18, REL-5: topics that are deleted and made again stop nobody in silence, nor for long."""

import asyncio
import time
from contextlib import AsyncExitStack

from latchkey_contracts.topics import events_topic
from prometheus_client import REGISTRY
from servicekit.db import Database, Tx
from servicekit.events.broker import make_broker, subscribe
from servicekit.events.inbox import Inbox, Subscription
from servicekit.events.kafka import KafkaSettings
from servicekit.events.topics import METADATA_SECONDS, TopicWatch
from testkit.records import an_event, create_topic, delete_topic, record, until


async def produce(kafka: KafkaSettings, topic: str) -> str:
    event = an_event()
    one = record(event)
    producer = kafka.producer()
    await producer.start()
    try:
        await producer.send_and_wait(topic, one.value, key=one.key, headers=list(one.headers))
    finally:
        await producer.stop()
    return event.subject


def missing(topic: str) -> float | None:
    return REGISTRY.get_sample_value("latchkey_topic_missing", {"topic": topic})


class TestDeletedAndMadeAgain:
    async def test_told_at_once_and_back_soon(self, db: Database, kafka: KafkaSettings, clean, logged, monkeypatch):
        assert METADATA_SECONDS <= 15  # and as long again, at the most, for the group
        monkeypatch.setattr("servicekit.events.broker.METADATA_SECONDS", 1)
        seen: list[str] = []
        topic = events_topic("identity", kafka.topic_prefix)

        async def handler(_tx: Tx, event) -> None:
            seen.append(event.subject)

        broker = make_broker(kafka, graceful_timeout=5)
        subscribe(broker, Inbox(db, Subscription("mfa", "identity", {type(an_event()): handler})), kafka)
        async with AsyncExitStack() as stack:
            await broker.start()
            stack.push_async_callback(broker.stop)
            watching = asyncio.create_task(TopicWatch(lambda: broker.subscribers).run())
            stack.callback(watching.cancel)
            first = await produce(kafka, topic)
            await until(lambda: asyncio.sleep(0, seen == [first]))
            await until(lambda: asyncio.sleep(0, missing(topic) == 0))

            await delete_topic(kafka.bootstrap, topic)
            await until(lambda: asyncio.sleep(0, missing(topic) == 1), seconds=5)
            await create_topic(kafka.bootstrap, topic, 2)
            made_again = time.monotonic()
            second = await produce(kafka, topic)
            await until(lambda: asyncio.sleep(0, seen == [first, second]), seconds=30)
            await until(lambda: asyncio.sleep(0, missing(topic) == 0), seconds=5)
            assert time.monotonic() - made_again < 30
        told = [(one["level"], one["event"]) for one in logged() if one.get("topic") == topic]
        assert told == [("error", "kafka.topic_missing"), ("info", "kafka.topic_back")]
