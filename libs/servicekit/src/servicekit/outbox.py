"""The relay: what transactions wrote to the outbox goes to Kafka, in order, at least once (design.md §3.2).

One relay per service is active, by an advisory lock; it reads and deletes over the very session that holds the lock, so a
relay that lost its lock can't go on. Rows are scanned as they are pending, never "id greater than the last seen": ids commit
out of order (REL-2). A row is deleted after the broker's acknowledgement.
"""

import asyncio
import contextlib
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from latchkey_contracts import wire

from .db import Contention, Database, DatabaseUnavailable
from .failpoints import failpoint
from .kafka import KafkaSettings
from .logging import get_logger
from .wakeups import Pace, Wakeups, wait

LOCK = 0x1A7C_0001  # any number; locks are per database, and each service has its own
BATCH = 500
SEND_SECONDS = 10.0
PACE_SECONDS = 0.02
log = get_logger(__name__)

_PENDING = "SELECT id, topic, subject, aggregateversion, attributes, value FROM outbox ORDER BY id LIMIT $1"
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"


class Relay:
    def __init__(self, db: Database, kafka: KafkaSettings, wakeups: Wakeups, *, poll_seconds: float = 1.0) -> None:
        self._db = db
        self._kafka = kafka
        self._wakeups = wakeups
        self._woken = wakeups.waiter("outbox")
        self._poll = poll_seconds
        self._producer: AIOKafkaProducer | None = None
        self.leading = False

    async def run(self) -> None:
        """Until cancelled. Without the lock it stands by, trying for it once per poll."""
        try:
            while True:
                try:
                    await self._stand_by_or_lead()
                except (*DatabaseUnavailable, *Contention) as error:
                    log.warning("relay.database_unavailable", error=type(error).__name__)
                await asyncio.sleep(self._poll)
        finally:
            await self._drop_producer()

    async def _stand_by_or_lead(self) -> None:
        # A deletion that the database loses in a crash is an event sent twice, which consumers drop: it needn't wait for the disk.
        connection = await self._db.dedicated(synchronous_commit="off")
        try:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return
            log.info("relay.leading")
            self.leading = True
            self._wakeups.handled_here("outbox", True)
            await self._lead(connection)
        finally:
            self.leading = False
            self._wakeups.handled_here("outbox", False)
            connection.terminate()  # also gives the lock back

    async def _lead(self, connection: Any) -> None:
        delay, pace = 0.2, Pace(PACE_SECONDS)
        while True:
            await pace.keep()
            self._woken.clear()
            try:
                sent = await self._publish_batch(connection)
                delay = 0.2
            except (KafkaError, TimeoutError) as error:
                # A batch that timed out may have used up sequence numbers: only a new producer is sure to go on (stack.md §2.4).
                log.warning("relay.broker_unavailable", error=type(error).__name__)
                await self._drop_producer()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)
                continue
            if sent < BATCH:
                await wait(self._woken, self._poll)

    async def _publish_batch(self, connection: Any) -> int:
        rows = await connection.fetch(_PENDING, BATCH)
        if not rows:
            return 0
        failpoint("before_send")
        async with asyncio.timeout(SEND_SECONDS):
            producer = await self._started_producer()
            acknowledgements = []
            for row in rows:
                attributes = {**row["attributes"], "aggregateversion": str(row["aggregateversion"])}
                acknowledgements.append(
                    await producer.send(
                        row["topic"], key=row["subject"].encode(), value=bytes(row["value"]), headers=wire.headers(attributes)
                    )
                )
            await asyncio.gather(*acknowledgements)
        failpoint("after_send")
        failpoint("before_mark")
        await connection.execute(_DELETE, [row["id"] for row in rows])
        return len(rows)

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = self._kafka.producer()
            try:
                await producer.start()
            except BaseException:
                with contextlib.suppress(Exception):
                    await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    await producer.stop()
