"""REL-4: what was handled is acknowledged, soon and all of it, but not batch by batch."""

import asyncio
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError
from servicekit.events import offsets as module
from servicekit.events.offsets import Acknowledging, Offsets
from testkit.records import record, until

pytestmark = pytest.mark.usefixtures("logged")


class Consumer:
    def __init__(self, *partitions: int) -> None:
        self.partitions = partitions
        self.commits: list[dict[int, int]] = []
        self.errors: list[Exception] = []

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(record().topic, one) for one in self.partitions}

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.errors:
            raise self.errors.pop()
        self.commits.append({one.partition: offset for one, offset in offsets.items()})


async def handle(consumer: Consumer, offsets: Offsets, *numbers: int) -> None:
    records: Any = tuple(record(offset=number) for number in numbers)
    await Acknowledging(consumer, records, offsets).commit()


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    monkeypatch.setattr(module, "COMMIT_SECONDS", 0.1)


async def test_the_first_at_once_a_rush_together():
    consumer, offsets = Consumer(0), Offsets()
    for number in range(20):
        await handle(consumer, offsets, number)
    assert consumer.commits == [{0: 1}]
    await until(lambda: asyncio.sleep(0, len(consumer.commits) == 2))
    await asyncio.sleep(0.15)
    assert consumer.commits == [{0: 1}, {0: 20}]


async def test_all_of_it_when_it_stops_and_what_was_in_work_then():
    consumer, offsets = Consumer(0), Offsets()
    for number in range(3):
        await handle(consumer, offsets, number)
    await offsets.stop()
    await handle(consumer, offsets, 3, 4)
    assert consumer.commits == [{0: 1}, {0: 3}, {0: 5}]


async def test_nothing_of_a_partition_that_went_elsewhere():
    """Its new owner may be further on."""
    consumer, offsets = Consumer(1), Offsets()
    await handle(consumer, offsets, 0)
    await offsets.stop()
    assert consumer.commits == []


async def test_a_failed_one_is_no_failure_of_the_batch():
    """The records come again, and the inbox knows them (EVT-2)."""
    consumer, offsets = Consumer(0), Offsets()
    consumer.errors = [CommitFailedError()]
    await handle(consumer, offsets, 0)
    await handle(consumer, offsets, 1)
    await offsets.stop()
    assert consumer.commits == [{0: 2}]


async def test_stopped_before_anything_came():
    await Offsets().stop()
