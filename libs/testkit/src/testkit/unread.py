"""What is in the topics and no service has read yet: it is in no table, so nothing else shows that it still waits."""

import time

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from .records import alone
from .stack import Product


def wait_read(product: Product, *, seconds: float = 60) -> None:
    """Until all that is in the topics was read, then until nothing waits: after a crash a reader may be away for seconds."""
    assert product.stack.infrastructure is not None
    bootstrap = product.stack.infrastructure.kafka_bootstrap
    groups = [f"{product.stack.topic_prefix}latchkey.{service}" for service in product.stack.services]
    end = time.monotonic() + seconds
    while True:
        product.wait_quiet(seconds=seconds)
        left = alone(lambda: unread(bootstrap, groups))
        if not left and not product.waiting():
            return
        assert time.monotonic() < end, f"not read after {seconds} s: {left}"


async def unread(bootstrap: str, groups: list[str]) -> dict[str, int]:
    """How many records a group has before it, by `group topic partition`; of the topics that it reads. What was read counts as unread
    until its offset is committed, half a second later at most.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        found: dict[str, int] = {}
        for group in groups:
            read = {one: told.offset for one, told in (await admin.list_consumer_group_offsets(group)).items()}
            topics = {one.topic: await admin.describe_topics([one.topic]) for one in read}
            every = [TopicPartition(name, part["partition"]) for name, told in topics.items() for part in told[0]["partitions"]]
            ends = await consumer.end_offsets(every) if every else {}
            found |= {
                f"{group} {one.topic} {one.partition}": end - read.get(one, 0)
                for one, end in ends.items()
                if end > read.get(one, 0)
            }
        return found
    finally:
        await consumer.stop()
        await admin.close()
