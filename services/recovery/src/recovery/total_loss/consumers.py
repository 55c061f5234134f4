"""What became of the notices, from the notifier's events (REC-12)."""

from latchkey_contracts.notifier import MessageAccepted, MessageDelivered, MessageEvent, MessageHandedOver
from servicekit.db import Tx
from servicekit.events import messages
from servicekit.events.inbox import Handlers

from .waiting import Waiting


def handlers(waiting: Waiting) -> Handlers:
    async def heard(tx: Tx, event: MessageEvent) -> None:
        await messages.heard(tx, event)
        if event.flow_id is not None and isinstance(event, MessageHandedOver | MessageAccepted | MessageDelivered):
            await waiting.look_again(tx, event.flow_id)

    return messages.handlers({"total_loss_announced"}, heard)
