"""SQL of the second factor's marker."""

from uuid import UUID

from servicekit.db import Tx

_PUT = """
UPDATE account SET second_factor = CASE WHEN second_factor_version < $3 THEN $2 ELSE second_factor END,
    second_factor_at = CASE WHEN second_factor_version < $3 AND $2 AND NOT second_factor THEN $4 ELSE second_factor_at END,
    second_factor_version = greatest(second_factor_version, $3)
WHERE id = $1 RETURNING id
"""


async def put(tx: Tx, account_id: UUID, *, enrolled: bool, version: int) -> bool:
    """False: there is no such account."""
    return await tx.fetchval(_PUT, account_id, enrolled, version, tx.now) is not None
