"""SQL of addresses that are left alone. Only keyed hashes: nobody can read an address out of it (PRV)."""

from datetime import datetime

from servicekit.db import Conn, Record, Tx

_ADD = """
INSERT INTO suppression (channel, recipient, reason, since, until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, recipient) DO UPDATE SET reason = $3, until = greatest(suppression.until, $5)
"""
_REMOVE = "DELETE FROM suppression WHERE channel = $1 AND recipient = $2"
_PURGE = "DELETE FROM suppression WHERE until < $1"
_COUNTS = "SELECT channel, reason, count(*) AS count FROM suppression WHERE until > $1 GROUP BY channel, reason ORDER BY channel, reason"


async def add(tx: Tx, channel: str, recipient: bytes, reason: str, until: datetime) -> None:
    await tx.execute(_ADD, channel, recipient, reason, tx.now, until)


async def remove(tx: Tx, channel: str, recipient: bytes) -> bool:
    return await tx.execute(_REMOVE, channel, recipient) == 1


async def counts(conn: Conn) -> list[Record]:
    return await conn.fetch(_COUNTS, conn.now)


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now)
