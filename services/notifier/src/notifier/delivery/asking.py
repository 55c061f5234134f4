"""One message offered to one provider, its lease held for as long as that takes (INV-17)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from servicekit.db import Contention, Database, DatabaseUnavailable
from servicekit.logging import get_logger

from notifier.channels.base import Message, Provider

from . import store
from .preparing import EXPIRED, Over, Ready

log = get_logger(__name__)


class Asking:
    def __init__(self, db: Database, origin: str, lease: timedelta) -> None:
        self._db = db
        self._origin = origin
        self._lease = lease
        self._took: dict[str, float] = {}  # seconds, by provider: how long the last one took

    async def __call__(self, ready: Ready, provider: Provider, message: Message, *, hurry: bool) -> str | None:
        """The provider's own id of it. Raises Over where it is too late, and what the provider raises.

        What is hushed takes as long as the last one did, and nobody is asked (REG-9, ENU-3).
        """
        left = (ready.row.expires_at - self._db.clock.now()).total_seconds()
        if left <= 0:  # the last look before it leaves (EVT-9)
            raise Over("expired", EXPIRED)
        if ready.content.hushed:
            await asyncio.sleep(self._took.get(provider.name, 0.0))
            log.info("delivery.hushed", message_id=str(ready.row.id), template=ready.row.template)
            return None
        url = f"{self._origin}/v1/callbacks/{provider.name}?message={ready.row.id}"
        begun = asyncio.get_running_loop().time()
        async with self._held(ready):
            found = await provider.send(message, callback_url=url, expires_in=left, hurry=hurry)
        self._took[provider.name] = asyncio.get_running_loop().time() - begun
        return found

    @asynccontextmanager
    async def _held(self, ready: Ready) -> AsyncIterator[None]:
        """Its lease is renewed for as long as the provider takes: only a dead process loses a message."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease.total_seconds() / 3)
                try:
                    async with self._db.transaction() as tx:
                        await store.renew(tx, ready.row.id, ready.lease, tx.now + self._lease)
                except (*DatabaseUnavailable, *Contention) as error:
                    log.warning("delivery.lease", message_id=str(ready.row.id), error=type(error).__name__)

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
