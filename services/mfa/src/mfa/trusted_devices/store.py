"""SQL of trusted devices."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Tx
from servicekit.ids import random_id

_COLUMNS = "id, device, name, created_at, last_used_at, expires_at"
_PUT = """
INSERT INTO trusted_device (id, account_id, device, name, application, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id, device) DO UPDATE SET name = excluded.name, created_at = excluded.created_at, expires_at = excluded.expires_at,
    last_used_at = NULL
RETURNING id
"""
_USE = """
UPDATE trusted_device SET last_used_at = $3 WHERE account_id = $1 AND device = $2 AND expires_at > $3 RETURNING id
"""
_OF = f"SELECT {_COLUMNS} FROM trusted_device WHERE account_id = $1 AND expires_at > $2 ORDER BY created_at, id"  # noqa: S608
_DELETE = "DELETE FROM trusted_device WHERE id = $1 AND account_id = $2 RETURNING id"
_DELETE_ALL = "DELETE FROM trusted_device WHERE account_id = $1 AND created_at <= $2 RETURNING id"
_PURGE = "DELETE FROM trusted_device WHERE expires_at < $1"


@dataclass(frozen=True, slots=True)
class Trusted:
    """`device`: the gateway's name of it; `name`: in words."""

    id: UUID
    device: str
    name: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime


async def put(tx: Tx, account_id: UUID, device: str, name: str | None, application: str, expires_at: datetime) -> UUID:
    found: UUID = await tx.fetchval(_PUT, random_id(), account_id, device, name, application, tx.now, expires_at)
    return found


async def use(tx: Tx, account_id: UUID, device: str) -> bool:
    """Whether it is trusted now; if so, it is used."""
    return await tx.fetchval(_USE, account_id, device, tx.now) is not None


async def of(conn: Conn, account_id: UUID) -> list[Trusted]:
    return await conn.rows(Trusted, _OF, account_id, conn.now)


async def delete(tx: Tx, trusted_id: UUID, account_id: UUID) -> bool:
    return await tx.fetchval(_DELETE, trusted_id, account_id) is not None


async def delete_all(tx: Tx, account_id: UUID, before: datetime) -> bool:
    """Those trusted until then. False: there was none."""
    return bool(await tx.fetch(_DELETE_ALL, account_id, before))


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
