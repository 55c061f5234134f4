"""SQL of step-ups."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from latchkey_contracts.http.step_up import StepUpAction
from servicekit.db import Conn, Record, Tx

Status: TypeAlias = Literal["password", "needs_factor", "needs_provider", "complete", "ended"]
_COLUMNS = "id, account_id, session_id, application, action, payload_hash, status, methods, proven_at, expires_at"
_INSERT = """
INSERT INTO step_up (id, account_id, session_id, application, action, payload_hash, status, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_GET = f"SELECT {_COLUMNS} FROM step_up WHERE id = $1"  # noqa: S608 - constant columns
_LOCK = f"{_GET} FOR UPDATE"
_COMPLETE = "UPDATE step_up SET status = 'complete', methods = $2, proven_at = $3 WHERE id = $1"
_FAILED = (
    "UPDATE step_up SET failures = failures + 1, status = CASE WHEN failures + 1 >= $2 THEN 'ended' ELSE status END WHERE id = $1"
)
_PURGE = "DELETE FROM step_up WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUp:
    """`payload_hash`: of what exactly is to be done. `methods`: what was proven (RFC 8176 `amr`), at `proven_at`."""

    id: UUID
    account_id: UUID
    session_id: UUID
    application: str
    action: StepUpAction
    payload_hash: str
    status: Status
    methods: tuple[str, ...] = ()
    proven_at: datetime | None = None
    expires_at: datetime


def _step_up(row: Record | None) -> StepUp | None:
    return StepUp(**{**row, "methods": tuple(row["methods"])}) if row is not None else None


async def insert(tx: Tx, one: StepUp) -> None:
    await tx.execute(
        _INSERT, one.id, one.account_id, one.session_id, one.application, one.action, one.payload_hash, one.status, tx.now, one.expires_at
    )  # fmt: skip


async def get(conn: Conn, step_up_id: UUID) -> StepUp | None:
    return _step_up(await conn.fetchrow(_GET, step_up_id))


async def lock(tx: Tx, step_up_id: UUID) -> StepUp | None:
    return _step_up(await tx.fetchrow(_LOCK, step_up_id))


async def complete(tx: Tx, step_up_id: UUID, methods: list[str], proven_at: datetime) -> None:
    await tx.execute(_COMPLETE, step_up_id, methods, proven_at)


async def failed(tx: Tx, step_up_id: UUID, most: int) -> None:
    await tx.execute(_FAILED, step_up_id, most)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
