"""SQL of messages from waiting to handed over. Every write that ends or changes one filters on its lease: whoever lost it changes nothing (habit 6)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import in_turn
from servicekit.db import Conn, Tx

from .states import Ended, State

# One that comes after a newer one of its flow never waits: its link and code are dead (D16).
_INSERT = """
INSERT INTO delivery (id, account_id, flow_id, application, language, template, channel, lane, short, sealed, contact, trace, went, caused_at,
    expires_at, state, reason, due_at, created_at, finished_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN said.reason IS NULL THEN $10::jsonb END, CASE WHEN said.reason IS NULL THEN $11::jsonb END,
    $12, $13, $14, $15, CASE WHEN said.reason IS NULL THEN 'queued' ELSE 'suppressed' END, said.reason, $17, $17,
    CASE WHEN said.reason IS NOT NULL THEN $17::timestamptz END
FROM (SELECT CASE WHEN EXISTS (SELECT FROM delivery WHERE account_id = $2 AND template = ANY($18) AND flow_id = $3 AND caused_at > $14)
    THEN 'superseded' ELSE $16::text END AS reason) AS said
ON CONFLICT (id) DO NOTHING RETURNING id, account_id, flow_id, template, channel, trace, went, state, reason, EXISTS (
    SELECT FROM delivery AS o WHERE o.account_id = $2 AND o.template = ANY($18) AND o.flow_id = $3 AND o.caused_at < $14 AND (o.state = 'queued' OR o.watch_at IS NOT NULL)
) AS has_older
"""
_COLUMNS = """d.id, d.account_id, d.flow_id, d.application, d.language, d.template, d.channel, d.lane, d.sealed, d.contact, d.trace, d.went, d.state,
    d.attempts, d.tries, d.provider, d.heard, d.bounced, d.caused_at, d.expires_at, d.created_at"""
# First what a dead process left behind, then of each channel the upper lanes first, as many as it has room for in all.
_CLAIM = f"""
WITH left_behind AS MATERIALIZED (
    SELECT id, channel FROM delivery WHERE state IN ('sending', 'submitting') AND leased_until < $1 ORDER BY leased_until LIMIT $8
    FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT one.id, one.due_at, pool.channel, pool.lane, pool.most FROM unnest($4::text[], $5::int[], $6::int[], $7::int[]) AS pool(channel, lane, room, most)
    CROSS JOIN LATERAL (
        SELECT id, due_at FROM delivery AS d
        WHERE d.state = 'queued' AND d.channel = pool.channel AND d.lane = pool.lane AND d.due_at <= $1
        ORDER BY d.due_at LIMIT pool.room FOR UPDATE SKIP LOCKED
    ) AS one
), due AS (
    SELECT id FROM (SELECT id, channel, most, row_number() OVER (PARTITION BY channel ORDER BY lane, due_at) AS place FROM found) AS ranked
    WHERE place <= most - (SELECT count(*) FROM left_behind WHERE left_behind.channel = ranked.channel)
)
UPDATE delivery AS d SET lease = $2, leased_until = $3, tries = d.tries + 1,
    state = CASE WHEN d.state = 'submitting' THEN 'submitting' ELSE 'sending' END
WHERE d.id IN (SELECT id FROM due UNION ALL SELECT id FROM left_behind)
RETURNING {_COLUMNS}
"""  # noqa: S608 - only our own names are put in
# Not to an address that is suppressed; a complaint is no reason against what its owner asked for (`essential`).
_SUBMITTING = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::boolean[],
        $9::int[], $10::bigint[]) AS one(id, lease, leased_until, provider, channel, recipient, masked, essential, segments, cost)
), blocked AS MATERIALIZED (
    SELECT asked.id, s.reason FROM asked JOIN suppression AS s ON s.channel = asked.channel AND s.recipient = asked.recipient
    WHERE s.until > $11 AND (s.reason = 'bounced' OR NOT asked.essential)
), moved AS (
    UPDATE delivery AS d SET state = 'submitting', attempts = attempts + 1, provider = asked.provider, recipient = asked.recipient,
        masked = asked.masked, segments = asked.segments, cost = d.cost + asked.cost, leased_until = asked.leased_until
    FROM asked WHERE d.id = asked.id AND d.lease = asked.lease AND NOT EXISTS (SELECT FROM blocked WHERE blocked.id = asked.id)
    RETURNING d.id
)
SELECT asked.id, moved.id IS NOT NULL AS moved, blocked.reason AS blocked FROM asked LEFT JOIN moved USING (id) LEFT JOIN blocked USING (id)
"""
_AGAIN = """
UPDATE delivery SET state = 'queued', due_at = $3, reason = $4, tries = tries - $5, lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2
"""
_RENEW = "UPDATE delivery SET leased_until = $3 WHERE id = $1 AND lease = $2"
_NOT_SENT = "UPDATE delivery SET state = 'sending', attempts = attempts - 1, cost = cost - $3 WHERE id = $1 AND lease = $2"
_FINISH = """
UPDATE delivery SET state = $3, reason = $4, finished_at = $5, sealed = NULL, contact = NULL, lease = NULL, leased_until = NULL
WHERE id = $1 AND lease = $2
"""
_HANDED_OVER = """
UPDATE delivery AS d SET state = 'handed_over', reason = NULL, provider_id = one.provider_id, finished_at = $5, watch_at = one.watch_at,
    sealed = CASE WHEN one.watch_at IS NULL THEN NULL ELSE sealed END, contact = CASE WHEN one.watch_at IS NULL THEN NULL ELSE contact END,
    lease = NULL, leased_until = NULL
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) AS one(id, lease, provider_id, watch_at)
WHERE d.id = one.id AND d.lease = one.lease RETURNING d.id, d.attempts
"""
_TAKEN = """
UPDATE delivery SET state = 'handed_over', reason = NULL, finished_at = $2, watch_at = $3,
    sealed = CASE WHEN $3::timestamptz IS NULL THEN NULL ELSE sealed END, contact = CASE WHEN $3::timestamptz IS NULL THEN NULL ELSE contact END,
    lease = NULL, leased_until = NULL
WHERE id = $1 RETURNING attempts
"""
_WATCHED = f"SELECT {_COLUMNS} FROM delivery AS d WHERE d.watch_at <= $1 ORDER BY d.watch_at LIMIT $2 FOR UPDATE SKIP LOCKED"  # noqa: S608
_ANY_UNHEARD = "SELECT EXISTS (SELECT FROM delivery WHERE watch_at <= $1)"
_GET = f"SELECT {_COLUMNS} FROM delivery AS d WHERE d.id = $1 FOR UPDATE"  # noqa: S608
_PURGE = "DELETE FROM delivery WHERE finished_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What every event of one message is made of. `went`: channels tried before this one."""

    id: UUID
    account_id: UUID
    flow_id: UUID | None
    template: str
    channel: Channel
    trace: Mapping[str, Any]
    went: Sequence[Channel]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage(Head):
    """`tries`: times it was taken up; `attempts`: times it may have been handed over.
    `heard`: times that a call said its code. `caused_at`: when that happened which it is about.
    """

    application: str
    language: str
    lane: int
    sealed: Mapping[str, Any] | None
    contact: Mapping[str, Any] | None
    state: State
    attempts: int
    tries: int
    provider: str | None
    heard: int
    bounced: bool
    caused_at: datetime
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted(Head):
    """`has_older`: an older one of its flow waits or is watched."""

    state: State
    reason: str | None
    has_older: bool


@dataclass(frozen=True, slots=True)
class New:
    """A message that waits, or (`suppressed`: why) never did. `caused_at`: when that happened which it is about."""

    id: UUID
    account_id: UUID
    flow_id: UUID | None
    application: str
    language: str
    template: str
    channel: Channel
    lane: int
    short: bool
    sealed: Mapping[str, Any] | None
    contact: Mapping[str, Any] | None
    trace: Mapping[str, Any]
    caused_at: datetime
    expires_at: datetime
    went: Sequence[str] = ()
    suppressed: str | None = None


_OWN = frozenset({"id", "channel", "expires_at", "short", "went", "suppressed"})


def other_way(row: StoredMessage, message_id: UUID, channel: Channel, expires_at: datetime) -> New:
    """The same content by another channel; what goes a second way is of use for minutes only."""
    same = {field.name: getattr(row, field.name) for field in fields(New) if field.name not in _OWN}
    went = [*row.went, row.channel]
    return New(**same, id=message_id, channel=channel, expires_at=expires_at, short=True, went=went)


async def insert(tx: Tx, new: New) -> Inserted | None:
    """None if it is there already."""
    return await tx.row(
        Inserted,
        _INSERT,
        new.id,
        new.account_id,
        new.flow_id,
        new.application,
        new.language,
        new.template,
        new.channel,
        new.lane,
        new.short,
        new.sealed,
        new.contact,
        new.trace,
        list(new.went),
        new.caused_at,
        new.expires_at,
        new.suppressed,
        tx.now,
        in_turn(new.template),
    )


async def claim(
    tx: Tx, lease: UUID, seconds: float, rooms: Sequence[tuple[str, int, int, int]], left_behind: int
) -> list[StoredMessage]:
    """Due ones by (channel, lane, at most so many of it, and of the whole channel); and those whose holder did not finish in time."""
    columns = [list(column) for column in zip(*rooms, strict=True)] if rooms else [[], [], [], []]
    return await tx.rows(StoredMessage, _CLAIM, tx.now, lease, tx.now + timedelta(seconds=seconds), *columns, left_behind)


@dataclass(frozen=True, slots=True)
class Submission:
    """What is written down before a provider is asked."""

    id: UUID
    lease: UUID
    leased_until: datetime
    provider: str
    channel: str
    recipient: bytes
    masked: str
    essential: bool
    segments: int | None
    cost: int


async def submitting(tx: Tx, asked: Sequence[Submission]) -> dict[UUID, tuple[bool, str | None]]:
    """(moved, why the address is suppressed) of each. From here on nobody can be sure that it did not go out; (False, None): the
    lease was lost.
    """
    columns = [[getattr(submission, field.name) for submission in asked] for field in fields(Submission)]
    return {row["id"]: (row["moved"], row["blocked"]) for row in await tx.fetch(_SUBMITTING, *columns, tx.now)}


async def renew(tx: Tx, message_id: UUID, lease: UUID, until: datetime) -> None:
    """Changes nothing where the lease was lost."""
    await tx.execute(_RENEW, message_id, lease, until)


async def not_sent(tx: Tx, message_id: UUID, lease: UUID, cost: int) -> bool:
    """This attempt is known to have sent nothing; another provider may have it."""
    return await tx.execute(_NOT_SENT, message_id, lease, cost) == 1


async def again(tx: Tx, message_id: UUID, lease: UUID, *, due_at: datetime, reason: str, no_try: bool = False) -> bool:
    """Waits for its next try. `no_try`: nobody was asked this time."""
    return await tx.execute(_AGAIN, message_id, lease, due_at, reason, 1 if no_try else 0) == 1


async def finish(tx: Tx, message_id: UUID, lease: UUID, state: Ended, reason: str | None = None) -> bool:
    """Over; the content is forgotten. False: the lease was lost."""
    return await tx.execute(_FINISH, message_id, lease, state, reason, tx.now) == 1


@dataclass(frozen=True, slots=True)
class HandedOver:
    """Its content is forgotten, except where a receipt is waited for until `watch_at`."""

    id: UUID
    lease: UUID
    provider_id: str | None
    watch_at: datetime | None


async def handed_over(tx: Tx, done: Sequence[HandedOver]) -> dict[UUID, int]:
    """How often each was offered; those are left out whose lease was lost."""
    columns = [[getattr(handed, field.name) for handed in done] for field in fields(HandedOver)]
    return {row["id"]: row["attempts"] for row in await tx.fetch(_HANDED_OVER, *columns, tx.now)}


async def taken(tx: Tx, message_id: UUID, watch_at: datetime | None) -> int:
    """Its provider has it, whoever holds it at the moment: that one changes nothing any more. Not watched: its content is forgotten."""
    attempts: int = await tx.fetchval(_TAKEN, message_id, tx.now, watch_at)
    return attempts


async def watched(tx: Tx, limit: int) -> list[StoredMessage]:
    """Those without a receipt in time."""
    return await tx.rows(StoredMessage, _WATCHED, tx.now, limit)


async def is_any_unheard(conn: Conn) -> bool:
    """One look instead of a transaction."""
    found: bool = await conn.fetchval(_ANY_UNHEARD, conn.now)
    return found


async def get(tx: Tx, message_id: UUID) -> StoredMessage | None:
    return await tx.row(StoredMessage, _GET, message_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
