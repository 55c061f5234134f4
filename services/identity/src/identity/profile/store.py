"""SQL of the profile."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from servicekit.db import Conn, Tx

# One look: every page of the portal asks it.
_READ = """
SELECT a.profile, a.profile_version AS version, a.language, a.created_at, a.second_factor, c.changed_at,
    (SELECT count(*) FROM session s
        WHERE s.account_id = a.id AND s.revoked_at IS NULL AND s.expires_at > $2 AND s.seen_at + s.idle > $2) AS sessions,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('kind', i.kind, 'value', i.value, 'verified', i.verified_at IS NOT NULL)
        ORDER BY i.created_at, i.kind), '[]') FROM identifier i WHERE i.account_id = a.id) AS identifiers
FROM account a LEFT JOIN password_credential c ON c.account_id = a.id WHERE a.id = $1 AND a.status = 'active'
"""
_PUT = "UPDATE account SET profile = $2, language = $3, profile_version = profile_version + 1 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Profile:
    """`identifiers`: as the API shows them; `sessions`: how many places are signed in; `changed_at`: the password; `version`: counts up
    with every change of profile or language.
    """

    profile: dict[str, Any]
    version: int
    language: str | None
    created_at: datetime
    second_factor: bool
    changed_at: datetime | None
    sessions: int
    identifiers: list[dict[str, Any]]


async def read(conn: Conn, account_id: UUID) -> Profile | None:
    """Of an active account."""
    row = await conn.fetchrow(_READ, account_id, conn.now)
    return Profile(**row) if row is not None else None


async def put(tx: Tx, account_id: UUID, profile: dict[str, Any], language: str | None) -> None:
    """With the account locked."""
    await tx.execute(_PUT, account_id, profile, language)
