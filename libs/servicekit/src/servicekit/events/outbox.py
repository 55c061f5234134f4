"""The relay: what transactions wrote to the outbox goes to Kafka, in order, at least once (decision 1).

One relay per service is active, by an advisory lock; it reads and deletes over the very session that holds the lock, so a
relay that lost its lock can't go on. PostgreSQL ends the session of one that is gone without a word, within half a minute. Rows are scanned as they are pending, never "id greater than the last seen": ids commit
out of order (REL-2). A row is deleted after the broker's acknowledgement.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from latchkey_contracts import wire

from servicekit.connection import refuse_read_only
from servicekit.db import Contention, Database, DatabaseUnavailable, Record
from servicekit.failpoints import failpoint
from servicekit.logging import get_logger

from .kafka import KafkaSettings
from .wakeups import Pace, Wakeups, wait

LOCK = 0x1A7C_0001  # any number; locks are per database, and each service has its own
BATCH = 500
SEND_SECONDS = 10.0
STOP_SECONDS = 2.0
MOST_DELAY = 2.0
# A leader that says nothing for so long is lost, though its host may still answer. In every state it speaks much more often.
IDLE_SECONDS = 30.0
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
        connection = await self._db.dedicated(synchronous_commit="off", idle_session_timeout=str(int(IDLE_SECONDS * 1000)))
        try:
            refuse_read_only(connection)
            # Prepared before there is a lock: between a statement's preparation and its execution a session doesn't count as idle.
            pending, delete = await connection.prepare(_PENDING), await connection.prepare(_DELETE)
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return
            log.info("relay.leading")
            self.leading = True
            self._wakeups.handled_here("outbox", True)
            await self._lead(connection, pending, delete)
        finally:
            self.leading = False
            self._wakeups.handled_here("outbox", False)
            connection.terminate()  # also gives the lock back

    async def _lead(self, connection: Any, pending: Any, delete: Any) -> None:
        delay, pace = 0.2, Pace(PACE_SECONDS)
        while True:
            await pace.keep()
            self._woken.clear()
            rows = await pending.fetch(BATCH)
            refuse_read_only(connection)  # what can't be deleted would be sent again and again
            try:
                await self._send(rows)
                delay = 0.2
            except (KafkaError, TimeoutError) as error:
                if not isinstance(error, MessageSizeTooLargeError):
                    log.warning("relay.broker_unavailable", error=type(error).__name__)
                # A batch that timed out may have used up sequence numbers: only a new producer is sure to go on.
                await self._drop_producer()
                await asyncio.sleep(delay)
                delay = min(delay * 2, MOST_DELAY)
                continue
            if rows:
                failpoint("after_send")
                failpoint("before_mark")
                await delete.fetch([row["id"] for row in rows])
            if len(rows) < BATCH:
                await wait(self._woken, min(self._poll, IDLE_SECONDS / 3))

    async def _send(self, rows: Sequence[Record]) -> None:
        """Comes back when the broker has acknowledged all of them."""
        if not rows:
            return
        failpoint("before_send")
        async with asyncio.timeout(SEND_SECONDS):
            producer = await self._started_producer()
            acknowledgements = []
            for row in rows:
                attributes = {**row["attributes"], "aggregateversion": str(row["aggregateversion"])}
                try:
                    acknowledgement = await producer.send(
                        row["topic"], key=row["subject"].encode(), value=bytes(row["value"]), headers=wire.headers(attributes)
                    )
                except MessageSizeTooLargeError:
                    _too_large([row])
                    raise
                acknowledgements.append(acknowledgement)
            try:
                await asyncio.gather(*acknowledgements)
            except MessageSizeTooLargeError:
                _too_large([row for row, sent in zip(rows, acknowledgements, strict=True) if _refused(sent)])
                raise

    async def _started_producer(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = self._kafka.producer()
            try:
                await producer.start()
            except BaseException:
                await _stopped(producer)
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stopped(producer)


def _refused(acknowledgement: asyncio.Future[Any]) -> bool:
    done = acknowledgement.done() and not acknowledgement.cancelled()
    return done and isinstance(acknowledgement.exception(), MessageSizeTooLargeError)


def _too_large(rows: Sequence[Record]) -> None:
    """No broker will ever take it, and all events wait behind it. The broker refuses what came together; the largest is to blame."""
    row = max(rows, key=lambda row: len(row["value"]))
    log.error("relay.event_too_large", outbox_id=row["id"], type=row["attributes"]["type"], bytes=len(row["value"]))


async def _stopped(producer: AIOKafkaProducer) -> None:
    """Its own stop waits for what can't be sent. What hasn't ended by then is ended here: left alone it would go on trying for ever,
    beside the next one, for every time that a broker was away.
    """
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_SECONDS):
            await producer.stop()
            return
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_SECONDS):
            producer._message_accumulator.fail_all(KafkaError("given up"))  # noqa: SLF001 - nothing public gives it up
            await producer.client.close()  # which ends the requests that its sender waits for
            await producer._sender.close()  # noqa: SLF001
