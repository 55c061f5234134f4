"""SQL of total-loss cases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Self
from uuid import UUID

from servicekit.db import Conn, Record, Tx, UniqueViolation

Status = Literal["waiting", "effective", "cancelled", "void"]

_COLUMNS = """id, store_id, application, identifier, new_address, language, requested_from, account_id, status, created_at,
takes_effect_at, coalesce(delay, takes_effect_at - created_at) AS delay, announced_day"""
_INSERT = """
INSERT INTO total_loss_case (id, store_id, application, identifier, new_address, language, requested_from, status, created_at,
    takes_effect_at, delay)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9, $10)
"""
_GET = f"SELECT {_COLUMNS} FROM total_loss_case WHERE id = $1"  # noqa: S608 - constant columns
_LOCK = f"SELECT {_COLUMNS} FROM total_loss_case WHERE id = $1 FOR UPDATE"  # noqa: S608
_BY_NOTICE = f"SELECT {_COLUMNS} FROM total_loss_case WHERE notices @> ARRAY[$1::uuid]"  # noqa: S608
_FOUND = "UPDATE total_loss_case SET account_id = $2, identifier = NULL WHERE id = $1"
_NOTICE = "UPDATE total_loss_case SET notices = notices || $2::uuid, announced_day = $3 WHERE id = $1"
_PUT_OFF = "UPDATE total_loss_case SET takes_effect_at = $2, delay = $3 WHERE id = $1"
_END = "UPDATE total_loss_case SET status = $2, identifier = NULL, new_address = NULL WHERE id = $1 AND status = 'waiting'"
_VOID = """
UPDATE total_loss_case SET status = 'void', identifier = NULL, new_address = NULL
WHERE account_id = $1 AND status = 'waiting' AND created_at <= $2
"""
_PURGE = "DELETE FROM total_loss_case WHERE created_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """`identifier` is as typed, until it is looked up; `new_address` is forgotten when it is over."""

    id: UUID
    store_id: UUID
    application: str
    identifier: str | None
    new_address: str | None
    language: str
    requested_from: str | None
    account_id: UUID | None
    status: Status
    created_at: datetime
    takes_effect_at: datetime
    delay: timedelta
    announced_day: int | None
    browser: bytes | None = None  # its links are of no browser

    @classmethod
    def of(cls, row: Record) -> Self:
        return cls(**row)


@dataclass(frozen=True, kw_only=True)
class New:
    id: UUID
    store_id: UUID
    application: str
    identifier: str
    new_address: str
    language: str
    requested_from: str | None
    takes_effect_at: datetime


async def insert(tx: Tx, one: New) -> None:
    await tx.execute(
        _INSERT,
        one.id,
        one.store_id,
        one.application,
        one.identifier,
        one.new_address,
        one.language,
        one.requested_from,
        tx.now,
        one.takes_effect_at,
        one.takes_effect_at - tx.now,
    )


async def get(conn: Conn, case_id: UUID) -> Case | None:
    row = await conn.fetchrow(_GET, case_id)
    return Case.of(row) if row is not None else None


async def lock(tx: Tx, case_id: UUID) -> Case | None:
    row = await tx.fetchrow(_LOCK, case_id)
    return Case.of(row) if row is not None else None


async def by_notice(conn: Conn, notice_id: UUID) -> Case | None:
    row = await conn.fetchrow(_BY_NOTICE, notice_id)
    return Case.of(row) if row is not None else None


async def found(tx: Tx, case_id: UUID, account_id: UUID) -> bool:
    """False: the account has an open case already."""
    try:
        async with tx.savepoint():
            await tx.execute(_FOUND, case_id, account_id)
    except UniqueViolation:
        return False
    return True


async def add_notice(tx: Tx, case_id: UUID, notice_id: UUID, day: int) -> None:
    await tx.execute(_NOTICE, case_id, notice_id, day)


async def put_off(tx: Tx, case: Case, takes_effect_at: datetime) -> None:
    await tx.execute(_PUT_OFF, case.id, takes_effect_at, case.delay)


async def end(tx: Tx, case_id: UUID, status: Status) -> bool:
    """Once: whichever of cancel and effect comes first."""
    return await tx.execute(_END, case_id, status) == 1


async def void(tx: Tx, account_id: UUID, before: datetime) -> None:
    """The account's own, if it was asked for until then."""
    await tx.execute(_VOID, account_id, before)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
