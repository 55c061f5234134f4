"""SQL of sign-ins that need a factor added."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Tx

_COLUMNS = "flow_id, account_id, application, browser, wanted, had, expires_at"
_PUT = f"""
INSERT INTO required_factor ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (flow_id) DO NOTHING
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM required_factor WHERE flow_id = $1"  # noqa: S608 - constant columns
_PURGE = "DELETE FROM required_factor WHERE expires_at < $1"


@dataclass(frozen=True, slots=True)
class Required:
    """`wanted`: by a rule. `had`: the factors of the account when it was decided; others that are not of this flow end it."""

    flow_id: UUID
    account_id: UUID
    application: str
    browser: bytes | None
    wanted: bool
    had: list[UUID]
    expires_at: datetime


async def put(tx: Tx, one: Required) -> None:
    await tx.execute(_PUT, one.flow_id, one.account_id, one.application, one.browser, one.wanted, one.had, one.expires_at)


async def get(conn: Conn, flow_id: UUID) -> Required | None:
    return await conn.row(Required, _GET, flow_id)


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
