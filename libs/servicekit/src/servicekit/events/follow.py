"""Follows a topic without a group: every replica sees every event from now on, to keep a cache honest (docs/architecture.md).

Not for effects: nothing is acknowledged and nothing is repeated. `current` says whether the follower has lately confirmed that
it is at the end of the topic; whoever relies on it must do without when it is not.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.topics import events_topic

from servicekit.clock import Clock
from servicekit.logging import get_logger

from .kafka import KafkaSettings

CONFIRM_SECONDS = 0.5
STALE_SECONDS = 1.5
log = get_logger(__name__)


class Follower:
    def __init__(
        self,
        kafka: KafkaSettings,
        publisher: str,
        clock: Clock,
        seen: Callable[[Event], None],
        lost: Callable[[], None],
        *,
        only: Collection[type[Event]] = (),
    ) -> None:
        """`seen`: each event as it comes, of the types in `only` if any are named; `lost`: events may have been missed, forget what
        rests on them.
        """
        self._only = frozenset(only)
        self._kafka = kafka
        self._topic = events_topic(publisher, kafka.topic_prefix)
        self._clock = clock
        self._seen = seen
        self._lost = lost
        self._confirmed = float("-inf")

    @property
    def current(self) -> bool:
        return self._clock.monotonic() - self._confirmed < STALE_SECONDS

    async def run(self) -> None:
        while True:
            consumer = AIOKafkaConsumer(
                self._topic,
                bootstrap_servers=self._kafka.bootstrap,
                enable_auto_commit=False,
                auto_offset_reset="latest",
                **self._kafka.security(),
            )
            try:
                await consumer.start()
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("follow.disconnected", error=type(error).__name__)
            finally:
                self._confirmed = float("-inf")
                with contextlib.suppress(Exception):
                    async with asyncio.timeout(3):
                        await consumer.stop()
            await asyncio.sleep(0.5)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        partitions = sorted(consumer.assignment())  # all of them: without a group nobody shares
        if not partitions:
            return
        await consumer.seek_to_end(*partitions)
        for partition in partitions:
            await consumer.position(partition)
        self._lost()  # whatever happened before this moment was not seen
        while True:
            began = self._clock.monotonic()
            async with asyncio.timeout(3):  # wait_for may forget a cancellation in Python 3.11
                ends = await consumer.end_offsets(partitions)
            while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
                await self._read(consumer, 100)
            self._confirmed = began
            until = began + CONFIRM_SECONDS
            while (left := until - self._clock.monotonic()) > 0:
                await self._read(consumer, int(left * 1000) + 1)

    async def _read(self, consumer: AIOKafkaConsumer, milliseconds: int) -> None:
        for records in (await consumer.getmany(timeout_ms=milliseconds)).values():
            for record in records:
                if self._only and (named := wire.named(record.headers)) is not None and named not in self._only:
                    continue
                try:
                    self._seen(wire.decode(record.value, record.headers))
                except wire.Malformed as error:
                    log.warning("follow.not_understood", reason=str(error))
                    self._lost()
