"""SQL of registration attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Record, Tx

from identity.accounts.rules import Identifier

_COLUMNS = """id, store_id, application, account_id, identifiers, recipient_kind, recipient, recipient_value, password_hash, profile, consents,
language, return_to, browser, match, requested_from, status, proven_by, link_ended, delivery_state, delivery_at, delivery_channel, created_at, expires_at"""
_INSERT = f"""
INSERT INTO registration_attempt ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, NULL, false, 'queued', $18, NULL, $18, $19)
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM registration_attempt WHERE id = $1"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM registration_attempt WHERE id = $1 FOR UPDATE"  # noqa: S608
_MESSAGE_LEFT = """
UPDATE registration_attempt SET account_id = $2, delivery_state = 'queued', delivery_at = $3, delivery_channel = NULL, delivery_message = NULL,
                                link_ended = false, expires_at = $4
WHERE id = $1
"""
_PROVEN = "UPDATE registration_attempt SET status = $2, proven_by = $3 WHERE id = $1"
_PASSWORD = "UPDATE registration_attempt SET password_hash = $2 WHERE id = $1"  # noqa: S105 - a statement
_LINK_ENDED = "UPDATE registration_attempt SET link_ended = true WHERE id = $1"
_END_OTHERS = """
UPDATE registration_attempt SET status = 'ended'
WHERE store_id = $1 AND recipient = $2 AND id <> $3 AND status IN ('check_your_messages', 'password') RETURNING id
"""
# Never back by a late event, and never by one of a message that a newer one has replaced.
_DELIVERY = """
UPDATE registration_attempt
SET delivery_state = $2, delivery_at = $3, delivery_version = $4, delivery_channel = $5, delivery_message = $6,
    delivery_seen = array_append(array_remove(delivery_seen, $6), $6)
WHERE id = $1 AND delivery_version < $4 AND (delivery_message = $6 OR $6 <> ALL (delivery_seen))
"""
_SUPPRESSED = "UPDATE registration_attempt SET delivery_state = 'suppressed', delivery_at = $2 WHERE id = $1"
_PURGE = "DELETE FROM registration_attempt WHERE created_at < $1"
_FORGET = "DELETE FROM registration_attempt WHERE account_id = ANY($1::uuid[])"


@dataclass(frozen=True)
class Attempt:
    """What a registration starts with."""

    id: UUID
    store_id: UUID
    application: str
    identifiers: list[Identifier]
    recipient: Identifier
    password_hash: str | None
    profile: dict[str, Any]
    consents: list[dict[str, Any]]
    language: str
    return_to: str | None
    browser: bytes | None
    match: str
    requested_from: str | None
    expires_at: datetime
    account_id: UUID | None = None
    status: str = "check_your_messages"


async def insert(tx: Tx, one: Attempt) -> None:
    await tx.execute(
        _INSERT,
        one.id,
        one.store_id,
        one.application,
        one.account_id,
        [identifier.as_dict() for identifier in one.identifiers],
        one.recipient.kind,
        one.recipient.canonical,
        one.recipient.value,
        one.password_hash,
        one.profile,
        one.consents,
        one.language,
        one.return_to,
        one.browser,
        one.match,
        one.requested_from,
        one.status,
        tx.now,
        one.expires_at,
    )


async def get(conn: Conn, flow_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, flow_id)


async def lock(tx: Tx, flow_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, flow_id)


async def message_left(tx: Tx, flow_id: UUID, account_id: UUID, expires_at: datetime) -> None:
    await tx.execute(_MESSAGE_LEFT, flow_id, account_id, tx.now, expires_at)


async def set_status(tx: Tx, flow_id: UUID, status: str, proven_by: str | None) -> None:
    await tx.execute(_PROVEN, flow_id, status, proven_by)


async def set_password(tx: Tx, flow_id: UUID, password_hash: str) -> None:
    await tx.execute(_PASSWORD, flow_id, password_hash)


async def set_link_ended(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, flow_id)


async def end_others(tx: Tx, store_id: UUID, recipient: str, but: UUID) -> Sequence[UUID]:
    return [row["id"] for row in await tx.fetch(_END_OTHERS, store_id, recipient, but)]


async def set_delivery(tx: Tx, flow_id: UUID, *, state: str, at: datetime, version: int, channel: str, message_id: UUID) -> None:
    """`version`: of the event, which the notifier counts per account over all its messages."""
    await tx.execute(_DELIVERY, flow_id, state, at, version, channel, message_id)


async def set_suppressed(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_SUPPRESSED, flow_id, tx.now)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)


async def forget(tx: Tx, account_ids: Sequence[UUID]) -> None:
    await tx.execute(_FORGET, list(account_ids))


def identifiers_of(row: Record) -> list[Identifier]:
    return [Identifier(one["kind"], one["value"], one["canonical"]) for one in row["identifiers"]]
