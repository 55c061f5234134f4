"""Parked records: tried again when due, and the operator's view of them (`latchkey parked list|show|replay`, REL-6)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts import wire

from servicekit.context import use_trace
from servicekit.db import Conn, Contention, Database, DatabaseUnavailable, Tx
from servicekit.errors import Overloaded, Permanent
from servicekit.logging import get_logger

from .inbox import QUICK_TRIES, RETRY_AFTER, Inbox, Incoming, trace_of, unpacked_headers
from .wakeups import Wakeups, wait

LOOKS_SAVED = 5
log = get_logger(__name__)

_COLUMNS = 'id, consumer, topic, partition, "offset", subject, event_type, headers, value, reason, attempts, parked_at, last_tried_at, due_at'
_NEXT = f"""
SELECT {_COLUMNS} FROM parked
WHERE due_at <= $1 AND consumer = $2 AND topic = $3
ORDER BY due_at, "offset" LIMIT 1 FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - a constant list of columns
_NEXT_DUE = "SELECT due_at FROM parked WHERE consumer = ANY($1::text[]) AND due_at IS NOT NULL ORDER BY due_at LIMIT 1"
_DONE = "DELETE FROM parked WHERE id = $1"
_AGAIN = "UPDATE parked SET due_at = $2, attempts = $3, reason = $4, last_tried_at = $5 WHERE id = $1"
_FOLLOWERS_DUE = "UPDATE parked SET due_at = $1 WHERE consumer = $2 AND subject = $3 AND due_at > $1"
_LIST = f"SELECT {_COLUMNS} FROM parked WHERE $1::text IS NULL OR subject = $1 ORDER BY parked_at, id"  # noqa: S608
_SHOW = f"SELECT {_COLUMNS} FROM parked WHERE id = $1"  # noqa: S608
_REPLAY = "UPDATE parked SET due_at = $1, attempts = 0 WHERE id = ANY($2::uuid[])"
_COUNT = "SELECT count(*) AS depth, min(parked_at) AS oldest FROM parked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """`subject`, `event_type`: as far as they could be read. `headers`: as `Incoming.packed_headers` writes them. `due_at`: when it is
    tried again; None: when an operator says so.
    """

    id: UUID
    consumer: str
    topic: str
    partition: int
    offset: int
    subject: str | None
    event_type: str | None
    headers: Sequence[Sequence[str | None]]
    value: bytes | None
    reason: str
    attempts: int
    parked_at: datetime
    last_tried_at: datetime
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Depth:
    """How many there are, and since when the oldest."""

    depth: int
    oldest: datetime | None


class ParkedRetrier:
    """Tries due records again until cancelled. After the last of RETRY_AFTER a record waits for an operator (INV-18)."""

    def __init__(
        self, db: Database, inboxes: Sequence[tuple[Inbox, str]], wakeups: Wakeups, *, poll_seconds: float = 1.0
    ) -> None:
        self._db = db
        self._inboxes = inboxes
        self._woken = wakeups.waiter("parked")
        self._poll = poll_seconds

    async def run(self) -> None:
        while True:
            try:
                while (wait_for := await self._next_due()) <= 0:
                    if not any([await self._try_one(inbox, topic) for inbox, topic in self._inboxes]):
                        wait_for = self._poll  # another replica has it
                        break
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("parked.paused", error=type(error).__name__)
                wait_for = self._poll
            await wait(self._woken, wait_for)

    async def _next_due(self) -> float:
        """Seconds until then, a few looks' time at most: who parks something or wants it tried again says so."""
        async with self._db.read() as conn:
            due: datetime | None = await conn.fetchval(_NEXT_DUE, [inbox.subscription.consumer for inbox, _ in self._inboxes])
            left = (due - conn.now).total_seconds() if due is not None else math.inf
        return min(left, LOOKS_SAVED * self._poll)

    async def _try_one(self, inbox: Inbox, topic: str) -> bool:
        subscription = inbox.subscription
        async with self._db.transaction() as tx:
            row = await tx.row(Parked, _NEXT, tx.now, subscription.consumer, topic)
            if row is None:
                return False
            try:
                reason, permanent = await self._handle(tx, inbox, row)
            except (Overloaded, *Contention):  # not the record's fault: no attempt is counted, and it goes behind the others
                await tx.execute(_AGAIN, row.id, tx.now + RETRY_AFTER[0], row.attempts, row.reason, tx.now)
                return True
            if reason is None:
                await tx.execute(_DONE, row.id)
                if row.subject:
                    await tx.execute(_FOLLOWERS_DUE, tx.now, subscription.consumer, row.subject)
            else:
                attempts, due = _next_try(tx, row.attempts, permanent)
                await tx.execute(_AGAIN, row.id, due, attempts, reason, tx.now)
            return True

    async def _handle(self, tx: Tx, inbox: Inbox, row: Parked) -> tuple[str | None, bool]:
        incoming = Incoming.read(Incoming(row.topic, row.partition, row.offset, row.value, unpacked_headers(row.headers)))
        if incoming.event is None:
            return incoming.reason, True
        handler = inbox.subscription.handlers.get(type(incoming.event))
        if handler is None:
            return None, False
        try:
            async with tx.savepoint():
                with use_trace(trace_of(incoming.event)):
                    await handler(tx, incoming.event)
        except (*DatabaseUnavailable, *Contention, Overloaded):
            raise
        except Permanent as error:
            return f"permanent: {error}", True
        except Exception as error:  # noqa: BLE001 - parked again with its reason
            return f"failed: {type(error).__name__}", False
        return None, False


def _next_try(tx: Tx, attempts: int, permanent: bool) -> tuple[int, datetime | None]:
    """Attempts after one more failure, and when the next is due; None: an operator's turn.

    The first failure of a record that had no quick tries (replayed, or parked behind another) stands for all of them, so that
    each record has the whole of RETRY_AFTER before it.
    """
    if permanent:
        return attempts + 1, None
    attempts = max(attempts + 1, QUICK_TRIES)
    step = attempts - QUICK_TRIES
    return attempts, tx.now + RETRY_AFTER[step] if step < len(RETRY_AFTER) else None


async def listing(conn: Conn, subject: str | None = None) -> list[Parked]:
    return await conn.rows(Parked, _LIST, subject)


async def show(conn: Conn, parked_id: UUID) -> Parked | None:
    return await conn.row(Parked, _SHOW, parked_id)


async def replay(tx: Tx, ids: Sequence[UUID]) -> int:
    """Makes the records due now; the running service handles each once, in order."""
    tx.signal("parked")
    return await tx.execute(_REPLAY, tx.now, list(ids))


async def depth(conn: Conn) -> Depth:
    found = await conn.row(Depth, _COUNT)
    assert found is not None  # noqa: S101 - an aggregate answers one row
    return found


def readable_headers(row: Parked) -> dict[str, str]:
    return wire.peek(unpacked_headers(row.headers))
