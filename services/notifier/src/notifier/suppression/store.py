"""SQL of addresses that are left alone. Only keyed hashes: nobody can read an address out of it (PRV)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from latchkey_contracts.notifier import Channel
from servicekit.db import Conn, Tx

Reason: TypeAlias = Literal["bounced", "complained", "opted_out"]

_ADD = """
INSERT INTO suppression (channel, recipient, reason, since, until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, recipient) DO UPDATE SET reason = $3, until = greatest(suppression.until, $5)
"""
_REMOVE = "DELETE FROM suppression WHERE channel = $1 AND recipient = $2"
_PURGE = "DELETE FROM suppression WHERE until < $1"
_COUNTS = "SELECT channel, reason, count(*) AS count FROM suppression WHERE until > $1 GROUP BY channel, reason ORDER BY channel, reason"


@dataclass(frozen=True, slots=True)
class Count:
    channel: Channel
    reason: Reason
    count: int


async def add(tx: Tx, channel: str, recipient: bytes, reason: Reason, until: datetime) -> None:
    await tx.execute(_ADD, channel, recipient, reason, tx.now, until)


async def remove(tx: Tx, channel: str, recipient: bytes) -> bool:
    return await tx.execute(_REMOVE, channel, recipient) == 1


async def counts(conn: Conn) -> list[Count]:
    return await conn.rows(Count, _COUNTS, conn.now)


async def purge(tx: Tx) -> None:
    await tx.execute(_PURGE, tx.now)
