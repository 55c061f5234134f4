"""SQL of conversion, blocked ranges, and numbers that an operator vouches for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from servicekit.db import Conn, Tx

_ADMITTED = "SELECT admitted_at IS NOT NULL FROM delivery WHERE id = $1"
_ADMIT = "UPDATE delivery SET admitted_at = $2 WHERE id = $1"
_SENT = """
INSERT INTO conversion (message_id, flow_id, account_id, prefix, network, region, sent_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (message_id) DO NOTHING
"""
_NOT_SENT = "DELETE FROM conversion WHERE message_id = $1"
_USED = "UPDATE conversion SET used_at = $2 WHERE flow_id = $1 AND used_at IS NULL RETURNING message_id"
# Flows are counted, since of a flow's codes one is used at most; and so many of one prefix, so that one alone speaks for no network. A
# use counts for nothing where its account was lost within a day, and nobody had come back to it before.
_JUDGED = """
SELECT count(*) AS sent, count(*) FILTER (WHERE used) AS used FROM (
    SELECT used, row_number() OVER (PARTITION BY prefix ORDER BY sent_at DESC) AS place FROM (
        SELECT prefix, flow_id, max(sent_at) AS sent_at, bool_or(used_at IS NOT NULL AND (lost_at IS NULL OR returned_at IS NOT NULL)) AS used FROM (
            SELECT prefix, flow_id, sent_at, used_at, lost_at, returned_at FROM conversion
            WHERE {kind} = $1 AND sent_at > $2 AND (used_at IS NOT NULL OR sent_at < $3) ORDER BY sent_at DESC LIMIT $4
        ) AS newest GROUP BY prefix, flow_id
    ) AS flows
) AS ranked WHERE place <= $5
"""
_BLOCKS = "SELECT range, level, until, cleared_at FROM range_block WHERE range = ANY($1) ORDER BY range FOR UPDATE"
# Once, whoever finds out first.
_BLOCK = """
INSERT INTO range_block AS b (range, region, level, since, until, sent, used) VALUES ($1, $2, 0, $3, $4, $5, $6)
ON CONFLICT (range) DO UPDATE SET level = 0, since = $3, until = $4, sent = $5, used = $6, probe = NULL, cleared_at = NULL
    WHERE b.cleared_at IS NOT NULL
RETURNING range
"""
_PROBE = (
    "UPDATE range_block SET level = $2, until = $3, probe = $4 WHERE range = $1 RETURNING range, region, level, until, sent, used"
)
_CLEAR = "UPDATE range_block SET cleared_at = $2, until = $2, probe = NULL WHERE probe = ANY($1)"
_UNBLOCK = "UPDATE range_block SET cleared_at = $2, until = $2, probe = NULL WHERE range = $1 AND cleared_at IS NULL"
_OPEN_BLOCKS = """
SELECT range, region, level, since, until, sent, used FROM range_block WHERE cleared_at IS NULL AND until > $1 ORDER BY since DESC LIMIT $2
"""
_BY_REGION = """
SELECT region, count(*) AS sent, count(used_at) AS used FROM conversion WHERE sent_at > $1 AND (used_at IS NOT NULL OR sent_at < $2)
GROUP BY region ORDER BY region
"""
_LOST = """
UPDATE conversion SET lost_at = $2 WHERE account_id = $1 AND lost_at IS NULL AND used_at > $3
"""
_RETURNED = """
UPDATE conversion SET returned_at = $2 WHERE account_id = $1 AND returned_at IS NULL AND lost_at IS NULL AND used_at > $3
"""
# Only of those that had a day since.
_LASTED = """
SELECT region, count(*) AS used, count(*) FILTER (WHERE lost_at IS NULL) AS lasted, count(returned_at) AS returned FROM conversion WHERE used_at < $1
GROUP BY region ORDER BY region
"""
_BY_HOUR = """
SELECT region, extract(epoch FROM $1 - date_trunc('hour', sent_at, 'UTC'))::int / 3600 AS ago, count(*) AS sent FROM conversion
WHERE sent_at > $1 - make_interval(hours => $2 - 1) GROUP BY 1, 2
"""
_VOUCHED = "SELECT EXISTS (SELECT FROM vouched WHERE channel = $1 AND recipient = $2)"
_VOUCH = "INSERT INTO vouched (channel, recipient, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_UNVOUCH = "DELETE FROM vouched WHERE channel = $1 AND recipient = $2"
_COUNT_VOUCHED = "SELECT count(*) FROM vouched"
_PURGE = ("DELETE FROM conversion WHERE sent_at < $1", "DELETE FROM range_block WHERE until < $1")


@dataclass(frozen=True, slots=True)
class Judged:
    """Codes to a range that were used or had their time."""

    sent: int
    used: int


@dataclass(frozen=True, slots=True)
class Known:
    """A block that there is or was. `cleared_at`: since when it is none; what was sent before doesn't count."""

    range: str
    level: int
    until: datetime
    cleared_at: datetime | None


@dataclass(frozen=True, slots=True)
class Probed:
    range: str
    region: str | None
    level: int
    until: datetime
    sent: int
    used: int


@dataclass(frozen=True, slots=True)
class Block:
    range: str
    region: str | None
    level: int
    since: datetime
    until: datetime
    sent: int
    used: int


@dataclass(frozen=True, slots=True)
class Region:
    """Codes to numbers that weren't proven, within a day."""

    region: str
    sent: int
    used: int


@dataclass(frozen=True, slots=True)
class Lasting:
    """Of a week: codes that were used a day ago or earlier, how many of their accounts were still active a day later, and to how
    many somebody had signed in until then (FRD-5).
    """

    region: str
    used: int
    lasted: int
    returned: int


async def was_admitted(tx: Tx, message_id: UUID) -> bool:
    found: bool | None = await tx.fetchval(_ADMITTED, message_id)
    return bool(found)


async def admit(tx: Tx, message_id: UUID) -> None:
    await tx.execute(_ADMIT, message_id, tx.now)


async def sent(tx: Tx, message_id: UUID, flow_id: UUID, account_id: UUID, *, prefix: str, network: str, region: str) -> None:
    await tx.execute(_SENT, message_id, flow_id, account_id, prefix, network, region, tx.now)


async def not_sent(tx: Tx, message_id: UUID) -> None:
    await tx.execute(_NOT_SENT, message_id)


async def used(tx: Tx, flow_id: UUID) -> list[UUID]:
    """The messages whose code it may have been."""
    return [row["message_id"] for row in await tx.fetch(_USED, flow_id, tx.now)]


async def judged(tx: Tx, kind: str, value: str, since: datetime, ripe: datetime, *, newest: int, of_a_prefix: int) -> Judged:
    """`kind`: a column."""
    found = await tx.row(Judged, _JUDGED.format(kind=kind), value, since, ripe, newest, of_a_prefix)
    assert found is not None  # noqa: S101 - an aggregate answers one row
    return found


async def blocks(tx: Tx, ranges: Sequence[str]) -> Mapping[str, Known]:
    return {known.range: known for known in await tx.rows(Known, _BLOCKS, sorted(ranges))}


async def block(tx: Tx, name: str, region: str | None, until: datetime, *, sent: int, used: int) -> bool:
    """False: it is blocked already."""
    return await tx.fetchval(_BLOCK, name, region, tx.now, until, sent, used) is not None


async def probe(tx: Tx, name: str, level: int, until: datetime, message_id: UUID) -> Probed:
    """Blocked further, but for this message."""
    found = await tx.row(Probed, _PROBE, name, level, until, message_id)
    assert found is not None  # noqa: S101 - locked by this transaction
    return found


async def clear(tx: Tx, message_ids: Sequence[UUID]) -> None:
    """The blocks that one of these has probed."""
    await tx.execute(_CLEAR, list(message_ids), tx.now)


async def unblock(tx: Tx, name: str) -> bool:
    return await tx.execute(_UNBLOCK, name, tx.now) == 1


async def open_blocks(conn: Conn, limit: int) -> list[Block]:
    """The newest first."""
    return await conn.rows(Block, _OPEN_BLOCKS, conn.now, limit)


async def by_region(conn: Conn, window: timedelta, ripe_after: timedelta) -> list[Region]:
    return await conn.rows(Region, _BY_REGION, conn.now - window, conn.now - ripe_after)


async def lost(tx: Tx, account_id: UUID, within: timedelta) -> None:
    """The account is none any more whose codes were used lately."""
    await tx.execute(_LOST, account_id, tx.now, tx.now - within)


async def returned(tx: Tx, account_id: UUID, within: timedelta) -> None:
    """Somebody has signed in to the account whose codes were used lately."""
    await tx.execute(_RETURNED, account_id, tx.now, tx.now - within)


async def lasted(conn: Conn, after: timedelta) -> list[Lasting]:
    """By region: codes that were used so long ago or earlier, how many of their accounts were still active then, and to how many
    somebody had signed in until then.
    """
    return await conn.rows(Lasting, _LASTED, conn.now - after)


async def by_hour(conn: Conn, hour: datetime, hours: int) -> dict[str, list[int]]:
    """Codes to each region, by hour; the one that began at `hour` first."""
    found: dict[str, list[int]] = {}
    for row in await conn.fetch(_BY_HOUR, hour, hours):
        if 0 <= row["ago"] < hours:  # a replica's clock may be ahead of ours
            found.setdefault(row["region"], [0] * hours)[row["ago"]] = row["sent"]
    return found


async def is_vouched_for(conn: Conn, channel: str, recipient: bytes) -> bool:
    found: bool = await conn.fetchval(_VOUCHED, channel, recipient)
    return found


async def vouch(tx: Tx, channel: str, recipient: bytes) -> None:
    await tx.execute(_VOUCH, channel, recipient, tx.now)


async def unvouch(tx: Tx, channel: str, recipient: bytes) -> bool:
    return await tx.execute(_UNVOUCH, channel, recipient) == 1


async def count_vouched(conn: Conn) -> int:
    found: int = await conn.fetchval(_COUNT_VOUCHED)
    return found


async def purge(tx: Tx, before: datetime) -> None:
    for statement in _PURGE:
        await tx.execute(statement, before)
