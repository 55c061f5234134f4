"""SQL of notices: what a "this wasn't me" link is about, for the page that it opens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from servicekit.db import Conn, Tx

What: TypeAlias = Literal[
    "password_changed",
    "account_frozen",
    "signed_in",
    "password_guessed",
    "profile_changed",
    "identity_linked",
    "identity_unlinked",
    "contact_changed",
]

_INSERT = """
INSERT INTO notice (id, account_id, application, what, recipient, device, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_GET = """
SELECT n.id, n.account_id, a.store_id, n.application, n.what, n.recipient, n.device, n.created_at
FROM notice AS n JOIN account AS a ON a.id = n.account_id WHERE n.id = $1
"""
_PURGE = "DELETE FROM notice WHERE created_at < $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """`recipient`: masked (ENU-3). `device`: in which it was done that the notice is about."""

    id: UUID
    account_id: UUID
    store_id: UUID
    application: str
    what: What
    recipient: str
    device: str | None
    created_at: datetime
    browser: bytes | None = None  # its link is of no browser


async def insert(
    tx: Tx, notice_id: UUID, account_id: UUID, *, application: str, what: What, recipient: str, device: str | None
) -> None:
    """`recipient`: masked (ENU-3)."""
    await tx.execute(_INSERT, notice_id, account_id, application, what, recipient, device, tx.now)


async def get(conn: Conn, notice_id: UUID) -> Notice | None:
    return await conn.row(Notice, _GET, notice_id)


async def purge(tx: Tx, before: object) -> None:
    await tx.execute(_PURGE, before)
