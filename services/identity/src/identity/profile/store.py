"""SQL of the profile."""

from datetime import datetime
from uuid import UUID

from servicekit.db import Conn

_CHANGED = "SELECT changed_at FROM password_credential WHERE account_id = $1"


async def password_changed_at(conn: Conn, account_id: UUID) -> datetime | None:
    found: datetime | None = await conn.fetchval(_CHANGED, account_id)
    return found
