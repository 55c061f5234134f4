"""An event as the outbox keeps it until the relay publishes it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import orjson
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.topics import events_topic

from .context import current_trace
from .ids import uuid7

# Of an event with its attributes. Kafka refuses more than 1 MiB, and would refuse it for ever, with all events behind it.
MOST_BYTES = 900_000


class EventTooLarge(Exception):
    """Nothing of the transaction is written: whoever makes events of what others give must bound it."""

    def __init__(self, event_type: str, size: int) -> None:
        super().__init__(f"{event_type} has {size} bytes; {MOST_BYTES} are the most")
        self.event_type = event_type
        self.size = size


class Outgoing(NamedTuple):
    """`attributes`: those of CloudEvents, as JSON text; `value`: the event itself."""

    subject: str
    topic: str
    attributes: str
    value: bytes


def outgoing(
    event: Event,
    *,
    service: str,
    origin: str,
    topic_prefix: str,
    time: datetime,
    expirytime: datetime | None,
    tenant: UUID | None,
) -> tuple[UUID, Outgoing]:
    """With its new id, and the trace at hand. `service`: who publishes it; of another's events that is a ValueError, and so is an
    `expirytime` of a fact. Raises EventTooLarge.
    """
    if event.publisher != service:
        raise ValueError(f"{service} may not publish {event.event_type}")
    if expirytime is not None and not event.may_expire:
        raise ValueError(f"{event.event_type} tells a fact, which never expires")
    trace = current_trace()
    meta = wire.new_meta(
        event,
        id=uuid7(),
        origin=origin,
        time=time,
        aggregateversion=1,  # the statement that writes the outbox counts; the relay writes the header
        correlationid=trace.correlation_id,
        causationid=trace.causation_id,
        traceparent=trace.traceparent or None,
        authtype=trace.authtype,
        tenant=_text(tenant or getattr(event, "store_id", None)) or trace.tenant,
        expirytime=expirytime,
    )
    # As text: for a list of jsonb, whose codec is ours, asyncpg would look its type up on every new connection (10 ms).
    attributes = orjson.dumps(wire.attributes(meta)).decode()
    value = event.model_dump_json().encode()
    if (size := len(value) + len(attributes.encode())) > MOST_BYTES:
        raise EventTooLarge(event.event_type, size)
    return meta.id, Outgoing(event.subject, events_topic(event.publisher, topic_prefix), attributes, value)


def _text(store_id: UUID | None) -> str | None:
    return str(store_id) if store_id is not None else None
