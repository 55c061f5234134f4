"""SQL of accounts and identifiers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.identity import IdentifierKind
from servicekit.db import Conn, Record, Tx
from servicekit.ids import random_id

from .rules import Identifier

_COLUMNS = "a.id, a.store_id, a.status, a.profile, a.consents, a.language, a.created_at, a.activated_at"
# One index look-up for each identifier, whatever the planner knows of the tables: as a plain join it may read a whole store.
_FIND = f"""
SELECT DISTINCT ON (wanted.place) wanted.place, {_COLUMNS}
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) AS wanted(place, store_id, kind, canonical)
CROSS JOIN LATERAL (
    SELECT account_id FROM identifier AS i
    WHERE i.store_id = wanted.store_id AND i.kind = wanted.kind AND i.canonical = wanted.canonical AND NOT i.contested
    LIMIT 1
) AS i
CROSS JOIN LATERAL (SELECT * FROM account WHERE id = i.account_id LIMIT 1) AS a
ORDER BY wanted.place, (a.status = 'active') DESC, a.created_at
"""  # noqa: S608 - constant columns
_CLAIMS = f"""
SELECT {_COLUMNS}, i.contested, i.verified_at,
    EXISTS (SELECT FROM identifier AS o WHERE o.account_id = a.id AND o.verified_at IS NOT NULL) AS has_proven
FROM identifier AS i JOIN account AS a ON a.id = i.account_id
WHERE i.store_id = $1 AND i.kind = $2 AND i.canonical = $3 ORDER BY i.contested DESC
"""  # noqa: S608
_GET = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1"  # noqa: S608
_GET_SEVERAL = f"SELECT {_COLUMNS} FROM account a WHERE a.id = ANY($1::uuid[])"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1 FOR UPDATE"  # noqa: S608
_INSERT = "INSERT INTO account (id, store_id, status, language, created_at) VALUES ($1, $2, 'pending', $3, $4)"
_ADD = """
INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, skeleton, verified_at, contested, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING id
"""
_DROP_CLAIMS = """
DELETE FROM identifier AS i USING identifier AS mine
WHERE mine.account_id = $1 AND mine.kind = $2 AND mine.canonical = $3 AND i.store_id = mine.store_id AND i.kind = mine.kind
    AND i.canonical = mine.canonical AND i.account_id <> mine.account_id AND i.verified_at IS NULL
"""
_VERIFY = """
UPDATE identifier SET verified_at = $4, value = $5, contested = false
WHERE account_id = $1 AND kind = $2 AND canonical = $3
"""
_ACTIVATE = """
UPDATE account SET status = 'active', activated_at = $2, profile = $3, consents = $4, language = $5 WHERE id = $1
"""
_STATUS = "UPDATE account SET status = $2, frozen_at = CASE WHEN $2 = 'frozen' THEN $3 ELSE frozen_at END WHERE id = $1"
_IDENTIFIERS = """
SELECT account_id, id, kind, value, canonical, verified_at FROM identifier WHERE account_id = ANY($1::uuid[]) ORDER BY created_at, kind
"""
_REQUIRE = "INSERT INTO required_action (account_id, action) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_REQUIRED = "SELECT action FROM required_action WHERE account_id = $1 ORDER BY action"
_DONE = "DELETE FROM required_action WHERE account_id = $1 AND action = $2"
# An attempt that somebody may still finish keeps it, whoever began it when.
_NEVER_ACTIVATED = """
DELETE FROM account WHERE id IN (
    SELECT id FROM account AS a WHERE status = 'pending' AND created_at < $1 AND NOT EXISTS (
        SELECT FROM registration_attempt AS r
        WHERE r.account_id = a.id AND r.status IN ('check_your_messages', 'password') AND r.expires_at > $2
    ) ORDER BY created_at LIMIT 200 FOR UPDATE SKIP LOCKED
) RETURNING id, store_id
"""


async def find(conn: Conn, store_id: UUID, wanted: Sequence[tuple[IdentifierKind, str]]) -> Record | None:
    """The account that one of these identifiers belongs to; the same statement for known and unknown ones (ENU-2)."""
    return (await find_several(conn, [(store_id, wanted)]))[0]


async def find_several(conn: Conn, several: Sequence[tuple[UUID, Sequence[tuple[IdentifierKind, str]]]]) -> list[Record | None]:
    """For each store and its identifiers the one account that they belong to, an active one before others."""
    given = [(place, store_id, kind, canonical) for place, (store_id, wanted) in enumerate(several) for kind, canonical in wanted]
    columns = ([one[number] for one in given] for number in range(4))
    found = {row["place"]: row for row in await conn.fetch(_FIND, *columns)}
    return [found.get(place) for place in range(len(several))]


async def find_owner(conn: Conn, store_id: UUID, one: Identifier) -> Record | None:
    """Who an address or number belongs to: who has proven it, or is about to. Not an account whose owner has proven another and
    only typed this one.
    """
    for row in await conn.fetch(_CLAIMS, store_id, one.kind, one.canonical):
        if row["contested"] or row["verified_at"] is not None or row["status"] == "pending" or not row["has_proven"]:
            return row
    return None


async def get(conn: Conn, account_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, account_id)


async def get_several(conn: Conn, account_ids: Sequence[UUID]) -> dict[UUID, Record]:
    return {row["id"]: row for row in await conn.fetch(_GET_SEVERAL, list(account_ids))}


async def lock(tx: Tx, account_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, account_id)


async def insert(tx: Tx, store_id: UUID, language: str) -> UUID:
    account_id = random_id()
    await tx.execute(_INSERT, account_id, store_id, language, tx.now)
    return account_id


async def add_identifier(
    tx: Tx, account_id: UUID, store_id: UUID, one: Identifier, *, verified_at: datetime | None, contested: bool = False
) -> bool:
    """False if somebody has it, or a look-alike of it. `contested`: beside somebody's unproven claim."""
    values = (one.kind, one.value, one.canonical, one.skeleton, verified_at, contested)
    return await tx.fetchrow(_ADD, random_id(), account_id, store_id, *values, tx.now) is not None


async def claim(tx: Tx, account_id: UUID, store_id: UUID, one: Identifier) -> bool:
    """For a pending account, which is about to prove it. False if it has an owner (`find_owner`), such as an attempt that came
    first; beside somebody's unproven claim both rows stand.
    """
    if await add_identifier(tx, account_id, store_id, one, verified_at=None):
        return True
    if await find_owner(tx, store_id, one) is not None:
        return False
    return await add_identifier(tx, account_id, store_id, one, verified_at=None, contested=True)


async def verify_identifier(tx: Tx, account_id: UUID, one: Identifier) -> None:
    """Proof beats claims: whoever else only typed it has it no longer."""
    await tx.execute(_DROP_CLAIMS, account_id, one.kind, one.canonical)
    await tx.execute(_VERIFY, account_id, one.kind, one.canonical, tx.now, one.value)


async def activate(tx: Tx, account_id: UUID, *, profile: dict[str, Any], consents: list[Any], language: str) -> None:
    await tx.execute(_ACTIVATE, account_id, tx.now, profile, consents, language)


async def set_status(tx: Tx, account_id: UUID, status: str) -> None:
    await tx.execute(_STATUS, account_id, status, tx.now)


async def identifiers(conn: Conn, account_id: UUID) -> list[Record]:
    return (await identifiers_of(conn, [account_id]))[account_id]


async def identifiers_of(conn: Conn, account_ids: Sequence[UUID]) -> dict[UUID, list[Record]]:
    found: dict[UUID, list[Record]] = {account_id: [] for account_id in account_ids}
    for row in await conn.fetch(_IDENTIFIERS, list(account_ids)):
        found[row["account_id"]].append(row)
    return found


async def require(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_REQUIRE, account_id, action)


async def required(conn: Conn, account_id: UUID) -> list[str]:
    return [row["action"] for row in await conn.fetch(_REQUIRED, account_id)]


async def no_longer_required(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_DONE, account_id, action)


async def delete_never_activated(tx: Tx, before: datetime) -> list[Record]:
    return await tx.fetch(_NEVER_ACTIVATED, before, tx.now)
