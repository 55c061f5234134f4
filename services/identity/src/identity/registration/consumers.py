"""What became of a flow's message, from the notifier's events: the honest delivery state of the waiting page (E33)."""

from latchkey_contracts.event import Event
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
from servicekit.db import Tx
from servicekit.inbox import Handler, Only

from . import store

_STATES: dict[type[Event], str] = {
    MessageQueued: "queued",
    MessageHandedOver: "handed_over",
    MessageAccepted: "accepted",
    MessageDelivered: "delivered",
    MessageFailed: "failed",
    MessageSuppressed: "suppressed",
    MessageExpired: "expired",
}


def of_a_registration(event: MessageEvent) -> bool:
    return event.flow_id is not None and event.template in {"activation", "account_exists"}


async def remember_delivery(tx: Tx, event: MessageEvent) -> None:
    assert event.flow_id is not None  # noqa: S101 - a registration's message has one
    await store.set_delivery(
        tx,
        event.flow_id,
        state=_STATES[type(event)],
        at=event.at,
        version=event.meta.aggregateversion,
        channel=event.channel,
        message_id=event.message_id,
    )


HANDLERS: dict[type[Event], Handler] = dict.fromkeys(_STATES, Only(of_a_registration, remember_delivery))
