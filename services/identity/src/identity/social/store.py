"""SQL of the ways to providers and back."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Tx

from .states import Purpose

_COLUMNS = (
    "id, purpose, flow_id, store_id, application, provider, browser, account_id, session_id, created_at, expires_at, used_at"
)
_INSERT = """
INSERT INTO social_attempt (id, purpose, flow_id, store_id, application, provider, browser, account_id, session_id, created_at, expires_at, state_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_GET = f"SELECT {_COLUMNS} FROM social_attempt WHERE state_hash = $1"  # noqa: S608 - constant columns
_USE = f"UPDATE social_attempt SET used_at = $2 WHERE id = $1 AND used_at IS NULL AND expires_at > $2 RETURNING {_COLUMNS}"  # noqa: S608
_PURGE = "DELETE FROM social_attempt WHERE expires_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """`flow_id`: of the sign-in or step-up that goes on; `account_id`, `session_id`: whose step-up or link it is."""

    id: UUID
    purpose: Purpose
    flow_id: UUID | None = None
    store_id: UUID
    application: str
    provider: str
    browser: bytes | None
    account_id: UUID | None = None
    session_id: UUID | None = None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


async def insert(tx: Tx, one: Way, state_hash: bytes) -> None:
    await tx.execute(
        _INSERT, one.id, one.purpose, one.flow_id, one.store_id, one.application, one.provider, one.browser, one.account_id,
        one.session_id, one.created_at, one.expires_at, state_hash,
    )  # fmt: skip


async def get(conn: Conn, state_hash: bytes) -> Way | None:
    return await conn.row(Way, _GET, state_hash)


async def use(tx: Tx, one: Way) -> Way | None:
    """None: it was used by another answer, or is too old."""
    return await tx.row(Way, _USE, one.id, tx.now)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
