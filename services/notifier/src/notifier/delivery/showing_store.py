"""SQL that changes nothing: what waits and what has left, for metrics and the intake, and messages as reps see them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.notifier import Channel
from servicekit.db import Conn

from .states import State

_OLDEST = """
SELECT channel, min(due_at) AS since FROM delivery WHERE state IN ('queued', 'sending', 'submitting') AND due_at <= $1 GROUP BY channel
"""
_WAITING = """
SELECT channel, lane, count(*) AS count, min(due_at) AS since FROM delivery WHERE state = 'queued' AND due_at <= $1 GROUP BY channel, lane
"""
_CODES = """
SELECT (SELECT count(*) FROM (SELECT FROM delivery WHERE state = 'queued' AND short AND channel = $1 LIMIT $2) AS waiting) AS waiting,
    count(*) AS left_lately, min(finished_at) AS first_left
FROM delivery WHERE finished_at > $3 AND channel = $1 AND state IN ('handed_over', 'accepted', 'delivered')
"""
_SHOWN = """id, account_id, flow_id, application, template, channel, language, masked, state, reason, provider, attempts, segments, created_at,
    expires_at, finished_at"""
_OF_ACCOUNT = f"SELECT {_SHOWN} FROM delivery WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT $2"  # noqa: S608 - our own names
_ONE_SHOWN = f"SELECT {_SHOWN} FROM delivery WHERE id = $1"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMessage:
    """For reps. `masked`: the address, once somebody tried to send."""

    id: UUID
    account_id: UUID
    flow_id: UUID | None
    template: str
    channel: Channel
    application: str
    language: str
    masked: str | None
    state: State
    reason: str | None
    provider: str | None
    attempts: int
    segments: int | None
    created_at: datetime
    expires_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Of one channel and lane: how many are due, and since when."""

    channel: Channel
    lane: int
    count: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """Codes alone that wait, and how many messages of the channel have left lately, the first of them when."""

    waiting: int
    left_lately: int
    first_left: datetime | None


async def oldest_waiting(conn: Conn) -> dict[str, datetime]:
    return {row["channel"]: row["since"] for row in await conn.fetch(_OLDEST, conn.now)}


async def waiting(conn: Conn) -> list[Waiting]:
    return await conn.rows(Waiting, _WAITING, conn.now)


async def codes(conn: Conn, channel: str, limit: int, since: datetime) -> Codes:
    """Those that wait are counted up to `limit`, those that left from then on."""
    found = await conn.row(Codes, _CODES, channel, limit, since)
    assert found is not None  # noqa: S101 - an aggregate answers one row
    return found


async def of_account(conn: Conn, account_id: UUID, limit: int) -> list[ShownMessage]:
    return await conn.rows(ShownMessage, _OF_ACCOUNT, account_id, limit)


async def shown(conn: Conn, message_id: UUID) -> ShownMessage | None:
    return await conn.row(ShownMessage, _ONE_SHOWN, message_id)
