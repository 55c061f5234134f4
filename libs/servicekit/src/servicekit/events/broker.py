"""How a service consumes: FastStream's subscribers in front of the inbox. `subscribe()` is the only way to consume in groups."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from latchkey_contracts.topics import events_topic

from .inbox import Inbox
from .kafka import KafkaSettings
from .offsets import Acknowledging, Offsets
from .topics import METADATA_SECONDS

BATCH, LOOK_MS = 500, 2000  # a look ends as soon as there is something
UNHURRIED_BYTES = 65536
# A fetch comes back as soon as there is something; this is how often it does with nothing. An unhurried one waits for company.
IDLE_FETCH_MS, UNHURRIED_MS = 2000, 1000


class _Broker(KafkaBroker):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.offsets: list[Offsets] = []

    async def stop(self, *args: Any) -> None:
        for offset in self.offsets:
            await offset.stop()
        await super().stop(*args)


def make_broker(kafka: KafkaSettings, *, graceful_timeout: float) -> _Broker:
    """`apply_types` off: FastStream's injection would hand every batch through a thread of its own."""
    return _Broker(
        kafka.bootstrap,
        allow_auto_create_topics=False,
        graceful_timeout=graceful_timeout,
        metadata_max_age_ms=int(METADATA_SECONDS * 1000),
        logger=None,
        apply_types=False,
        **_security(kafka),
    )


def _security(kafka: KafkaSettings) -> dict[str, Any]:
    if kafka.ssl_context is None:
        return {}
    from faststream.security import BaseSecurity

    return {"security": BaseSecurity(ssl_context=kafka.ssl_context)}


async def _undecoded(message: KafkaMessage) -> Any:
    """Our wire module decodes; a value that can't be decoded must not raise before our code runs."""
    return message.raw_message


def subscribe(broker: _Broker, inbox: Inbox, kafka: KafkaSettings) -> None:
    """Consumes the publisher's topic with the consumer's group (decision 2; a test sees to it that nothing else is used)."""
    offsets = Offsets()
    broker.offsets.append(offsets)

    async def parse(records: tuple[Any, ...], original: Callable[[Any], Awaitable[KafkaMessage]]) -> KafkaMessage:
        """FastStream decodes headers as UTF-8 while it parses, outside of its acknowledgement: one bad byte would lose the batch."""
        message = await original(tuple(replace(record, headers=()) for record in records))
        message.raw_message = records
        message.consumer = Acknowledging(message.consumer, records, offsets)
        return message

    subscriber = broker.subscriber(
        events_topic(inbox.subscription.publisher, kafka.topic_prefix),
        group_id=kafka.group(inbox.subscription.consumer),
        batch=True,
        fetch_min_bytes=1 if inbox.subscription.urgent else UNHURRIED_BYTES,
        fetch_max_wait_ms=IDLE_FETCH_MS if inbox.subscription.urgent else UNHURRIED_MS,
        ack_policy=AckPolicy.NACK_ON_ERROR,
        auto_offset_reset="earliest",
        session_timeout_ms=kafka.session_timeout_ms,
        heartbeat_interval_ms=kafka.heartbeat_ms,
        parser=parse,
        decoder=_undecoded,
    )

    async def consume(records: tuple[Any, ...]) -> None:
        await inbox.consume(records)

    async def together(consumer: AIOKafkaConsumer) -> tuple[Any, ...]:
        """What there is, as soon as there is something. FastStream's own sleeps after each empty look, and so looks often."""
        found = await consumer.getmany(timeout_ms=LOOK_MS, max_records=BATCH)
        return tuple(chain.from_iterable(found.values()))

    subscriber.get_msg = together  # type: ignore[method-assign]
    subscriber(consume)
