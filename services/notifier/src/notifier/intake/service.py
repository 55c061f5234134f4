"""From an event to a message that waits: one row, its content still sealed."""

from dataclasses import asdict
from uuid import UUID, uuid5

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.notifier import Channel, MessageQueued, MessageSuppressed
from latchkey_contracts.sealed import Sealed
from servicekit.context import current_trace
from servicekit.db import Tx

from notifier.delivery import store

CHANNELS = frozenset({"email"})  # that have a provider
_NAMESPACE = UUID("6f0f6a51-8f1e-4f6d-9f43-2f2b7a0c9d11")


def message_id(event: AccountEvent, template: str, channel: str, number: int = 0) -> UUID:
    """The same for every replay of the event (REL-7). `number`: which of several recipients of one event."""
    one = f"{event.meta.source}/{event.meta.id}/{template}/{channel}"
    return uuid5(_NAMESPACE, f"{one}/{number}" if number else one)


async def queue(
    tx: Tx,
    event: AccountEvent,
    *,
    template: str,
    sealed: Sealed,
    language: str,
    application: str,
    contact: Sealed | None = None,
    number: int = 0,
    channel: Channel = "email",
) -> None:
    """Once, however often the event comes. `contact`: whom to reach, where the asker doesn't know it (design.md §3.15)."""
    one = message_id(event, template, channel, number)
    flow_id: UUID | None = getattr(event, "flow_id", None)
    if channel not in CHANNELS:
        # Told honestly, not kept for later: its code would be dead by the time a provider is there.
        reason = f"there is no provider for {channel}"
        await tx.emit(
            MessageSuppressed(
                account_id=event.account_id,
                message_id=one,
                flow_id=flow_id,
                template=template,
                channel=channel,
                at=tx.now,
                reason=reason,
            )
        )
        return
    fresh = await store.insert(
        tx,
        one,
        account_id=event.account_id,
        flow_id=flow_id,
        application=application,
        language=language,
        template=template,
        channel="email",
        sealed=sealed.model_dump(mode="json"),
        contact=contact.model_dump(mode="json") if contact else None,
        trace=asdict(current_trace()),
        expires_at=min(sealed.expires_at, contact.expires_at) if contact else sealed.expires_at,
    )
    if fresh:
        await tx.emit(
            MessageQueued(
                account_id=event.account_id, message_id=one, flow_id=flow_id, template=template, channel="email", at=tx.now
            )
        )
        tx.signal("delivery")
