"""What became of a flow's messages, from the notifier's events in any order: for the page that waits (E33), and for whoever must know
that somebody was told (REC-12).

A feature says when it asks for a message: `left`, with the id of the event that it has emitted for it. What is told of any older
message after that, heard of before or not, is no news of this one.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from latchkey_contracts import notifier
from latchkey_contracts.event import Event
from latchkey_contracts.http.common import Channel, DeliveryState
from latchkey_contracts.notifier import MessageEvent

from servicekit.db import Conn, Tx
from servicekit.ids import random_id

from .inbox import Handler, Handlers, Only

KEEP = timedelta(days=90)  # longer than any flow is shown
STATES: dict[type[Event], DeliveryState] = {
    notifier.MessageQueued: "queued",
    notifier.MessageHandedOver: "handed_over",
    notifier.MessageAccepted: "accepted",
    notifier.MessageDelivered: "delivered",
    notifier.MessageFailed: "failed",
    notifier.MessageSuppressed: "suppressed",
    notifier.MessageExpired: "expired",
}
_LEFT = frozenset({"handed_over", "accepted", "delivered"})
# What was heard of before, and didn't say who asked for it, was asked for before.
_ASKED = """
WITH older AS (UPDATE flow_message SET cause = '00000000-0000-0000-0000-000000000000' WHERE flow_id = $1 AND cause IS NULL)
INSERT INTO flow_asked (flow_id, cause, state, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (flow_id) DO UPDATE SET cause = excluded.cause, state = excluded.state, at = excluded.at
"""
# Never back by a late event (EVT-4).
_HEARD = """
INSERT INTO flow_message AS m (message_id, flow_id, cause, way, channel, version, state, at, left_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (message_id) DO UPDATE SET cause = coalesce(excluded.cause, m.cause), version = excluded.version, state = excluded.state,
    at = excluded.at, channel = excluded.channel, left_at = coalesce(m.left_at, excluded.left_at)
WHERE m.version < excluded.version
"""
# Of the newest that was asked for; of its ways the last one.
_TOLD = """
SELECT coalesce(m.state, a.state) AS state, coalesce(m.at, a.at) AS at, m.channel
FROM (SELECT $1::uuid AS flow_id) AS flow LEFT JOIN flow_asked AS a USING (flow_id) LEFT JOIN LATERAL (
    SELECT state, at, channel FROM flow_message
    WHERE flow_id = $1 AND (cause = a.cause OR cause IS NULL OR a.cause IS NULL)
    ORDER BY (cause = a.cause) IS TRUE DESC, way DESC, version DESC LIMIT 1
) AS m ON true
WHERE coalesce(m.state, a.state) IS NOT NULL
"""
_LEFT_AT = "SELECT left_at FROM flow_message WHERE flow_id = $1 AND left_at IS NOT NULL AND state = ANY($2)"
_PURGE = ("DELETE FROM flow_message WHERE at < $1", "DELETE FROM flow_asked WHERE at < $1")


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of a flow's newest message. `channel`: by which it goes, once that is known."""

    state: DeliveryState
    at: datetime
    channel: Channel | None


async def asked_again(tx: Tx, flow_id: UUID) -> None:
    """Another message is on its way, and no event has asked for it yet."""
    await tx.execute(_ASKED, flow_id, random_id(), "queued", tx.now)


async def left(tx: Tx, flow_id: UUID, cause: UUID) -> None:
    """`cause`: the id of the event that asks the notifier for it, in the same transaction."""
    await tx.execute(_ASKED, flow_id, cause, "queued", tx.now)


async def suppressed(tx: Tx, flow_id: UUID) -> None:
    """No event asks for it: a limit forbids it."""
    await tx.execute(_ASKED, flow_id, random_id(), "suppressed", tx.now)


async def told(conn: Conn, flow_id: UUID) -> Told | None:
    """None: nothing was asked for yet."""
    return await conn.row(Told, _TOLD, flow_id)


async def left_at(conn: Conn, flow_id: UUID) -> list[datetime]:
    """When its messages were handed to their providers, as far as they haven't come back."""
    return [row["left_at"] for row in await conn.fetch(_LEFT_AT, flow_id, sorted(_LEFT))]


async def heard(tx: Tx, event: MessageEvent) -> None:
    """`event.flow_id` is not None."""
    state = STATES[type(event)]
    await tx.execute(
        _HEARD,
        event.message_id,
        event.flow_id,
        event.asked_by,
        event.way,
        event.channel,
        event.meta.aggregateversion,
        state,
        event.at,
        event.at if state in _LEFT else None,
    )


def handlers(templates: Collection[str], heard: Handler = heard) -> Handlers:
    """For `consumes["notifier"]`: of the flows whose messages are of these templates. `heard`: more than to remember it."""

    def ours(event: MessageEvent) -> bool:
        return event.flow_id is not None and event.template in templates

    return dict.fromkeys(STATES, Only(ours, heard))


async def purge(tx: Tx) -> None:
    """Called by servicekit.process.purges."""
    for statement in _PURGE:
        await tx.execute(statement, tx.now - KEEP)
