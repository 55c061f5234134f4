"""Where the second factor isn't asked for a while: the password still is, and step-ups ask everywhere.

A device is the browser or API client by the gateway's signed name of it (BRF-3). Its trust ends by time, by its owner, with any factor, and
with whatever secures the account.
"""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from latchkey_contracts.http.trusted_devices import TrustedDevice
from latchkey_contracts.http.trusted_devices import TrustedDevices as Shown
from latchkey_contracts.mfa import DeviceForgotten, DeviceTrusted
from servicekit.db import Tx
from servicekit.devices import in_words
from servicekit.errors import NotFound
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.notices.service import Notices
from mfa.tools import Tools

from . import store

Reason = Literal["by_owner", "factor_removed", "secured"]


class TrustedDevices:
    def __init__(self, tools: Tools, notices: Notices) -> None:
        self._t = tools
        self._notices = notices

    async def is_trusted(self, tx: Tx, app: Resolved, account_id: UUID, caller: Caller) -> bool:
        device = caller.known_device(account_id)
        return device is not None and app.access.trusted_device.enabled and await store.use(tx, account_id, device)

    async def trust(self, tx: Tx, app: Resolved, account_id: UUID, caller: Caller) -> None:
        """With a factor just proven there; does nothing where the policy doesn't offer it. The owner is told."""
        policy, device = app.access.trusted_device, caller.known_device(account_id) or caller.new_device
        if not policy.enabled or device is None:
            return
        until, slug = tx.now + timedelta(days=policy.days), app.application.slug
        trusted_id = await store.put(tx, account_id, device, in_words(caller.user_agent), slug, until)
        await tx.emit(DeviceTrusted(account_id=account_id, trusted_device_id=trusted_id, application=slug, until=until))
        security_event("user_updated", "success", account_id=str(account_id), change="device_trusted")
        await self._notices.enqueue(tx, "device_trusted", app, account_id, caller)

    async def listing(self, caller: Caller) -> Shown:
        account_id, _ = caller.account()
        async with self._t.db.read() as conn:
            found = await store.of(conn, account_id)
        here = caller.known_device(account_id)
        return Shown(
            items=[
                TrustedDevice(
                    id=one.id,
                    device=one.name,
                    created_at=one.created_at,
                    last_used_at=one.last_used_at,
                    expires_at=one.expires_at,
                    current=one.device == here,
                )
                for one in found
            ]
        )

    async def forget(self, trusted_id: UUID, caller: Caller) -> None:
        """Raises NotFound."""
        account_id, _ = caller.account()
        self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            if not await store.delete(tx, trusted_id, account_id):
                raise NotFound
            await tx.emit(DeviceForgotten(account_id=account_id, trusted_device_id=trusted_id, reason="by_owner"))
            await self._t.idempotency.store(tx, caller, 204, None)

    async def forget_everywhere(self, caller: Caller) -> None:
        account_id, _ = caller.account()
        self._t.of_session(caller)
        async with self._t.db.transaction() as tx:
            await self._t.idempotency.begin(tx, caller)
            await forget_all(tx, account_id, "by_owner")
            await self._t.idempotency.store(tx, caller, 204, None)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now)


async def forget_all(tx: Tx, account_id: UUID, reason: Reason, *, before: datetime | None = None) -> None:
    """Those trusted until then, or until now."""
    if await store.delete_all(tx, account_id, before or tx.now):
        await tx.emit(DeviceForgotten(account_id=account_id, trusted_device_id=None, reason=reason))
