"""SQL of sign-in attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from servicekit.db import Conn, Record, Tx

from identity.linked.rules import Newcomer

Status: TypeAlias = Literal["password", "needs_factor", "needs_action", "complete", "ended"]

_COLUMNS = """f.id, f.store_id, f.application, f.identifier, f.browser, f.status, f.return_to, f.created_at, f.expires_at, f.account_id,
f.remember, f.methods, f.proven_at, f.factor_done, f.factor_due, f.wrong_before, f.denied, f.newcomer, f.identity_id"""
_PUT = """
INSERT INTO sign_in_flow (id, store_id, application, identifier, browser, status, return_to, created_at, expires_at, account_id,
    remember, methods, proven_at, factor_done, factor_due, wrong_before, newcomer, identity_id, proven_hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18,
    (SELECT sha256(convert_to(hash, 'UTF8')) FROM password_credential WHERE account_id = $10))
ON CONFLICT (id) DO UPDATE SET status = excluded.status, account_id = excluded.account_id, remember = excluded.remember,
    methods = excluded.methods, proven_at = excluded.proven_at, factor_done = excluded.factor_done, factor_due = excluded.factor_due,
    wrong_before = excluded.wrong_before, identifier = excluded.identifier, newcomer = excluded.newcomer, identity_id = excluded.identity_id,
    proven_hash = excluded.proven_hash
"""
_GET = f"SELECT {_COLUMNS} FROM sign_in_flow f WHERE f.id = $1"  # noqa: S608 - constant columns
_LOCK = f"SELECT {_COLUMNS} FROM sign_in_flow f WHERE f.id = $1 FOR UPDATE"  # noqa: S608
# All three rows: what waits for a lock sees the newest of what it locks, and of nothing else.
_LOCK_PROVEN = f"""
SELECT {_COLUMNS} FROM sign_in_flow f JOIN account a ON a.id = $2 JOIN password_credential c ON c.account_id = a.id
WHERE f.id = $1 AND a.status = 'active' AND c.hash = $3 FOR UPDATE OF f, a, c
"""  # noqa: S608
_FAILED = "UPDATE sign_in_flow SET failures = failures + 1, status = CASE WHEN failures + 1 >= $2 THEN 'ended' ELSE status END WHERE id = $1"
_DENY = "UPDATE sign_in_flow SET status = 'ended', denied = true WHERE id = $1"
_STILL_PROVEN = """
SELECT true FROM sign_in_flow AS f JOIN account AS a ON a.id = f.account_id LEFT JOIN password_credential AS p ON p.account_id = a.id
WHERE f.id = $1 AND a.status = 'active' AND sha256(convert_to(p.hash, 'UTF8')) IS NOT DISTINCT FROM f.proven_hash
    AND (f.identity_id IS NULL OR EXISTS (SELECT FROM linked_identity AS l WHERE l.id = f.identity_id AND l.account_id = a.id))
"""
_PURGE = "DELETE FROM sign_in_flow WHERE expires_at < $1"


@dataclass(frozen=True, slots=True)
class Attempt:
    """`account_id`: whose it is, once something is proven: by `methods` (RFC 8176 `amr`), at `proven_at`. `factor_done`: mfa was
    asked, and needs nothing more proven; `factor_due`: but a factor added. `wrong_before`: passwords, within the hour before the right one. `denied`: a rule ended it.
    `newcomer`: whom a provider has named, and nobody here is yet; `identity_id`: the link by which the account was proven.
    """

    id: UUID
    store_id: UUID
    application: str
    identifier: str | None
    browser: bytes | None
    status: Status
    return_to: str | None
    created_at: datetime
    expires_at: datetime
    account_id: UUID | None = None
    remember: bool = False
    methods: tuple[str, ...] = ()
    proven_at: datetime | None = None
    factor_done: bool = False
    factor_due: bool = False
    wrong_before: int = 0
    denied: bool = False
    newcomer: Newcomer | None = None
    identity_id: UUID | None = None


def _attempt(row: Record | None) -> Attempt | None:
    if row is None:
        return None
    return Attempt(**{**row, "methods": tuple(row["methods"]), "newcomer": Newcomer.of(row["newcomer"])})


async def put(tx: Tx, one: Attempt) -> None:
    """A new one, or how far one has come. With an account, its password as it is now is proven."""
    await tx.execute(
        _PUT, one.id, one.store_id, one.application, one.identifier, one.browser, one.status, one.return_to, one.created_at,
        one.expires_at, one.account_id, one.remember, list(one.methods), one.proven_at, one.factor_done, one.factor_due, one.wrong_before,
        one.newcomer.as_dict() if one.newcomer is not None else None, one.identity_id,
    )  # fmt: skip


async def get(conn: Conn, flow_id: UUID) -> Attempt | None:
    return _attempt(await conn.fetchrow(_GET, flow_id))


async def lock(tx: Tx, flow_id: UUID) -> Attempt | None:
    return _attempt(await tx.fetchrow(_LOCK, flow_id))


async def lock_proven(tx: Tx, flow_id: UUID, account_id: UUID, password_hash: str) -> Attempt | None:
    """With its account and password. None: the account isn't open, or its password isn't the one that was proven any more."""
    return _attempt(await tx.fetchrow(_LOCK_PROVEN, flow_id, account_id, password_hash))


async def failed(tx: Tx, flow_id: UUID, max_failures: int) -> None:
    await tx.execute(_FAILED, flow_id, max_failures)


async def deny(tx: Tx, flow_id: UUID) -> None:
    """A rule of the access policy ends it."""
    await tx.execute(_DENY, flow_id)


async def still_proven(conn: Conn, flow_id: UUID) -> bool:
    """The account is open, and its password the very one that was proven, or still none; whom a provider has proven is still linked."""
    return await conn.fetchval(_STILL_PROVEN, flow_id) is not None


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
