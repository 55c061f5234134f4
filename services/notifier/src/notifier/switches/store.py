"""SQL of the kill switches."""

from servicekit.db import Conn, Record, Tx

_ALL = "SELECT channel, country, application, off_since, drop_waiting FROM channel_switch ORDER BY channel, country, application"
_OFF = """
INSERT INTO channel_switch (channel, country, application, off_since, drop_waiting) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, country, application) DO UPDATE SET drop_waiting = $5
"""
_ON = "DELETE FROM channel_switch WHERE channel = $1 AND country = $2 AND application = $3"


async def everything(conn: Conn) -> list[Record]:
    return await conn.fetch(_ALL)


async def off(tx: Tx, channel: str, country: str, application: str, *, drop: bool) -> None:
    await tx.execute(_OFF, channel, country, application, tx.now, drop)


async def on(tx: Tx, channel: str, country: str, application: str) -> bool:
    return await tx.execute(_ON, channel, country, application) == 1
