"""SQL of factors and recovery codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.http.factors import FactorKind
from servicekit.db import Conn, Tx

from .states import FactorStatus

_COLUMNS = """f.id, f.account_id, f.application, f.kind, f.status, f.name, f.target, f.masked, f.secret, f.salt, f.last_step, f.created_at, f.expires_at,
f.confirmed_at, f.last_used_at, f.flow_id, f.digits, (SELECT count(*)::int FROM recovery_code c WHERE c.factor_id = f.id AND c.used_at IS NULL) AS codes_left"""
_HOLD = """
INSERT INTO holder (account_id, store_id) VALUES ($1, $2) ON CONFLICT (account_id) DO UPDATE SET store_id = excluded.store_id
RETURNING version
"""
# Not FOR UPDATE: a factor that one transaction changes twice has its reference to the holder checked, and whoever holds that waits for the factor.
_LOCK_HOLDER = "SELECT store_id, version FROM holder WHERE account_id = $1 FOR NO KEY UPDATE"
_HOLDER = "SELECT store_id, version FROM holder WHERE account_id = $1"
_NEXT_VERSION = "UPDATE holder SET version = version + 1 WHERE account_id = $1 RETURNING version"
_INSERT = """
INSERT INTO factor (id, account_id, application, kind, status, name, target, masked, secret, salt, risk_notice, created_at, expires_at, flow_id)
VALUES ($1, $2, $3, $4, 'pending', $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""
_OF = f"SELECT {_COLUMNS} FROM factor f WHERE f.account_id = $1 ORDER BY f.created_at, f.id"  # noqa: S608 - constant columns
_GET = f"SELECT {_COLUMNS} FROM factor f WHERE f.id = $1 AND f.account_id = $2"  # noqa: S608
_LOCK = f"{_GET} FOR UPDATE OF f"
_DROP_PENDING = "DELETE FROM factor WHERE account_id = $1 AND kind = $2 AND status = 'pending'"
_PROVEN = "UPDATE factor SET status = 'proven', last_step = $2, expires_at = NULL WHERE id = $1"
_ACTIVATE = """
UPDATE factor SET status = 'active', confirmed_at = $2, secret = CASE WHEN kind = 'recovery_codes' THEN NULL ELSE secret END
WHERE id = $1 AND status = 'proven' RETURNING id
"""
_SENT = "UPDATE factor SET digits = $2 WHERE id = $1"
_RENAME = "UPDATE factor SET name = $2 WHERE id = $1"
_DELETE = "DELETE FROM factor WHERE id = $1"
_USED_STEP = """
UPDATE factor SET last_step = $2, last_used_at = $3 WHERE id = $1 AND (last_step IS NULL OR last_step < $2) RETURNING id
"""
_USED = "UPDATE factor SET last_used_at = $2 WHERE id = $1"
_ADD_CODES = "INSERT INTO recovery_code (factor_id, hash) SELECT $1, unnest($2::bytea[])"
_USE_CODE = "UPDATE recovery_code SET used_at = $3 WHERE factor_id = $1 AND hash = $2 AND used_at IS NULL RETURNING factor_id"
_PURGE = "DELETE FROM factor WHERE status = 'pending' AND expires_at < $1"


@dataclass(frozen=True, slots=True)
class Factor:
    """`target`, `secret`: encrypted. `flow_id`: of the sign-in in which it was added, because the policy required it. `digits`: of the code
    that was sent last to confirm it.
    """

    id: UUID
    account_id: UUID
    application: str
    kind: FactorKind
    status: FactorStatus
    name: str | None
    target: bytes | None
    masked: str | None
    secret: bytes | None
    salt: bytes | None
    last_step: int | None
    created_at: datetime
    expires_at: datetime | None
    confirmed_at: datetime | None
    last_used_at: datetime | None
    flow_id: UUID | None
    digits: int | None
    codes_left: int

    @property
    def active(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """`target`, `secret`: encrypted."""

    id: UUID
    account_id: UUID
    application: str
    kind: FactorKind
    name: str | None
    target: bytes | None = None
    masked: str | None = None
    secret: bytes | None = None
    salt: bytes | None = None
    risk_notice: int | None = None
    flow_id: UUID | None = None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    store_id: UUID
    version: int


async def hold(tx: Tx, account_id: UUID, store_id: UUID) -> None:
    """Locks all that is this person's, who may be new here."""
    await tx.execute(_HOLD, account_id, store_id)


async def lock_holder(tx: Tx, account_id: UUID) -> Holder | None:
    return await tx.row(Holder, _LOCK_HOLDER, account_id)


async def holder(conn: Conn, account_id: UUID) -> Holder | None:
    return await conn.row(Holder, _HOLDER, account_id)


async def next_version(tx: Tx, account_id: UUID) -> int:
    found: int = await tx.fetchval(_NEXT_VERSION, account_id)
    return found


async def insert(tx: Tx, one: New) -> None:
    """In place of one of its kind that was begun and not confirmed."""
    await tx.execute(_DROP_PENDING, one.account_id, one.kind)
    await tx.execute(
        _INSERT, one.id, one.account_id, one.application, one.kind, one.name, one.target, one.masked, one.secret, one.salt, one.risk_notice, tx.now,
        one.expires_at, one.flow_id,
    )  # fmt: skip


async def of(conn: Conn, account_id: UUID) -> list[Factor]:
    return await conn.rows(Factor, _OF, account_id)


async def get(conn: Conn, factor_id: UUID, account_id: UUID) -> Factor | None:
    return await conn.row(Factor, _GET, factor_id, account_id)


async def lock(tx: Tx, factor_id: UUID, account_id: UUID) -> Factor | None:
    return await tx.row(Factor, _LOCK, factor_id, account_id)


async def proven(tx: Tx, factor_id: UUID, last_step: int | None) -> None:
    await tx.execute(_PROVEN, factor_id, last_step)


async def activate(tx: Tx, factor_id: UUID) -> bool:
    """False: it was active before, or is gone."""
    return await tx.fetchval(_ACTIVATE, factor_id, tx.now) is not None


async def sent(tx: Tx, factor_id: UUID, digits: int | None) -> None:
    await tx.execute(_SENT, factor_id, digits)


async def rename(tx: Tx, factor_id: UUID, name: str) -> None:
    await tx.execute(_RENAME, factor_id, name)


async def delete(tx: Tx, factor_id: UUID) -> None:
    await tx.execute(_DELETE, factor_id)


async def use_step(tx: Tx, factor_id: UUID, step: int) -> bool:
    """False: this time step, or a later one, was accepted before."""
    return await tx.fetchval(_USED_STEP, factor_id, step, tx.now) is not None


async def used(tx: Tx, factor_id: UUID) -> None:
    await tx.execute(_USED, factor_id, tx.now)


async def add_codes(tx: Tx, factor_id: UUID, hashes: Sequence[bytes]) -> None:
    await tx.execute(_ADD_CODES, factor_id, list(hashes))


async def use_code(tx: Tx, factor_id: UUID, code_hash: bytes) -> bool:
    """Once."""
    return await tx.fetchval(_USE_CODE, factor_id, code_hash, tx.now) is not None


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
