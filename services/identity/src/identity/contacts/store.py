"""SQL of contacts."""

from collections.abc import Sequence
from uuid import UUID

from servicekit.db import Conn, Record

# By a verified address or number, or (where the policy says so) by an attribute of the profile that holds it.
_WITH_ADDRESS = """
SELECT a.id AS account_id, u.value AS username, e.value AS address
FROM identifier e JOIN account a ON a.id = e.account_id JOIN identifier u ON u.account_id = a.id AND u.kind = 'username'
WHERE e.store_id = $1 AND e.kind = $4 AND e.canonical = $2 AND e.verified_at IS NOT NULL AND a.status IN ('active', 'frozen')
UNION
SELECT a.id, u.value, p.value
FROM account a JOIN identifier u ON u.account_id = a.id AND u.kind = 'username'
CROSS JOIN LATERAL jsonb_each_text(a.profile) AS p
WHERE a.store_id = $1 AND p.key = ANY($3::text[]) AND CASE $4 WHEN 'phone' THEN regexp_replace(p.value, '[^0-9+]', '', 'g') ELSE lower(p.value) END = $2
    AND a.status IN ('active', 'frozen')
LIMIT 20
"""


async def with_address(conn: Conn, store_id: UUID, kind: str, canonical: str, attributes: Sequence[str]) -> list[Record]:
    return await conn.fetch(_WITH_ADDRESS, store_id, canonical, list(attributes), kind)
