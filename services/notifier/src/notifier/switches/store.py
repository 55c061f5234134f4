"""SQL of the kill switches."""

from dataclasses import dataclass
from datetime import datetime

from latchkey_contracts.notifier import Channel
from servicekit.db import Conn, Tx

_ALL = "SELECT channel, country, application, off_since, drop_waiting AS drop FROM channel_switch ORDER BY channel, country, application"
_OFF = """
INSERT INTO channel_switch (channel, country, application, off_since, drop_waiting) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, country, application) DO UPDATE SET drop_waiting = $5
"""
_ON = "DELETE FROM channel_switch WHERE channel = $1 AND country = $2 AND application = $3"


@dataclass(frozen=True, slots=True)
class Switch:
    """What is off. '' stands for every country, every application."""

    channel: Channel
    country: str
    application: str
    off_since: datetime
    drop: bool


async def everything(conn: Conn) -> list[Switch]:
    return await conn.rows(Switch, _ALL)


async def off(tx: Tx, channel: str, country: str, application: str, *, drop: bool) -> None:
    await tx.execute(_OFF, channel, country, application, tx.now, drop)


async def on(tx: Tx, channel: str, country: str, application: str) -> bool:
    return await tx.execute(_ON, channel, country, application) == 1
