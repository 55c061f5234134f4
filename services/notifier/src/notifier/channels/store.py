"""SQL of the providers that replicas leave alone, so that `channels()` of each of them tells of all."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from servicekit.db import Conn, Tx

_REPORT = "INSERT INTO provider_trouble (replica, provider, seen_at) VALUES ($1, $2, $3) ON CONFLICT (replica, provider) DO UPDATE SET seen_at = $3"
_OVER = "DELETE FROM provider_trouble WHERE replica = $1 AND provider <> ALL($2::text[])"
_PURGE = "DELETE FROM provider_trouble WHERE seen_at < $1"
_TROUBLED = "SELECT DISTINCT provider FROM provider_trouble WHERE seen_at > $1"


async def report_trouble(tx: Tx, replica: UUID, providers: Sequence[str]) -> None:
    """Which providers this replica leaves alone now."""
    for provider in providers:
        await tx.execute(_REPORT, replica, provider, tx.now)
    await tx.execute(_OVER, replica, list(providers))


async def troubled(conn: Conn, since: datetime) -> list[str]:
    return [row["provider"] for row in await conn.fetch(_TROUBLED, since)]


async def purge(tx: Tx, before: datetime) -> None:
    await tx.execute(_PURGE, before)
