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
_FIND = f"""
SELECT {_COLUMNS} FROM identifier i JOIN account a ON a.id = i.account_id
WHERE i.store_id = $1 AND (i.kind, i.canonical) IN (SELECT * FROM unnest($2::text[], $3::text[]))
ORDER BY (a.status = 'active') DESC, a.created_at LIMIT 1
"""  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1 FOR UPDATE"  # noqa: S608
_INSERT = "INSERT INTO account (id, store_id, status, language, created_at) VALUES ($1, $2, 'pending', $3, $4)"
_ADD = """
INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, skeleton, verified_at, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING RETURNING id
"""
_VERIFY = """
UPDATE identifier SET verified_at = $4, value = $5
WHERE account_id = $1 AND kind = $2 AND canonical = $3
"""
_ACTIVATE = """
UPDATE account SET status = 'active', activated_at = $2, profile = $3, consents = $4, language = $5 WHERE id = $1
"""
_STATUS = "UPDATE account SET status = $2 WHERE id = $1"
_IDENTIFIERS = "SELECT id, kind, value, canonical, verified_at FROM identifier WHERE account_id = $1 ORDER BY created_at, kind"
_REQUIRE = "INSERT INTO required_action (account_id, action) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_REQUIRED = "SELECT action FROM required_action WHERE account_id = $1 ORDER BY action"
_DONE = "DELETE FROM required_action WHERE account_id = $1 AND action = $2"
_NEVER_ACTIVATED = """
DELETE FROM account WHERE id IN (
    SELECT id FROM account WHERE status = 'pending' AND created_at < $1 ORDER BY created_at LIMIT 200 FOR UPDATE SKIP LOCKED
) RETURNING id, store_id
"""


async def find(conn: Conn, store_id: UUID, wanted: Sequence[tuple[IdentifierKind, str]]) -> Record | None:
    """The account that one of these identifiers belongs to; the same statement for known and unknown ones (ENU-2)."""
    return await conn.fetchrow(_FIND, store_id, [kind for kind, _ in wanted], [canonical for _, canonical in wanted])


async def get(conn: Conn, account_id: UUID) -> Record | None:
    return await conn.fetchrow(_GET, account_id)


async def lock(tx: Tx, account_id: UUID) -> Record | None:
    return await tx.fetchrow(_LOCK, account_id)


async def insert(tx: Tx, store_id: UUID, language: str) -> UUID:
    account_id = random_id()
    await tx.execute(_INSERT, account_id, store_id, language, tx.now)
    return account_id


async def add_identifier(tx: Tx, account_id: UUID, store_id: UUID, one: Identifier, *, verified_at: datetime | None) -> bool:
    """False if somebody has it, or a look-alike of it."""
    row = await tx.fetchrow(
        _ADD, random_id(), account_id, store_id, one.kind, one.value, one.canonical, one.skeleton, verified_at, tx.now
    )
    return row is not None


async def verify_identifier(tx: Tx, account_id: UUID, one: Identifier) -> None:
    await tx.execute(_VERIFY, account_id, one.kind, one.canonical, tx.now, one.value)


async def activate(tx: Tx, account_id: UUID, *, profile: dict[str, Any], consents: list[Any], language: str) -> None:
    await tx.execute(_ACTIVATE, account_id, tx.now, profile, consents, language)


async def set_status(tx: Tx, account_id: UUID, status: str) -> None:
    await tx.execute(_STATUS, account_id, status)


async def identifiers(conn: Conn, account_id: UUID) -> list[Record]:
    return await conn.fetch(_IDENTIFIERS, account_id)


async def require(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_REQUIRE, account_id, action)


async def required(conn: Conn, account_id: UUID) -> list[str]:
    return [row["action"] for row in await conn.fetch(_REQUIRED, account_id)]


async def no_longer_required(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_DONE, account_id, action)


async def delete_never_activated(tx: Tx, before: datetime) -> list[Record]:
    return await tx.fetch(_NEVER_ACTIVATED, before)
