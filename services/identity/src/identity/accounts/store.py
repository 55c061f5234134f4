"""SQL of accounts and identifiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from latchkey_contracts.http.sign_in import Action
from latchkey_contracts.identity import IdentifierKind
from servicekit.db import Conn, Record, Tx
from servicekit.ids import random_id

from .rules import Account, Held, Identifier, Owner

_COLUMNS = "a.id, a.store_id, a.status, a.profile, a.language, a.created_at, a.second_factor"
# One index look-up for each identifier, whatever the planner knows of the tables: as a plain join it may read a whole store.
_FIND_SQL = f"""
SELECT DISTINCT ON (wanted.place) wanted.place, {_COLUMNS}
FROM unnest($1::int[], $2::uuid[], $3::text[], $4::text[]) AS wanted(place, store_id, kind, canonical)
CROSS JOIN LATERAL (
    SELECT account_id FROM identifier AS i
    WHERE i.store_id = wanted.store_id AND i.kind = wanted.kind AND i.canonical = wanted.canonical %s
    LIMIT 1
) AS i
CROSS JOIN LATERAL (SELECT * FROM account WHERE id = i.account_id LIMIT 1) AS a
ORDER BY wanted.place, (a.status = 'active') DESC, a.created_at
"""  # noqa: S608 - constant columns
# Who signs in with it, and whom it belongs to: beside an unproven claim stands the account that is about to prove it.
_FIND = _FIND_SQL % "AND NOT i.contested"
# With the password beside it, in one look for known and unknown names alike (ENU-2).
_FIND_WITH_PASSWORD = f"""
SELECT found.*, c.hash FROM (SELECT true) AS always LEFT JOIN ({_FIND}) AS found ON true
LEFT JOIN LATERAL (SELECT hash FROM password_credential WHERE account_id = coalesce(found.id, $5)) AS c ON true
"""  # noqa: S608
_FIND_OWNERS = _FIND_SQL % "ORDER BY i.verified_at IS NULL, i.contested DESC"
_CLAIMS = f"""
SELECT {_COLUMNS}, i.contested, i.verified_at
FROM identifier AS i JOIN account AS a ON a.id = i.account_id
WHERE i.store_id = $1 AND i.kind = $2 AND i.canonical = $3 ORDER BY i.verified_at IS NULL, i.contested DESC
"""  # noqa: S608
_GET = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1"  # noqa: S608
_GET_SEVERAL = f"SELECT {_COLUMNS} FROM account a WHERE a.id = ANY($1::uuid[])"  # noqa: S608
# Both rows: what waits for a lock sees the newest of what it locks, and of nothing else.
_LOCK_PROVEN = """
SELECT a.status, c.hash FROM account AS a JOIN password_credential AS c ON c.account_id = a.id WHERE a.id = $1 FOR UPDATE OF a, c
"""
_LOCK = f"SELECT {_COLUMNS} FROM account a WHERE a.id = $1 FOR UPDATE"  # noqa: S608
_INSERT = "INSERT INTO account (id, store_id, status, language, created_at) VALUES ($1, $2, 'pending', $3, $4)"
_ADD = """
INSERT INTO identifier (id, account_id, store_id, kind, value, canonical, skeleton, verified_at, contested, created_at, is_primary)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NOT EXISTS (SELECT FROM identifier WHERE account_id = $2 AND kind = $4 AND is_primary)
ON CONFLICT DO NOTHING RETURNING id
"""
# Looked for afterwards: whoever waited for the change that has freed it sees by now that it rests (STP-4).
_DROP_RESTING = """
DELETE FROM identifier WHERE id = $1 AND EXISTS (
    SELECT FROM released_identifier AS r WHERE r.store_id = $2 AND r.kind = $3 AND (r.canonical = $4 OR r.skeleton = $5)
        AND r.account_id <> $6 AND r.until > $7
) RETURNING id
"""
_DROP_CLAIMS = """
WITH dropped AS (
    DELETE FROM identifier AS i USING identifier AS mine
    WHERE mine.account_id = $1 AND mine.kind = $2 AND mine.canonical = $3 AND i.store_id = mine.store_id AND i.kind = mine.kind
        AND i.canonical = mine.canonical AND i.account_id <> mine.account_id AND i.verified_at IS NULL
    RETURNING i.id, i.account_id
)
SELECT DISTINCT account_id FROM dropped AS d WHERE NOT EXISTS (
    SELECT FROM identifier AS other WHERE other.account_id = d.account_id AND other.id NOT IN (SELECT id FROM dropped)
)
"""
_DROP_UNPROVEN = "DELETE FROM identifier WHERE account_id = $1 AND verified_at IS NULL AND kind <> 'username'"
_YIELD = """
UPDATE identifier AS i SET contested = true FROM account AS a
WHERE a.id = i.account_id AND a.status = 'pending' AND i.store_id = $1 AND i.kind = $2 AND i.canonical = $3 AND NOT i.contested
    AND i.verified_at IS NULL
"""
_PROFILE = "UPDATE account SET profile = $2, profile_version = profile_version + 1 WHERE id = $1"
_VERIFY = """
UPDATE identifier SET verified_at = $4, value = $5, contested = false
WHERE account_id = $1 AND kind = $2 AND canonical = $3
"""
_ACTIVATE = """
UPDATE account SET status = 'active', activated_at = $2, profile = $3, consents = $4, language = $5, profile_version = profile_version + 1 WHERE id = $1
"""
_STATUS = "UPDATE account SET status = $2, frozen_at = CASE WHEN $2 = 'frozen' THEN $3 ELSE frozen_at END WHERE id = $1"
_IDENTIFIERS = """
SELECT account_id, kind, value, canonical, verified_at FROM identifier WHERE account_id = ANY($1::uuid[])
ORDER BY is_primary DESC, created_at, kind
"""
_REQUIRE = "INSERT INTO required_action (account_id, action) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_STANDING = """
SELECT a.second_factor, a.last_signed_in_at, a.profile,
    EXISTS (SELECT FROM identifier WHERE account_id = a.id AND kind = 'username') AS named, ARRAY(SELECT action FROM required_action WHERE account_id = a.id ORDER BY action) AS required
FROM account a WHERE a.id = $1
"""
_DONE = "DELETE FROM required_action WHERE account_id = $1 AND action = $2"
# An attempt that somebody may still finish keeps it, whoever began it when. As an array the rows are looked for once: a plan may
# run what stands behind IN for each row anew, and every time it locks others.
_NEVER_ACTIVATED = """
DELETE FROM account WHERE id = ANY(ARRAY(
    SELECT id FROM account AS a WHERE status = 'pending' AND created_at < $1 AND NOT EXISTS (
        SELECT FROM registration_attempt AS r
        WHERE r.account_id = a.id AND r.status IN ('check_your_messages', 'password') AND r.expires_at > $2
    ) ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
)) RETURNING id, store_id
"""


async def find(conn: Conn, store_id: UUID, wanted: Sequence[tuple[IdentifierKind, str]]) -> Account | None:
    """The account that one of these identifiers belongs to; the same statement for known and unknown ones (ENU-2)."""
    return (await find_several(conn, [(store_id, wanted)]))[0]


async def find_several(conn: Conn, several: Sequence[tuple[UUID, Sequence[tuple[IdentifierKind, str]]]]) -> list[Account | None]:
    """For each store and its identifiers the one account that signs in with them, an active one before others."""
    return await _find_several(conn, _FIND, several)


async def _find_several(
    conn: Conn, statement: str, several: Sequence[tuple[UUID, Sequence[tuple[IdentifierKind, str]]]]
) -> list[Account | None]:
    given = [(place, store_id, kind, canonical) for place, (store_id, wanted) in enumerate(several) for kind, canonical in wanted]
    columns = ([wanted[number] for wanted in given] for number in range(4))
    found = {row["place"]: _account(row) for row in await conn.fetch(statement, *columns)}
    return [found.get(place) for place in range(len(several))]


async def find_owners(conn: Conn, several: Sequence[tuple[UUID, Sequence[tuple[IdentifierKind, str]]]]) -> list[Account | None]:
    """The same for messages: an address belongs to who is about to prove it before who only typed it."""
    return await _find_several(conn, _FIND_OWNERS, several)


async def find_owner(conn: Conn, store_id: UUID, identifier: Identifier) -> Owner | None:
    """Who an address or number belongs to: who has proven it, or is about to. Nobody who only typed it, whatever else that account
    has proven (REG-3): an unproven identifier never keeps its owner out.
    """
    for row in await conn.fetch(_CLAIMS, store_id, identifier.kind, identifier.canonical):
        if row["contested"] or row["verified_at"] is not None or row["status"] == "pending":
            return Owner(_account(row), proven=row["verified_at"] is not None)
    return None


def _account(row: Record) -> Account:
    names = ("id", "store_id", "status", "profile", "language", "created_at", "second_factor")
    return Account(*(row[name] for name in names))


def _held(row: Record) -> Held:
    return Held(row["account_id"], row["kind"], row["value"], row["canonical"], row["verified_at"])


async def get(conn: Conn, account_id: UUID) -> Account | None:
    row = await conn.fetchrow(_GET, account_id)
    return _account(row) if row is not None else None


async def get_several(conn: Conn, account_ids: Sequence[UUID]) -> dict[UUID, Account]:
    return {row["id"]: _account(row) for row in await conn.fetch(_GET_SEVERAL, list(account_ids))}


async def lock(tx: Tx, account_id: UUID) -> Account | None:
    row = await tx.fetchrow(_LOCK, account_id)
    return _account(row) if row is not None else None


async def find_with_password(
    conn: Conn, store_id: UUID, wanted: Sequence[tuple[IdentifierKind, str]]
) -> tuple[Account | None, str | None]:
    """As `find`, and the hash of its password."""
    columns = [0] * len(wanted), [store_id] * len(wanted), [kind for kind, _ in wanted], [canonical for _, canonical in wanted]
    row = await conn.fetchrow(_FIND_WITH_PASSWORD, *columns, random_id())
    return (_account(row), row["hash"]) if row is not None and row["id"] is not None else (None, None)


async def lock_if_proven(tx: Tx, account_id: UUID, password_hash: str) -> bool:
    """Locks the account and its password. True: it is open, and the password is the very one that was proven."""
    row = await tx.fetchrow(_LOCK_PROVEN, account_id)
    return row is not None and row["status"] == "active" and row["hash"] == password_hash


async def insert(tx: Tx, store_id: UUID, language: str) -> UUID:
    account_id = random_id()
    await tx.execute(_INSERT, account_id, store_id, language, tx.now)
    return account_id


async def add_identifier(
    tx: Tx, account_id: UUID, store_id: UUID, identifier: Identifier, *, verified_at: datetime | None, contested: bool = False
) -> bool:
    """False if somebody has it, or a look-alike of it, or had it until recently. `contested`: beside somebody's unproven claim."""
    values = (identifier.kind, identifier.value, identifier.canonical, identifier.skeleton, verified_at, contested)
    added = random_id()
    if await tx.fetchrow(_ADD, added, account_id, store_id, *values, tx.now) is None:
        return False
    names = (identifier.kind, identifier.canonical, identifier.skeleton)
    return await tx.fetchrow(_DROP_RESTING, added, store_id, *names, account_id, tx.now) is None


async def claim(tx: Tx, account_id: UUID, store_id: UUID, identifier: Identifier) -> bool:
    """For a pending account, which is about to prove it. False if it has an owner (`find_owner`), such as an attempt that came
    first; beside somebody's unproven claim both rows stand.
    """
    if await add_identifier(tx, account_id, store_id, identifier, verified_at=None):
        return True
    if await find_owner(tx, store_id, identifier) is not None:
        return False
    return await add_identifier(tx, account_id, store_id, identifier, verified_at=None, contested=True)


async def yield_claims(tx: Tx, store_id: UUID, identifier: Identifier) -> None:
    """A pending account's claim steps aside for an account that opens without proof; it still wins once it is proven."""
    await tx.execute(_YIELD, store_id, identifier.kind, identifier.canonical)


async def verify_identifier(tx: Tx, account_id: UUID, identifier: Identifier) -> list[UUID]:
    """Proof beats claims: whoever else only typed it has it no longer. Answers the accounts that nobody can name any more."""
    nameless = await tx.fetch(_DROP_CLAIMS, account_id, identifier.kind, identifier.canonical)
    await tx.execute(_VERIFY, account_id, identifier.kind, identifier.canonical, tx.now, identifier.value)
    return [row["account_id"] for row in nameless]


async def drop_unproven(tx: Tx, account_id: UUID) -> None:
    """Addresses and numbers; a username proves nothing and leads nowhere without the password."""
    await tx.execute(_DROP_UNPROVEN, account_id)


async def set_profile(tx: Tx, account_id: UUID, profile: dict[str, Any]) -> None:
    await tx.execute(_PROFILE, account_id, profile)


async def activate(tx: Tx, account_id: UUID, *, profile: dict[str, Any], consents: list[Any], language: str) -> None:
    await tx.execute(_ACTIVATE, account_id, tx.now, profile, consents, language)


async def set_status(tx: Tx, account_id: UUID, status: str) -> None:
    await tx.execute(_STATUS, account_id, status, tx.now)


async def identifiers(conn: Conn, account_id: UUID) -> list[Held]:
    return (await identifiers_of(conn, [account_id]))[account_id]


async def identifiers_of(conn: Conn, account_ids: Sequence[UUID]) -> dict[UUID, list[Held]]:
    found: dict[UUID, list[Held]] = {account_id: [] for account_id in account_ids}
    for row in await conn.fetch(_IDENTIFIERS, list(account_ids)):
        found[row["account_id"]].append(_held(row))
    return found


async def require(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_REQUIRE, account_id, action)


@dataclass(frozen=True, slots=True)
class Standing:
    """What may stand between a right password and a session. `required`: what was noted with the account; `named`: it has a username."""

    second_factor: bool
    required: list[Action]
    profile: dict[str, Any]
    named: bool
    last_signed_in_at: datetime | None = None  # to the day


async def standing(conn: Conn, account_id: UUID) -> Standing:
    return await conn.row(Standing, _STANDING, account_id) or Standing(False, [], {}, named=True)


async def no_longer_required(tx: Tx, account_id: UUID, action: str) -> None:
    await tx.execute(_DONE, account_id, action)


@dataclass(frozen=True, slots=True)
class Gone:
    id: UUID
    store_id: UUID


async def delete_never_activated(tx: Tx, before: datetime, most: int) -> list[Gone]:
    return [Gone(row["id"], row["store_id"]) for row in await tx.fetch(_NEVER_ACTIVATED, before, tx.now, most)]
