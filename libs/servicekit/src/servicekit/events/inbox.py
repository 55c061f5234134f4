"""Consumption: each event has its effect once, a bad one never blocks, none is lost (decision 2, REL-3, REL-4, REL-5).

Batches are acknowledged by hand, after one database transaction that
holds the inbox rows and all effects. A record that can't be handled is parked in the same database with its reason:
malformed, unknown and `Permanent` ones wait for an operator (`latchkey parked`), others are tried again by themselves.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeAlias
from uuid import UUID

from aiokafka import ConsumerRecord
from latchkey_contracts import wire
from latchkey_contracts.event import Event

from servicekit.context import Trace, new_trace, use_trace
from servicekit.db import Contention, Database, DatabaseUnavailable, Tx
from servicekit.errors import Overloaded, Permanent
from servicekit.logging import get_logger

Handler = Callable[[Tx, Any], Awaitable[None]]
Handlers: TypeAlias = dict[type[Event], Handler]  # of one publisher

QUICK_TRIES = 3
# After the quick tries: when a parked record is tried again by itself; then it waits for an operator.
RETRY_AFTER = (timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=1))
KEEP_INBOX = timedelta(days=14)  # twice the topics' retention: the longest replay finds every id
log = get_logger(__name__)

_CLAIM = """
INSERT INTO inbox (consumer, source, event_id, handled_at)
SELECT $1, s, e, $4 FROM unnest($2::text[], $3::uuid[]) AS t (s, e)
ON CONFLICT DO NOTHING RETURNING source, event_id
"""
_PARK = """
INSERT INTO parked (id, consumer, topic, partition, "offset", subject, event_type, headers, value, reason, attempts,
                    parked_at, last_tried_at, due_at)
VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)
ON CONFLICT (consumer, topic, partition, "offset") DO NOTHING
"""
_PURGE = "DELETE FROM inbox WHERE handled_at < $1"


@dataclass(frozen=True)
class Only:
    """A handler for some events of a type: of those that it doesn't care for the database never hears."""

    cares: Callable[[Any], bool]
    handler: Handler

    async def __call__(self, tx: Tx, event: Event) -> None:
        if self.cares(event):
            await self.handler(tx, event)


@dataclass(frozen=True)
class Subscription:
    """What one service does with one publisher's events.

    A later event of a subject never waits for one that is parked: where order matters a handler compares `aggregateversion`
    (decision 2). `urgent`: a person waits for what follows; else the broker
    collects for up to half a second, which spares it and us most of the work (a third of a sign-in's, measured).
    """

    consumer: str
    publisher: str
    handlers: Mapping[type[Event], Handler]
    urgent: bool = False

    def __post_init__(self) -> None:
        strangers = [cls.__name__ for cls in self.handlers if cls.publisher != self.publisher]
        if strangers:
            raise ValueError(f"{self.publisher} does not publish {', '.join(strangers)}")

    def may_care(self, record: Any) -> bool:
        """By the header that names the type, before anything is decoded; what says nothing there is looked at."""
        named = wire.named(record.headers)
        return named is None or named in self.handlers

    def cares(self, event: Event) -> bool:
        handler = self.handlers.get(type(event))
        return handler is not None and (not isinstance(handler, Only) or handler.cares(event))


@dataclass(frozen=True)
class Incoming:
    """A record as it came, and its event where it could be read."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    event: Event | None = None
    reason: str | None = None

    @classmethod
    def read(cls, record: "ConsumerRecord[Any, Any] | Incoming") -> "Incoming":
        plain = cls(record.topic, record.partition, record.offset, record.value, tuple(record.headers))
        try:
            return replace(plain, event=wire.decode(plain.value, plain.headers))
        except wire.Malformed as error:
            return replace(plain, reason=f"{type(error).__name__.lower()}: {error}")
        except Exception as error:  # what nobody thought of must not hold up the partition either
            log.exception("inbox.unreadable")
            return replace(plain, reason=f"malformed: {type(error).__name__}")

    def about(self) -> tuple[str | None, str | None]:
        """Subject and type, as far as they can be known."""
        if self.event is not None:
            return self.event.subject, self.event.event_type
        attributes = wire.peek(self.headers)
        return _text(attributes.get("subject", "")) or None, _text(attributes.get("type", "")) or None

    def packed_headers(self) -> list[list[str | None]]:
        """For JSON: names that it can hold, values in hexadecimal."""
        return [[_text(name), None if value is None else value.hex()] for name, value in self.headers]


def unpacked_headers(packed: Sequence[Sequence[Any]]) -> list[tuple[str, bytes | None]]:
    return [(name, None if value is None else bytes.fromhex(value)) for name, value in packed]


def _text(value: str) -> str:
    """Without the one character that PostgreSQL can't store."""
    return value.replace("\x00", "")


class Inbox:
    def __init__(self, db: Database, subscription: Subscription, *, pause_seconds: float = 1.0) -> None:
        self.db = db
        self.subscription = subscription
        self._pause = pause_seconds
        self._failures = 0

    async def consume(self, records: Sequence[Any]) -> None:
        """Handles a batch. Raises only when nothing of it is done, after a pause that grows while the trouble lasts."""
        read = map(Incoming.read, filter(self.subscription.may_care, records))
        incoming = [record for record in read if record.event is None or self.subscription.cares(record.event)]
        if not incoming:
            return  # nobody here cares for any of them; the database needn't hear of it
        try:
            await self._handle(incoming)
        except (*DatabaseUnavailable, *Contention, Overloaded) as error:
            self._failures += 1
            seconds = min(self._pause * 2 ** (self._failures - 1), 30.0) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
            log.warning("inbox.paused", error=type(error).__name__, seconds=round(seconds, 2), records=len(records))
            await asyncio.sleep(seconds)
            raise
        self._failures = 0

    async def _handle(self, incoming: list[Incoming]) -> None:
        try:
            async with self.db.transaction() as tx:
                for record in await self._claim(tx, incoming):
                    await self._run(tx, record)
        except (*DatabaseUnavailable, *Contention, Overloaded):
            raise
        except Exception:  # noqa: BLE001 - which record it was is found out below
            await self._handle_one_by_one(incoming)

    async def _handle_one_by_one(self, incoming: list[Incoming]) -> None:
        async with self.db.transaction() as tx:
            for record in await self._claim(tx, incoming):
                await self._run_or_park(tx, record)

    async def _claim(self, tx: Tx, incoming: list[Incoming]) -> list[Incoming]:
        """Parks what can't be read, drops what was handled before, and answers the rest."""
        readable: dict[tuple[str, UUID], Incoming] = {}
        for record in incoming:
            if record.event is None:
                await self.park(tx, record, record.reason or "unreadable", attempts=0, due=None)
            else:
                readable.setdefault((record.event.meta.source, record.event.meta.id), record)
        if not readable:
            return []
        sources, ids = zip(*readable, strict=True)
        claimed = await tx.fetch(_CLAIM, self.subscription.consumer, list(sources), list(ids), tx.now)
        fresh = [readable[row["source"], row["event_id"]] for row in claimed]
        return sorted(fresh, key=lambda record: (record.partition, record.offset))

    async def _run(self, tx: Tx, record: Incoming) -> None:
        assert record.event is not None  # noqa: S101 - _claim let only readable ones pass
        with use_trace(trace_of(record.event)):
            await self.subscription.handlers[type(record.event)](tx, record.event)

    async def _run_or_park(self, tx: Tx, record: Incoming) -> None:
        for attempt in range(1, QUICK_TRIES + 1):
            try:
                async with tx.savepoint():
                    await self._run(tx, record)
                return
            except (*DatabaseUnavailable, *Contention, Overloaded):
                raise
            except Permanent as error:
                await self.park(tx, record, f"permanent: {error}", attempts=attempt, due=None)
                return
            except Exception as error:
                if attempt == QUICK_TRIES:
                    log.exception("inbox.handler_failed", event_type=record.event and record.event.event_type, attempts=attempt)
                    await self.park(tx, record, f"failed: {type(error).__name__}", attempts=attempt, due=RETRY_AFTER[0])
                    return
            await asyncio.sleep(0.05 * attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter

    async def park(self, tx: Tx, record: Incoming, reason: str, *, attempts: int, due: timedelta | None) -> None:
        subject, event_type = record.about()
        log.warning(
            "inbox.parked",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            event_type=event_type,
            reason=reason,
        )
        await tx.execute(
            _PARK,
            self.subscription.consumer,
            record.topic,
            record.partition,
            record.offset,
            subject,
            event_type,
            record.packed_headers(),
            record.value,
            _text(reason),
            attempts,
            tx.now,
            tx.now + due if due is not None else None,
        )
        tx.signal("parked")


async def purge(tx: Tx) -> None:
    """Forgets ids that no replay can bring back. Called by servicekit.process.purges."""
    await tx.execute(_PURGE, tx.now - KEEP_INBOX)


def trace_of(event: Event) -> Trace:
    """The trace in which an event's consequences happen: caused by it, correlated with what caused it (EVT-5)."""
    meta = event.meta
    return new_trace(
        correlation_id=meta.correlationid,
        causation_id=str(meta.id),
        traceparent=meta.traceparent,
        authtype="system",
        tenant=meta.tenant,
    )
