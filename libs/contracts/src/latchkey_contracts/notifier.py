"""Events of the notifier: what became of each message (docs/openapi.json)."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from .event import AccountEvent, Event

Channel = Literal["email", "sms", "voice"]


class MessageEvent(AccountEvent):
    """Common to all: one message about one account, caused by one flow."""

    message_id: UUID
    flow_id: UUID | None = None
    template: str
    channel: Channel
    at: datetime
    asked_by: UUID | None = Field(default=None, description="Id of the event that asked for it")
    way: int = Field(default=0, ge=0, description="0: as it was asked for; each other way that it went afterwards is one more")


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


class FraudRangeBlocked(Event):
    """Codes that go to these numbers are not used: strangers' numbers among them get no more text messages and calls until then (FRD-5)."""

    event_type = "latchkey.notifier.fraud_range_blocked.v1"
    subject_field = "range"
    range: str = Field(description="prefix:+4915112345 (without the last four digits), network:+49151 or region:DE")
    region: str | None
    sent: int = Field(ge=0, description="Codes of late that had time to be used")
    used: int = Field(ge=0)
    level: int = Field(ge=0, description="0: for 15 minutes; each level doubles it, up to 12 hours")
    until: datetime


class SpendCapReached(Event):
    """SMS and voice of an application have cost what they may: told once for each cap and period (FRD-3)."""

    event_type = "latchkey.notifier.spend_cap_reached.v1"
    subject_field = "application"
    application: str
    scope: str = Field(description="strangers, proven or all: who may not spend more; or country:DE")
    period: Literal["hour", "day", "month"]
    cap: float = Field(ge=0, description="In the currency of the prices")
    until: datetime
