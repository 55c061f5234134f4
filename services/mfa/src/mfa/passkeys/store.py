"""SQL of passkeys, of what an authenticator knows an account by, and of whom they are offered to."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.http.factors import FactorKind
from servicekit.db import Conn, Record, Tx

from .states import Known, New

_HANDLE = "UPDATE holder SET user_handle = coalesce(user_handle, $2) WHERE account_id = $1 RETURNING user_handle"
_HANDLE_OF = "SELECT user_handle FROM holder WHERE account_id = $1"
_INSERT = """
INSERT INTO passkey (factor_id, credential_id, public_key, sign_count, aaguid, transports, backup_eligible, backed_up)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (credential_id) DO NOTHING RETURNING factor_id
"""
_KNOWN = """
SELECT p.credential_id, p.transports FROM passkey AS p JOIN factor AS f ON f.id = p.factor_id
WHERE f.account_id = $1 ORDER BY f.created_at, f.id
"""
# The row of the factor is locked, too: it may be on its way out.
_LOCK = """
SELECT p.factor_id, f.account_id, h.store_id, h.user_handle, f.status = 'active' AS active, p.public_key, p.sign_count
FROM passkey AS p JOIN factor AS f ON f.id = p.factor_id JOIN holder AS h ON h.account_id = f.account_id
WHERE p.credential_id = $1 FOR UPDATE OF p, f
"""
_USED = "UPDATE passkey SET sign_count = $2, backed_up = $3 WHERE factor_id = $1"
_OFFER = """
SELECT h.offers_refused_at IS NOT NULL AS refused,
    ARRAY(SELECT DISTINCT kind FROM factor WHERE account_id = $1 AND status = 'active') AS kinds
FROM (SELECT true) AS always LEFT JOIN holder AS h ON h.account_id = $1
"""
_REFUSE = """
INSERT INTO holder (account_id, store_id, offers_refused_at) VALUES ($1, $2, $3)
ON CONFLICT (account_id) DO UPDATE SET offers_refused_at = coalesce(holder.offers_refused_at, excluded.offers_refused_at)
"""


@dataclass(frozen=True, slots=True)
class Passkey:
    """`store_id`, `user_handle`: of its owner."""

    factor_id: UUID
    account_id: UUID
    store_id: UUID
    user_handle: bytes | None
    active: bool
    public_key: bytes
    sign_count: int


@dataclass(frozen=True, slots=True)
class Offer:
    refused: bool
    kinds: frozenset[FactorKind]


async def handle(tx: Tx, account_id: UUID, fresh: bytes) -> bytes:
    """Of a holder that there is; `fresh` if there was none."""
    found: bytes = await tx.fetchval(_HANDLE, account_id, fresh)
    return found


async def handle_of(conn: Conn, account_id: UUID) -> bytes | None:
    found: bytes | None = await conn.fetchval(_HANDLE_OF, account_id)
    return found


async def insert(tx: Tx, factor_id: UUID, one: New) -> bool:
    """False: this credential is somebody's already."""
    return (
        await tx.fetchval(
            _INSERT, factor_id, one.credential_id, one.public_key, one.sign_count, one.aaguid, list(one.transports), one.backup_eligible,
            one.backed_up,
        )
        is not None
    )  # fmt: skip


async def known(conn: Conn, account_id: UUID) -> list[Known]:
    return [_known(row) for row in await conn.fetch(_KNOWN, account_id)]


def _known(row: Record) -> Known:
    return Known(row["credential_id"], tuple(row["transports"]))


async def lock(tx: Tx, credential_id: bytes) -> Passkey | None:
    return await tx.row(Passkey, _LOCK, credential_id)


async def used(tx: Tx, factor_id: UUID, sign_count: int, *, backed_up: bool) -> None:
    await tx.execute(_USED, factor_id, sign_count, backed_up)


async def offer(conn: Conn, account_id: UUID) -> Offer:
    row = await conn.fetchrow(_OFFER, account_id)
    return Offer(bool(row["refused"]), frozenset(row["kinds"])) if row is not None else Offer(False, frozenset())


async def refuse_offers(tx: Tx, account_id: UUID, store_id: UUID) -> None:
    """Also of somebody who is new here."""
    await tx.execute(_REFUSE, account_id, store_id, tx.now)
