"""SQL of contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from servicekit.db import Conn

_BY_ADDRESS = """
SELECT a.id AS account_id, u.value AS username, e.value AS address
FROM identifier e JOIN account a ON a.id = e.account_id JOIN identifier u ON u.account_id = a.id AND u.kind = 'username'
WHERE e.store_id = $1 AND e.kind = $2 AND e.canonical = $3 AND e.verified_at IS NOT NULL AND a.status IN ('active', 'frozen') LIMIT 20
"""
# By the index of all that looks like an address or a number, then by the attributes that count.
_BY_ATTRIBUTE = """
SELECT a.id AS account_id, u.value AS username, p.value AS address
FROM account a JOIN identifier u ON u.account_id = a.id AND u.kind = 'username'
CROSS JOIN LATERAL jsonb_each_text(a.profile) AS p
WHERE profile_addresses(a.profile) @> ARRAY[$3::text] AND a.store_id = $1 AND p.key = ANY($4::text[])
    AND char_length(p.value) <= 320 AND CASE $2 WHEN 'phone' THEN regexp_replace(p.value, '[^0-9+]', '', 'g') ELSE lower(p.value) END = $3
    AND a.status IN ('active', 'frozen')
LIMIT 20
"""


@dataclass(frozen=True, slots=True)
class Named:
    """An account that is reached at `address`, as its owner wrote it, and one name of it."""

    account_id: UUID
    username: str
    address: str


async def with_address(conn: Conn, store_id: UUID, kind: str, canonical: str, attributes: Sequence[str]) -> list[Named]:
    """By a verified address or number, then (where the policy says so) by an attribute of the profile that holds it."""
    found = await conn.rows(Named, _BY_ADDRESS, store_id, kind, canonical)
    if attributes:
        found += await conn.rows(Named, _BY_ATTRIBUTE, store_id, kind, canonical, list(attributes))
    return found
