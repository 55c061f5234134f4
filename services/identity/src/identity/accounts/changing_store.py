"""SQL of identifiers that come and go while the account is open: a further one, another primary one, one that is free again."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.identity import IdentifierKind
from servicekit.db import Conn, Tx
from servicekit.ids import random_id

from .rules import Identifier

_OWN = """
SELECT id, kind, value, canonical, verified_at, is_primary, created_at FROM identifier WHERE account_id = $1
ORDER BY kind, is_primary DESC, created_at
"""
# An unproven claim of somebody else's yields to who has proven it (REG-3).
_DROP_CLAIMS = """
DELETE FROM identifier WHERE store_id = $1 AND kind = $2 AND canonical = $3 AND account_id <> $4 AND verified_at IS NULL
RETURNING account_id
"""
_LEFT_NAMELESS = """
SELECT a.id, a.status = 'pending' AS pending FROM account AS a
WHERE a.id = ANY($1::uuid[]) AND NOT EXISTS (SELECT FROM identifier AS i WHERE i.account_id = a.id)
"""
_TAKEN = """
SELECT EXISTS (SELECT FROM identifier WHERE store_id = $1 AND kind = $2 AND (canonical = $3 OR skeleton = $4) AND account_id <> $5
        AND (verified_at IS NOT NULL OR kind = 'username'))
    OR EXISTS (SELECT FROM released_identifier WHERE store_id = $1 AND kind = $2 AND (canonical = $3 OR skeleton = $4) AND account_id <> $5
        AND until > $6)
"""
_PUT = """
INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, skeleton, verified_at, is_primary, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING id
"""
_VERIFY = (
    "UPDATE identifier SET verified_at = $4, value = $5, contested = false WHERE account_id = $1 AND kind = $2 AND canonical = $3"
)
_REMOVE = "DELETE FROM identifier WHERE account_id = $1 AND kind = $2 AND canonical = $3 RETURNING id"
_PRIMARY_NO_MORE = "UPDATE identifier SET is_primary = false WHERE account_id = $1 AND kind = $2 AND is_primary"
_PRIMARY = "UPDATE identifier SET is_primary = true WHERE account_id = $1 AND kind = $2 AND canonical = $3"
_RELEASE = """
INSERT INTO released_identifier (store_id, kind, canonical, skeleton, account_id, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (store_id, kind, canonical) DO UPDATE SET account_id = excluded.account_id, until = excluded.until
"""
_TAKE_BACK = "DELETE FROM released_identifier WHERE store_id = $1 AND kind = $2 AND canonical = $3 AND account_id = $4"
_RESTING = """
SELECT account_id FROM released_identifier
WHERE store_id = $1 AND kind = $2 AND (canonical = $3 OR skeleton = $4) AND until > $5 LIMIT 1
"""
_SECOND_FACTOR_AT = "SELECT second_factor_at FROM account WHERE id = $1"
_MOVED = "UPDATE account SET moved_at = $2 WHERE id = $1"
_END_CHANGES = """
UPDATE contact_change SET ended_at = $2 WHERE account_id = $1 AND completed_at IS NULL AND ended_at IS NULL RETURNING id, approval_id
"""
_PURGE = "DELETE FROM released_identifier WHERE until < $1"


@dataclass(frozen=True, slots=True)
class Own:
    """An identifier as its owner sees it."""

    id: UUID
    kind: IdentifierKind
    value: str
    canonical: str
    verified_at: datetime | None
    is_primary: bool
    created_at: datetime

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.kind, self.value, self.canonical)


@dataclass(frozen=True, slots=True)
class Nameless:
    id: UUID
    pending: bool


async def own(conn: Conn, account_id: UUID) -> list[Own]:
    """Of each kind the primary one first."""
    return await conn.rows(Own, _OWN, account_id)


async def is_taken(conn: Conn, account_id: UUID, store_id: UUID, identifier: Identifier) -> bool:
    """By somebody else who has proven it, or it was theirs until recently; of usernames a look-alike is the same."""
    values = (identifier.kind, identifier.canonical, identifier.skeleton)
    found: bool = await conn.fetchval(_TAKEN, store_id, *values, account_id, conn.now)
    return found


async def resting(conn: Conn, store_id: UUID, identifier: Identifier) -> UUID | None:
    """Whose it was until recently (STP-4)."""
    values = (identifier.kind, identifier.canonical, identifier.skeleton)
    found: UUID | None = await conn.fetchval(_RESTING, store_id, *values, conn.now)
    return found


async def drop_claims(tx: Tx, account_id: UUID, store_id: UUID, identifier: Identifier) -> list[Nameless]:
    """Whoever else only typed it has it no longer. Answers the accounts that nobody can name any more."""
    rows = await tx.fetch(_DROP_CLAIMS, store_id, identifier.kind, identifier.canonical, account_id)
    return await tx.rows(Nameless, _LEFT_NAMELESS, [row["account_id"] for row in rows]) if rows else []


async def put(
    tx: Tx, account_id: UUID, store_id: UUID, identifier: Identifier, *, verified_at: datetime | None, is_primary: bool
) -> bool:
    """False where somebody has it, or had it until recently. What waited for that account's change sees it by now."""
    values = (identifier.kind, identifier.value, identifier.canonical, identifier.skeleton, verified_at, is_primary)
    if await tx.fetchrow(_PUT, random_id(), account_id, store_id, *values, tx.now) is None:
        return False
    owner = await resting(tx, store_id, identifier)
    if owner is not None and owner != account_id:
        await remove(tx, account_id, identifier)
        return False
    await tx.execute(_TAKE_BACK, store_id, identifier.kind, identifier.canonical, account_id)
    return True


async def verify(tx: Tx, account_id: UUID, identifier: Identifier) -> None:
    await tx.execute(_VERIFY, account_id, identifier.kind, identifier.canonical, tx.now, identifier.value)


async def remove(tx: Tx, account_id: UUID, identifier: Identifier) -> bool:
    return await tx.fetchrow(_REMOVE, account_id, identifier.kind, identifier.canonical) is not None


async def release(tx: Tx, account_id: UUID, store_id: UUID, identifier: Identifier, until: datetime) -> None:
    """Nobody else gets it before `until`."""
    values = (identifier.kind, identifier.canonical, identifier.skeleton)
    await tx.execute(_RELEASE, store_id, *values, account_id, until)


async def make_primary(tx: Tx, account_id: UUID, identifier: Identifier) -> None:
    """In one transaction, so that there is one at each instant (INV-15)."""
    await tx.execute(_PRIMARY_NO_MORE, account_id, identifier.kind)
    await tx.execute(_PRIMARY, account_id, identifier.kind, identifier.canonical)


async def moved(tx: Tx, account_id: UUID) -> None:
    """Where the account is reached has changed."""
    await tx.execute(_MOVED, account_id, tx.now)


async def end_changes(tx: Tx, account_id: UUID) -> list[UUID]:
    """Those that nobody has completed. Answers the flows of their links and codes (LNK-7)."""
    rows = await tx.fetch(_END_CHANGES, account_id, tx.now)
    return [one for row in rows for one in (row["id"], row["approval_id"]) if one is not None]


async def second_factor_at(conn: Conn, account_id: UUID) -> datetime | None:
    """Since when the account has one, as far as that was noted."""
    found: datetime | None = await conn.fetchval(_SECOND_FACTOR_AT, account_id)
    return found


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now)
