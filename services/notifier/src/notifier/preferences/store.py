"""SQL of the preferences."""

from dataclasses import dataclass
from uuid import UUID

from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import Kind
from servicekit.db import Conn, Tx

_OF = "SELECT kind, channel, wanted FROM preference WHERE account_id = $1"
_PUT = """
INSERT INTO preference (account_id, kind, channel, wanted, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (account_id, kind, channel) DO UPDATE SET wanted = excluded.wanted, at = excluded.at
WHERE preference.wanted <> excluded.wanted
"""
_UNWANTED = "SELECT EXISTS (SELECT FROM preference WHERE account_id = $1 AND kind = $2 AND channel = $3 AND NOT wanted)"


@dataclass(frozen=True, slots=True)
class Chosen:
    kind: Kind
    channel: Channel
    wanted: bool


async def of(conn: Conn, account_id: UUID) -> list[Chosen]:
    return await conn.rows(Chosen, _OF, account_id)


async def put(tx: Tx, account_id: UUID, chosen: Chosen) -> None:
    await tx.execute(_PUT, account_id, chosen.kind, chosen.channel, chosen.wanted, tx.now)


async def unwanted(conn: Conn, account_id: UUID, kind: Kind, channel: Channel) -> bool:
    return bool(await conn.fetchval(_UNWANTED, account_id, kind, channel))
