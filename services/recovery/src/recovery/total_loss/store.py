"""SQL of total-loss cases."""

from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Record, Tx, UniqueViolation

_COLUMNS = """id, store_id, application, identifier, new_address, language, requested_from, account_id, status, created_at,
takes_effect_at"""
_INSERT = """
INSERT INTO total_loss_case (id, store_id, application, identifier, new_address, language, requested_from, status, created_at, takes_effect_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $9)
"""
_LOCK = f"SELECT {_COLUMNS} FROM total_loss_case WHERE id = $1 FOR UPDATE"  # noqa: S608 - constant columns
_BY_NOTICE = f"SELECT {_COLUMNS} FROM total_loss_case WHERE notices @> ARRAY[$1::uuid]"  # noqa: S608
_FOUND = "UPDATE total_loss_case SET account_id = $2, identifier = NULL WHERE id = $1"
_NOTICE = "UPDATE total_loss_case SET notices = notices || $2::uuid WHERE id = $1"
_END = "UPDATE total_loss_case SET status = $2, identifier = NULL, new_address = NULL WHERE id = $1 AND status = 'waiting'"
_VOID = """
UPDATE total_loss_case SET status = 'void', identifier = NULL, new_address = NULL
WHERE account_id = $1 AND status = 'waiting' AND created_at <= $2
"""
_PURGE = "DELETE FROM total_loss_case WHERE created_at < $1"


async def insert(
    tx: Tx,
    case_id: UUID,
    *,
    store_id: UUID,
    application: str,
    identifier: str,
    new_address: str,
    language: str,
    requested_from: str | None,
    takes_effect_at: datetime,
) -> None:
    values = (case_id, store_id, application, identifier, new_address, language, requested_from, tx.now, takes_effect_at)
    await tx.execute(_INSERT, *values)


async def lock(tx: Tx, case_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, case_id)


async def by_notice(conn: Conn, notice_id: UUID) -> Record | None:
    return await conn.fetchrow(_BY_NOTICE, notice_id)


async def found(tx: Tx, case_id: UUID, account_id: UUID) -> bool:
    """False: the account has an open case already."""
    try:
        async with tx.savepoint():
            await tx.execute(_FOUND, case_id, account_id)
    except UniqueViolation:
        return False
    return True


async def add_notice(tx: Tx, case_id: UUID, notice_id: UUID) -> None:
    await tx.execute(_NOTICE, case_id, notice_id)


async def end(tx: Tx, case_id: UUID, status: str) -> bool:
    """Once: whichever of cancel and effect comes first."""
    return await tx.execute(_END, case_id, status) == 1


async def void(tx: Tx, account_id: UUID, before: datetime) -> None:
    """The account's own, if it was asked for until then."""
    await tx.execute(_VOID, account_id, before)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
