"""SQL of what is linked to accounts."""

from uuid import UUID

from servicekit.db import Conn, Tx
from servicekit.ids import random_id

from .rules import Linked, Newcomer

_COLUMNS = "id, account_id, provider, issuer, subject, shown, linked_at, used_at"
_FIND = f"SELECT {_COLUMNS} FROM linked_identity WHERE store_id = $1 AND issuer = $2 AND subject = $3"  # noqa: S608 - constant columns
_OF = f"SELECT {_COLUMNS} FROM linked_identity WHERE account_id = $1 ORDER BY linked_at, id"  # noqa: S608
_INSERT = f"""
INSERT INTO linked_identity (id, account_id, store_id, provider, issuer, subject, shown, linked_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
_USED = "UPDATE linked_identity SET used_at = $3, shown = coalesce($4, shown) WHERE id = $1 AND account_id = $2 RETURNING id"
_DELETE = "DELETE FROM linked_identity WHERE id = $1 AND account_id = $2"
_DROP = f"DELETE FROM linked_identity WHERE account_id = $1 RETURNING {_COLUMNS}"  # noqa: S608


async def find(conn: Conn, store_id: UUID, issuer: str, subject: str) -> Linked | None:
    return await conn.row(Linked, _FIND, store_id, issuer, subject)


async def of(conn: Conn, account_id: UUID) -> list[Linked]:
    """Oldest first."""
    return await conn.rows(Linked, _OF, account_id)


async def insert(tx: Tx, account_id: UUID, store_id: UUID, who: Newcomer) -> Linked | None:
    """None: it signs in somewhere in this store already."""
    return await tx.row(
        Linked, _INSERT, random_id(), account_id, store_id, who.provider, who.issuer, who.subject, who.shown, tx.now
    )


async def used(tx: Tx, one: Linked, shown: str | None) -> bool:
    """False: it is linked no more."""
    return await tx.fetchval(_USED, one.id, one.account_id, tx.now, shown) is not None


async def delete(tx: Tx, account_id: UUID, linked_id: UUID) -> None:
    await tx.execute(_DELETE, linked_id, account_id)


async def drop(tx: Tx, account_id: UUID) -> list[Linked]:
    """All of an account (REG-4)."""
    return await tx.rows(Linked, _DROP, account_id)
