"""SQL of passwords."""

from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Tx

_PUT = """
INSERT INTO password_credential (account_id, hash, changed_at) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET hash = $2, changed_at = $3
"""
_REHASH = "UPDATE password_credential SET hash = $3 WHERE account_id = $1 AND hash = $2"
_GET = "SELECT hash FROM password_credential WHERE account_id = $1"

# What was set at the activation changed nothing yet.
_SECURED = """
SELECT greatest(a.frozen_at, a.moved_at, c.changed_at) FROM account a
LEFT JOIN password_credential c ON c.account_id = a.id AND c.changed_at > a.activated_at WHERE a.id = $1
"""


async def put(tx: Tx, account_id: UUID, password_hash: str) -> None:
    await tx.execute(_PUT, account_id, password_hash, tx.now)


async def replace(tx: Tx, account_id: UUID, old: str, new: str) -> None:
    """The same password under newer parameters; does nothing if it was changed meanwhile (PWD-5)."""
    await tx.execute(_REHASH, account_id, old, new)


async def get(conn: Conn, account_id: UUID) -> str | None:
    found: str | None = await conn.fetchval(_GET, account_id)
    return found


async def secured_at(conn: Conn, account_id: UUID) -> datetime | None:
    """When its password was last changed, its addresses were, or the account frozen: what was asked for before leads nowhere since (LNK-7)."""
    found: datetime | None = await conn.fetchval(_SECURED, account_id)
    return found
