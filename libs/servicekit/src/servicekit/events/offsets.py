"""What a consumer has handled, told to the broker at most twice a second instead of after every small batch. Whatever comes again
after a crash or a rebalance the inbox drops by its id (EVT-2).
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from servicekit.logging import get_logger

COMMIT_SECONDS = 0.5
log = get_logger(__name__)


class Offsets:
    """Of one subscriber. Only handled records count, never what was fetched beyond them."""

    def __init__(self) -> None:
        self._consumer: Any = None
        self._next: dict[TopicPartition, int] = {}
        self._last = float("-inf")
        self._timer: asyncio.Task[None] | None = None
        self._stopping = False

    async def handled(self, consumer: Any, records: Iterable[Any]) -> None:
        self._consumer = consumer
        for record in records:
            self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1
        left = self._last + COMMIT_SECONDS - asyncio.get_running_loop().time()
        if left <= 0 or self._stopping:
            await self._commit()
        elif self._timer is None:
            self._timer = asyncio.create_task(self._commit_in(left))

    async def stop(self) -> None:
        """Before the consumer ends; what is in work yet is told as soon as it is handled."""
        self._stopping = True
        if self._timer is not None:
            self._timer.cancel()
        await self._commit()

    async def _commit_in(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._timer = None  # from here on it isn't cancelled, and what is handled meanwhile has a timer of its own
        await self._commit()

    async def _commit(self) -> None:
        self._last = asyncio.get_running_loop().time()
        mine = self._consumer.assignment() if self._consumer is not None else ()  # a partition may be another replica's by now
        offsets, self._next = {one: offset for one, offset in self._next.items() if one in mine}, {}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            log.warning("offsets.not_committed", error=type(error).__name__)


class Acknowledging:
    """FastStream's consumer as one message sees it."""

    def __init__(self, consumer: Any, records: Iterable[Any], offsets: Offsets) -> None:
        self._consumer = consumer
        self._records = records
        self._offsets = offsets

    async def commit(self) -> None:
        await self._offsets.handled(self._consumer, self._records)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._consumer.seek(partition=partition, offset=offset)
