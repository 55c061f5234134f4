"""SQL of what the help desk does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.mfa import Assistance
from servicekit.db import Conn, Tx
from servicekit.ids import random_id

_NOTE = "INSERT INTO assistance (id, account_id, application, act, actor, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
_NOTES = "SELECT act, actor, reason, at FROM assistance WHERE account_id = $1 ORDER BY at DESC, id LIMIT 100"
_PURGE = "DELETE FROM assistance WHERE at < $1"
_BYPASS = "id, account_id, application, hours, once, requested_by, approved_by, created_at, until, ended_at, used_flow"
_ASK = """
INSERT INTO bypass (id, account_id, application, hours, once, requested_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_BYPASSES = f"SELECT {_BYPASS} FROM bypass WHERE account_id = $1 ORDER BY created_at DESC, id LIMIT 20"  # noqa: S608 - constant columns
_LOCK = f"SELECT {_BYPASS} FROM bypass WHERE id = $1 AND account_id = $2 FOR UPDATE"  # noqa: S608
_APPROVE = "UPDATE bypass SET approved_by = $2, until = $3 WHERE id = $1"
_END = "UPDATE bypass SET ended_at = $2 WHERE id = $1"
# The same flow, asked again, is let in again.
_USE = """
UPDATE bypass SET used_flow = coalesce(used_flow, $2) WHERE id = (
    SELECT id FROM bypass WHERE account_id = $1 AND until > $3 AND ended_at IS NULL AND (NOT once OR used_flow IS NULL OR used_flow = $2)
    ORDER BY created_at LIMIT 1 FOR UPDATE
) RETURNING id
"""
_PURGE_BYPASSES = "DELETE FROM bypass WHERE created_at < $1"


@dataclass(frozen=True, slots=True)
class Note:
    act: Assistance
    actor: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Bypass:
    id: UUID
    account_id: UUID
    application: str
    hours: int
    once: bool
    requested_by: str
    approved_by: str | None
    created_at: datetime
    until: datetime | None
    ended_at: datetime | None
    used_flow: UUID | None

    def is_over(self, now: datetime) -> bool:
        return self.ended_at is not None or (
            self.until is not None and (self.until <= now or (self.once and self.used_flow is not None))
        )


async def note(tx: Tx, account_id: UUID, application: str, act: Assistance, actor: str, reason: str) -> None:
    await tx.execute(_NOTE, random_id(), account_id, application, act, actor, reason, tx.now)


async def notes(conn: Conn, account_id: UUID) -> list[Note]:
    return await conn.rows(Note, _NOTES, account_id)


async def ask(tx: Tx, account_id: UUID, application: str, hours: int, requested_by: str, *, once: bool) -> UUID:
    bypass_id = random_id()
    await tx.execute(_ASK, bypass_id, account_id, application, hours, once, requested_by, tx.now)
    return bypass_id


async def bypasses(conn: Conn, account_id: UUID) -> list[Bypass]:
    return await conn.rows(Bypass, _BYPASSES, account_id)


async def lock(tx: Tx, bypass_id: UUID, account_id: UUID) -> Bypass | None:
    return await tx.row(Bypass, _LOCK, bypass_id, account_id)


async def approve(tx: Tx, bypass_id: UUID, approved_by: str, until: datetime) -> None:
    await tx.execute(_APPROVE, bypass_id, approved_by, until)


async def end(tx: Tx, bypass_id: UUID) -> None:
    await tx.execute(_END, bypass_id, tx.now)


async def use(tx: Tx, account_id: UUID, flow_id: UUID) -> bool:
    """Whether this sign-in needs no factor; one that counts once is spent by it."""
    return await tx.fetchval(_USE, account_id, flow_id, tx.now) is not None


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
    await tx.execute(_PURGE_BYPASSES, before)
