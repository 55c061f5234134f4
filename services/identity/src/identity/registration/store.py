"""SQL of registration attempts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from servicekit.db import Conn, Record, Tx
from servicekit.ids import random_id

from identity.accounts.rules import Identifier
from identity.linked.rules import Newcomer

from .states import ProvenBy, Status

_COLUMNS = """id, store_id, application, account_id, identifiers, recipient_kind, recipient, recipient_value, password_hash, password_chosen, profile, consents,
language, return_to, browser, match, requested_from, status, proven_by, link_ended, created_at, expires_at, voided_at, restarted, newcomer"""
_INSERT = f"""
INSERT INTO registration_attempt ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9::text IS NOT NULL, $10, $11, $12, $13, $14, $15, $16, $17, NULL, false, $18, $19, NULL, $20, $21)
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM registration_attempt WHERE id = $1"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM registration_attempt WHERE id = $1 FOR UPDATE"  # noqa: S608
_MESSAGE_LEFT = "UPDATE registration_attempt SET account_id = $2, link_ended = false, expires_at = $3 WHERE id = $1"
# An attempt keeps its password until it is decided, and no longer; that there was one stays.
_PROVEN = """
UPDATE registration_attempt
SET status = $2, proven_by = $3, password_hash = CASE WHEN $2 IN ('check_your_messages', 'password') THEN password_hash END
WHERE id = $1
"""
_PASSWORD = "UPDATE registration_attempt SET password_hash = $2, password_chosen = true WHERE id = $1"  # noqa: S105 - a statement
_LINK_ENDED = "UPDATE registration_attempt SET link_ended = true WHERE id = $1"
# One that was proven ends in the sight of whoever proved it; the others go on waiting in theirs (ENU-1).
_VOID = """
UPDATE registration_attempt
SET voided_at = $1, password_hash = NULL, status = CASE status WHEN 'password' THEN 'ended' ELSE status END
WHERE status IN ('check_your_messages', 'password') AND voided_at IS NULL
"""
_VOID_OTHERS = f"{_VOID} AND store_id = $2 AND recipient = $3 AND id <> $4 RETURNING id"
_VOID_ACCOUNT = f"{_VOID} AND account_id = $2"
_PURGE = "DELETE FROM registration_attempt WHERE created_at < $1"
_FORGET = "DELETE FROM registration_attempt WHERE account_id = ANY($1::uuid[])"


@dataclass(frozen=True, slots=True)
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
    status: Status = "check_your_messages"
    restarted: bool = False
    newcomer: Newcomer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An attempt as it is stored. `voided_at`: another one has activated the account, which whoever began this one doesn't see (ENU-1)."""

    id: UUID
    store_id: UUID
    application: str
    account_id: UUID | None
    identifiers: Sequence[Identifier]
    recipient: Identifier
    password_hash: str | None
    password_chosen: bool
    profile: dict[str, Any]
    consents: list[dict[str, Any]]
    language: str
    return_to: str | None
    browser: bytes | None
    match: str
    requested_from: str | None
    status: Status
    proven_by: ProvenBy | None
    link_ended: bool
    created_at: datetime
    expires_at: datetime
    voided_at: datetime | None
    restarted: bool
    newcomer: Newcomer | None = None

    @classmethod
    def of(cls, row: Record) -> Self:
        same = {
            field.name: row[field.name] for field in fields(cls) if field.name not in {"identifiers", "recipient", "newcomer"}
        }
        identifiers = [Identifier(**identifier) for identifier in row["identifiers"]]
        recipient = Identifier(row["recipient_kind"], row["recipient_value"], row["recipient"])
        return cls(**same, identifiers=identifiers, recipient=recipient, newcomer=Newcomer.of(row["newcomer"]))

    @property
    def complete(self) -> bool:
        """Once its address is proven: by a password, or an account elsewhere that signs in from then on."""
        return self.password_chosen or self.newcomer is not None

    @property
    def waits(self) -> bool:
        """For a link or a code, as far as its row tells."""
        return self.status == "check_your_messages"


async def insert(tx: Tx, attempt: Attempt) -> None:
    await tx.execute(
        _INSERT,
        attempt.id,
        attempt.store_id,
        attempt.application,
        attempt.account_id,
        [identifier.as_dict() for identifier in attempt.identifiers],
        attempt.recipient.kind,
        attempt.recipient.canonical,
        attempt.recipient.value,
        attempt.password_hash,
        attempt.profile,
        attempt.consents,
        attempt.language,
        attempt.return_to,
        attempt.browser,
        attempt.match,
        attempt.requested_from,
        attempt.status,
        tx.now,
        attempt.expires_at,
        attempt.restarted,
        attempt.newcomer.as_dict() if attempt.newcomer is not None else None,
    )


async def get(conn: Conn, flow_id: UUID) -> Registration | None:
    row = await conn.fetchrow(_GET, flow_id)
    return Registration.of(row) if row is not None else None


async def lock(tx: Tx, flow_id: UUID) -> Registration | None:
    row = await tx.fetchrow(_LOCK, flow_id)
    return Registration.of(row) if row is not None else None


async def message_left(tx: Tx, flow_id: UUID, account_id: UUID, expires_at: datetime) -> None:
    await tx.execute(_MESSAGE_LEFT, flow_id, account_id, expires_at)


async def set_status(tx: Tx, flow_id: UUID, status: Status, proven_by: ProvenBy | None) -> None:
    await tx.execute(_PROVEN, flow_id, status, proven_by)


async def set_password(tx: Tx, flow_id: UUID, password_hash: str) -> None:
    await tx.execute(_PASSWORD, flow_id, password_hash)


async def set_link_ended(tx: Tx, flow_id: UUID) -> None:
    await tx.execute(_LINK_ENDED, flow_id)


async def void_others(tx: Tx, mine: Registration) -> Sequence[UUID]:
    """All attempts for the same recipient that somebody could still finish. Answers which."""
    return [row["id"] for row in await tx.fetch(_VOID_OTHERS, tx.now, mine.store_id, mine.recipient.canonical, mine.id)]


async def void_recipient(tx: Tx, store_id: UUID, canonical: str) -> Sequence[UUID]:
    """All of them, where it was proven otherwise."""
    return [row["id"] for row in await tx.fetch(_VOID_OTHERS, tx.now, store_id, canonical, random_id())]


async def void_account(tx: Tx, account_id: UUID) -> None:
    await tx.execute(_VOID_ACCOUNT, tx.now, account_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)


async def forget(tx: Tx, account_ids: Sequence[UUID]) -> None:
    await tx.execute(_FORGET, list(account_ids))
