"""SQL of changes of address, and of the links that undo them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from latchkey_contracts.http.contact_change import Mode
from latchkey_contracts.identity import IdentifierKind
from servicekit.db import Conn, Tx

from identity.accounts.rules import Identifier

Part = Literal["new", "old"]
_NAMES = (
    "id, approval_id, account_id, store_id, application, kind, mode, value, canonical, old_value, old_canonical, old_verified_at, "
    "old_primary, approver_kind, approver_value, approver_canonical, confirmed_at, approved_at, completed_at, place, ended_at, reverted_at, "
    "revert_until, browser, match, link_ended, approval_link_ended, requested_from, language, created_at, expires_at"
)
_INSERT = """
INSERT INTO contact_change (id, approval_id, account_id, store_id, application, kind, mode, value, canonical, old_value, old_canonical,
    old_verified_at, old_primary, approver_kind, approver_value, approver_canonical, confirmed_at, browser, match, requested_from, language,
    created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
"""
_GET = f"SELECT {_NAMES} FROM contact_change WHERE id = $1 OR approval_id = $1"  # noqa: S608 - constant columns
_LOCK = f"{_GET} FOR UPDATE"
_PENDING = f"""
SELECT {_NAMES} FROM contact_change
WHERE account_id = $1 AND completed_at IS NULL AND ended_at IS NULL AND expires_at > $2 ORDER BY created_at, id
"""  # noqa: S608
# A former owner's address takes back all that came after, in the order of its undoing.
_SINCE = f"""
SELECT {_NAMES} FROM contact_change
WHERE account_id = $1 AND place >= $2 AND reverted_at IS NULL ORDER BY place DESC FOR UPDATE
"""  # noqa: S608
_CONFIRMED = {
    "new": "UPDATE contact_change SET confirmed_at = $2 WHERE id = $1",
    "old": "UPDATE contact_change SET approved_at = $2 WHERE id = $1",
}
_COMPLETED = """
UPDATE contact_change AS c SET completed_at = $2, revert_until = $3,
    place = (SELECT coalesce(max(place), 0) + 1 FROM contact_change WHERE account_id = c.account_id)
WHERE id = $1
"""
_ENDED = "UPDATE contact_change SET ended_at = $2 WHERE id = $1 AND completed_at IS NULL AND ended_at IS NULL"
_REVERTED = "UPDATE contact_change SET reverted_at = $2 WHERE id = $1"
_LINK_ENDED = {
    "new": "UPDATE contact_change SET link_ended = true WHERE id = $1",
    "old": "UPDATE contact_change SET approval_link_ended = true WHERE id = $1",
}
_INSERT_REVERT = "INSERT INTO contact_revert (id, change_id, recipient) VALUES ($1, $2, $3)"
_REVERT = """
SELECT r.id, r.change_id, r.recipient, c.account_id, c.store_id, c.application, c.created_at, c.requested_from, c.completed_at, c.place, c.ended_at,
    c.reverted_at, coalesce(c.revert_until <= $2, false) AS late, a.status
FROM contact_revert AS r JOIN contact_change AS c ON c.id = r.change_id JOIN account AS a ON a.id = c.account_id WHERE r.id = $1
"""
_REVERTS = "SELECT id FROM contact_revert WHERE change_id = ANY($1::uuid[])"
_PURGE = """
DELETE FROM contact_change WHERE greatest(expires_at, ended_at, completed_at, reverted_at, revert_until) < $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`value`, `canonical`: the new one; `old_...`: what it takes the place of. `approver_...`: where the account must say yes."""

    id: UUID
    approval_id: UUID | None
    account_id: UUID
    store_id: UUID
    application: str
    kind: IdentifierKind
    mode: Mode
    value: str | None
    canonical: str | None
    old_value: str | None
    old_canonical: str | None
    old_verified_at: datetime | None
    old_primary: bool
    approver_kind: IdentifierKind | None
    approver_value: str | None
    approver_canonical: str | None
    confirmed_at: datetime | None
    browser: bytes | None
    match: str
    requested_from: str | None
    language: str
    created_at: datetime
    expires_at: datetime
    approved_at: datetime | None = None
    completed_at: datetime | None = None
    place: int | None = None
    ended_at: datetime | None = None
    reverted_at: datetime | None = None
    revert_until: datetime | None = None
    link_ended: bool = False
    approval_link_ended: bool = False

    @property
    def new(self) -> Identifier | None:
        if self.value is None or self.canonical is None:
            return None
        return Identifier(self.kind, self.value, self.canonical)

    @property
    def old(self) -> Identifier | None:
        if self.old_value is None or self.old_canonical is None:
            return None
        return Identifier(self.kind, self.old_value, self.old_canonical)

    @property
    def approver(self) -> Identifier | None:
        if self.approver_kind is None or self.approver_value is None or self.approver_canonical is None:
            return None
        return Identifier(self.approver_kind, self.approver_value, self.approver_canonical)

    @property
    def flows(self) -> list[UUID]:
        return [one for one in (self.id, self.approval_id) if one is not None]

    def is_open(self, now: datetime) -> bool:
        return self.completed_at is None and self.ended_at is None and self.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """What a link is about that undoes a change. `recipient`: masked. Its link is of no browser."""

    id: UUID
    change_id: UUID
    recipient: str
    account_id: UUID
    store_id: UUID
    application: str
    created_at: datetime
    requested_from: str | None
    completed_at: datetime | None
    place: int | None
    ended_at: datetime | None
    reverted_at: datetime | None
    late: bool
    status: str
    browser: bytes | None = None


async def insert(tx: Tx, one: Change) -> None:
    columns = (
        one.id, one.approval_id, one.account_id, one.store_id, one.application, one.kind, one.mode, one.value, one.canonical, one.old_value,
        one.old_canonical, one.old_verified_at, one.old_primary, one.approver_kind, one.approver_value, one.approver_canonical,
        one.confirmed_at, one.browser, one.match, one.requested_from, one.language, one.created_at, one.expires_at,
    )  # fmt: skip
    await tx.execute(_INSERT, *columns)


async def get(conn: Conn, flow_id: UUID) -> Change | None:
    """By the flow of either of its messages."""
    return await conn.row(Change, _GET, flow_id)


async def lock(tx: Tx, flow_id: UUID) -> Change | None:
    return await tx.row(Change, _LOCK, flow_id)


async def pending(conn: Conn, account_id: UUID) -> list[Change]:
    return await conn.rows(Change, _PENDING, account_id, conn.now)


async def since(tx: Tx, account_id: UUID, place: int) -> list[Change]:
    """It and all that came after it, the newest first; what was undone before is left out."""
    return await tx.rows(Change, _SINCE, account_id, place)


async def confirmed(tx: Tx, change_id: UUID, part: Part) -> None:
    await tx.execute(_CONFIRMED[part], change_id, tx.now)


async def completed(tx: Tx, change_id: UUID, revert_until: datetime) -> None:
    """With the account locked."""
    await tx.execute(_COMPLETED, change_id, tx.now, revert_until)


async def ended(tx: Tx, change_id: UUID) -> None:
    await tx.execute(_ENDED, change_id, tx.now)


async def reverted(tx: Tx, change_id: UUID) -> None:
    await tx.execute(_REVERTED, change_id, tx.now)


async def set_link_ended(tx: Tx, change_id: UUID, part: Part) -> None:
    await tx.execute(_LINK_ENDED[part], change_id)


async def insert_revert(tx: Tx, revert_id: UUID, change_id: UUID, recipient: str) -> None:
    """`recipient`: masked (ENU-3)."""
    await tx.execute(_INSERT_REVERT, revert_id, change_id, recipient)


async def get_revert(conn: Conn, revert_id: UUID) -> Revert | None:
    return await conn.row(Revert, _REVERT, revert_id, conn.now)


async def reverts(conn: Conn, change_ids: Sequence[UUID]) -> list[UUID]:
    """The flows of all links that undo these."""
    return [row["id"] for row in await conn.fetch(_REVERTS, list(change_ids))]


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
