"""What became of a message, written down and told in one transaction, and which other way it goes then (E15, E33)."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from latchkey_contracts.messages import Contact, MessageContent
from latchkey_contracts.notifier import (
    MessageAccepted,
    MessageDelivered,
    MessageEvent,
    MessageExpired,
    MessageFailed,
    MessageHandedOver,
    MessageQueued,
    MessageSuppressed,
)
from servicekit.context import Trace, use_trace
from servicekit.db import Database, Tx
from servicekit.errors import NotFound
from servicekit.events.together import Together
from servicekit.logging import get_logger
from servicekit.process.configuration import Resolved
from servicekit.sealing import SealBroken, SealExpired

from notifier.channels.chain import Chain
from notifier.suppression import store as suppression

from . import receipt_store, rules, store
from .preparing import Over, Preparing, Ready
from .states import Ended

_NAMESPACE = UUID("0c4f5a3e-5a0b-4f0a-9f65-0d2f6b1d7a55")
_ENDED: dict[Ended, type[MessageEvent]] = {
    "failed": MessageFailed,
    "suppressed": MessageSuppressed,
    "expired": MessageExpired,
}
log = get_logger(__name__)


class Outcomes:
    def __init__(self, db: Database, preparing: Preparing, chain: Chain, suppress_days: int) -> None:
        self._db = db
        self._preparing = preparing
        self._chain = chain
        self._suppress = timedelta(days=suppress_days)
        self.handed_over = Together(self._hand_over)

    # --- of a message that this process holds ------------------------------------------------------------------------

    async def _hand_over(self, done: Sequence[tuple[Ready, str, str | None]]) -> list[None]:
        """Several in one transaction. (Message, provider, the provider's own id.)"""
        async with self._db.transaction() as tx:
            rows = [
                store.HandedOver(
                    ready.row.id, ready.lease, provider_id, self._watch_until(ready.row, ready.resolved, ready.content, tx.now)
                )
                for ready, _, provider_id in done
            ]
            attempts = await store.handed_over(tx, rows)
            for ready, provider, _ in done:
                if (count := attempts.get(ready.row.id)) is not None:
                    with use_trace(Trace(**ready.row.trace)):
                        await tx.emit(MessageHandedOver(**head(ready.row), at=tx.now, provider=provider, attempts=count))
        return [None] * len(done)

    async def over(self, row: store.StoredMessage, lease: UUID, end: Over) -> None:
        """Ends it; where another way is open, that begins in the same transaction."""
        async with self._db.transaction() as tx:
            if not await store.finish(tx, row.id, lease, end.state, end.reason):
                return
            await tell_end(tx, row, end.state, end.reason)
            if end.state == "failed" or end.reason in rules.UNREACHABLE:
                await self.fall_back(tx, row, end.content)
        if end.state == "failed":
            log.warning("delivery.given_up", message_id=str(row.id), template=row.template, reason=end.reason)

    async def opted_out(self, ready: Ready) -> None:
        async with self._db.transaction() as tx:
            await suppression.add(tx, ready.channel, ready.recipient, "opted_out", tx.now + self._suppress)

    async def again(
        self, row: store.StoredMessage, lease: UUID, reason: str, *, no_try: bool = False, due: timedelta | None = None
    ) -> None:
        """Waits for its next try. `no_try`: nobody was asked this time."""
        async with self._db.transaction() as tx:
            due_at = tx.now + (due or rules.delay(row.tries, random.random()))  # noqa: S311 - jitter
            await store.again(tx, row.id, lease, due_at=due_at, reason=reason, no_try=no_try)
        log.info("delivery.again", message_id=str(row.id), tries=row.tries, reason=reason)

    # --- of a message that its provider tells about --------------------------------------------------------------------

    async def taken(self, tx: Tx, row: store.StoredMessage) -> store.StoredMessage:
        """A receipt came before the provider's own answer, or instead of it: it has the message. The row as it is then, watched
        as if the answer had come (E15).
        """
        if row.attempts == 0 or not rules.may_follow(row.state, "handed_over"):
            return row
        opened = self._opened(row)
        watch_at = self._watch_until(row, opened[1], opened[0], tx.now) if opened is not None else None
        attempts = await store.taken(tx, row.id, watch_at)
        await tx.emit(MessageHandedOver(**head(row), at=tx.now, provider=row.provider, attempts=attempts))
        found = await store.get(tx, row.id)
        assert found is not None  # noqa: S101 - locked by this transaction
        return found

    async def accepted(self, tx: Tx, row: store.StoredMessage) -> None:
        await receipt_store.received(tx, row.id, "accepted", None, keep=True)
        await tx.emit(MessageAccepted(**head(row), at=tx.now, provider=row.provider))

    async def delivered(self, tx: Tx, row: store.StoredMessage, *, keep: bool = False) -> None:
        """`keep`: a call may still ask to hear it once more."""
        await receipt_store.received(tx, row.id, "delivered", None, keep=keep)
        await tx.emit(MessageDelivered(**head(row), at=tx.now, provider=row.provider))

    async def not_delivered(self, tx: Tx, row: store.StoredMessage, reason: str) -> None:
        await receipt_store.received(tx, row.id, "failed", reason, keep=False)
        await tell_end(tx, row, "failed", reason)
        await self.fall_back(tx, row)

    async def missed(self, tx: Tx, row: store.StoredMessage) -> None:
        """No word came in time: it goes another way, too, while its code lives."""
        if row.state in rules.IN_DOUBT:
            await self.fall_back(tx, row)
        await receipt_store.unwatch(tx, row.id)

    # --- another way ---------------------------------------------------------------------------------------------------

    def _watch_until(self, row: store.StoredMessage, resolved: Resolved, content: Contact, now: datetime) -> datetime | None:
        """A call comes back for its words; an SMS may have to go another way. A mail server tells nothing more."""
        fallback = resolved.notification.fallback
        if row.channel == "voice":
            return now + max(rules.CALL_WATCH, fallback.after)
        if row.channel == "email" or self._next_way(row, resolved, content) is None:
            return None
        return now + fallback.after

    def _opened(self, row: store.StoredMessage, content: MessageContent | None = None) -> tuple[MessageContent, Resolved] | None:
        """`content`: known already. None: nothing can be sent of it any more."""
        if row.sealed is None:
            return None
        try:
            return content or self._preparing.open(row), self._preparing.resolved(row)
        except (SealExpired, SealBroken, NotFound):
            return None

    def _next_way(self, row: store.StoredMessage, resolved: Resolved, content: Contact) -> rules.Way | None:
        went = [*row.went, row.channel]
        return rules.next_way(resolved.notification, row.template, went, content, self._chain.channels())

    async def fall_back(self, tx: Tx, row: store.StoredMessage, content: MessageContent | None = None) -> bool:
        """Sends what did not arrive another way, in the transaction that ends this one; never a dead code (E15)."""
        if row.expires_at <= tx.now or (opened := self._opened(row, content)) is None:
            return False
        content, resolved = opened
        way = self._next_way(row, resolved, content)
        if way is None or (content.code_expires_at is not None and content.code_expires_at <= tx.now):
            return False
        other_id = uuid5(_NAMESPACE, f"{row.id}/{way.channel}")
        # The link may live longer, but a code's message is never of use after it (EVT-9, OTP-2).
        expires_at = min(row.expires_at, content.code_expires_at or row.expires_at)
        found = await store.insert(tx, store.other_way(row, other_id, way.channel, expires_at))
        # Superseded already: nobody hears of it, since a word of it now would stand for the newer one of its flow (E33).
        if found is None or found.state != "queued":
            return False
        await tx.emit(
            MessageQueued(**{**head(row), "message_id": other_id, "channel": way.channel, "way": len(row.went) + 1}, at=tx.now)
        )
        tx.signal("delivery")
        return True


async def tell_end(tx: Tx, row: store.Head, state: Ended, reason: str) -> None:
    """The event of a message that ended without arriving."""
    more = {} if state == "expired" else {"reason": reason}
    await tx.emit(_ENDED[state](**head(row), at=tx.now, **more))


def head(row: store.Head) -> dict[str, object]:
    """What every event of one message has."""
    return {
        "account_id": row.account_id,
        "message_id": row.id,
        "flow_id": row.flow_id,
        "template": row.template,
        "channel": row.channel,
        "asked_by": row.trace["causation_id"],
        "way": len(row.went),
    }
