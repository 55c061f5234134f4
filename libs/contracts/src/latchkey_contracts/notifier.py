"""Events of the notifier: what became of each message (api.md §1, delivery states)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from .event import AccountEvent

Channel = Literal["email", "sms", "voice"]


class MessageEvent(AccountEvent):
    """Common to all: one message about one account, caused by one flow."""

    message_id: UUID
    flow_id: UUID | None = None
    template: str
    channel: Channel
    at: datetime


class MessageQueued(MessageEvent):
    event_type = "latchkey.notifier.message_queued.v1"


class MessageHandedOver(MessageEvent):
    """The provider said yes: SMTP 250 or HTTP 2xx."""

    event_type = "latchkey.notifier.message_handed_over.v1"
    provider: str
    attempts: int


class MessageAccepted(MessageEvent):
    """The provider's callback says that it went on: to the phone's network, to the recipient's mail server."""

    event_type = "latchkey.notifier.message_accepted.v1"
    provider: str


class MessageDelivered(MessageEvent):
    """The provider's callback says that it arrived; of a call: that it was answered and a key pressed."""

    event_type = "latchkey.notifier.message_delivered.v1"
    provider: str


class MessageFailed(MessageEvent):
    """Given up: the provider refused for good, it bounced, or what happened can't be known."""

    event_type = "latchkey.notifier.message_failed.v1"
    reason: str


class MessageSuppressed(MessageEvent):
    """Not sent on purpose."""

    event_type = "latchkey.notifier.message_suppressed.v1"
    reason: str


class MessageExpired(MessageEvent):
    """Its link or code had run out before it could leave (EVT-9)."""

    event_type = "latchkey.notifier.message_expired.v1"
