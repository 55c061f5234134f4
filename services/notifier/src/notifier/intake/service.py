"""From an event to a message that waits: one row, its content still sealed."""

from dataclasses import asdict
from uuid import UUID, uuid5

from latchkey_contracts.event import AccountEvent
from latchkey_contracts.notifier import MessageQueued
from latchkey_contracts.sealed import Sealed
from servicekit.context import current_trace
from servicekit.db import Tx

from notifier.delivery import store

_NAMESPACE = UUID("6f0f6a51-8f1e-4f6d-9f43-2f2b7a0c9d11")


def message_id(event: AccountEvent, template: str, channel: str) -> UUID:
    """The same for every replay of the event (REL-7)."""
    return uuid5(_NAMESPACE, f"{event.meta.source}/{event.meta.id}/{template}/{channel}")


async def queue(tx: Tx, event: AccountEvent, *, template: str, sealed: Sealed, language: str, application: str) -> None:
    """Once, however often the event comes."""
    one = message_id(event, template, "email")
    flow_id: UUID | None = getattr(event, "flow_id", None)
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
        trace=asdict(current_trace()),
        expires_at=sealed.expires_at,
    )
    if fresh:
        await tx.emit(
            MessageQueued(
                account_id=event.account_id, message_id=one, flow_id=flow_id, template=template, channel="email", at=tx.now
            )
        )
        tx.signal("delivery")
