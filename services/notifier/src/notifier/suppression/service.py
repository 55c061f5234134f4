"""Addresses that are left alone: how many, and how one is let in again (REL-8)."""

from latchkey_contracts.notifier import Channel
from servicekit.db import Database
from servicekit.errors import NotFound
from servicekit.keys import Keys
from servicekit.logging import security_event

from . import store
from .rules import fingerprint


class Suppression:
    def __init__(self, db: Database, keys: Keys) -> None:
        self._db = db
        self._keys = keys

    async def counts(self) -> list[store.Count]:
        """Nobody can list the addresses: only keyed hashes of them are here."""
        async with self._db.read() as conn:
            return await store.counts(conn)

    async def remove(self, channel: Channel, to: str) -> None:
        """Raises NotFound if it is not on the list."""
        async with self._db.transaction() as tx:
            if not await store.remove(tx, channel, fingerprint(self._keys.secret("lookup"), channel, to)):
                raise NotFound
        security_event("sensitive_update", "success", what="suppression.removed", channel=channel)
