"""Whether the topics that a service reads are there. One that was deleted stops its consumers without a word (REL-18).

The client looks for it once per METADATA_SECONDS, and reads on by itself when it is there again.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Gauge

from servicekit.logging import get_logger

METADATA_SECONDS = 10.0  # the client's own 300 s would be a silence of five minutes
LOOK_SECONDS = 2.0
LOOKS = 2  # a consumer that has just joined knows nothing for a moment
MISSING = Gauge("latchkey_topic_missing", "1 while a topic that this service reads is not there", ["topic"])
log = get_logger(__name__)


class TopicWatch:
    def __init__(self, subscribers: Callable[[], Iterable[Any]]) -> None:
        """`subscribers`: FastStream's, started or not."""
        self._subscribers = subscribers
        self._looks: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """By what the client knows already: costs nothing."""
        for subscriber in self._subscribers():
            if subscriber.consumer is not None:
                for topic in subscriber.topic_names_for_subscribe:
                    self._note(topic, there=bool(subscriber.consumer.partitions_for_topic(topic)))

    def _note(self, topic: str, *, there: bool) -> None:
        looks = self._looks.get(topic, 0)
        self._looks[topic] = 0 if there else looks + 1
        if not there and looks + 1 == LOOKS:
            log.error("kafka.topic_missing", topic=topic)
        if there and looks >= LOOKS:
            log.info("kafka.topic_back", topic=topic)
        MISSING.labels(topic).set(0 if there or looks + 1 < LOOKS else 1)
