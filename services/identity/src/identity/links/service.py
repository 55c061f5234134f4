"""Links of all purposes: what a token is for decides who answers (api.md §2, LNK-7)."""

from collections.abc import Mapping
from typing import Protocol

from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest, Frozen, LinkInfo
from latchkey_contracts.http.registration import RegistrationFlow
from servicekit.caller import Caller
from servicekit.db import Database
from servicekit.errors import LinkMalformed
from servicekit.onetime import OneTimeSecrets

Confirmed = RegistrationFlow | ConfirmedElsewhere | Frozen


class LinkOwner(Protocol):
    async def inspect(self, slug: str, token: str, caller: Caller, /) -> LinkInfo: ...
    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller, /) -> Confirmed: ...


class Links:
    def __init__(self, db: Database, onetime: OneTimeSecrets, owners: Mapping[str, LinkOwner]) -> None:
        """`owners`: the feature of each purpose."""
        self._db = db
        self._onetime = onetime
        self._owners = owners

    async def _owner(self, token: str) -> LinkOwner | None:
        async with self._db.read() as conn:
            purpose = (await self._onetime.inspect(conn, token)).purpose
        return self._owners.get(purpose or "")

    async def inspect(self, slug: str, token: str, caller: Caller) -> LinkInfo:
        owner = await self._owner(token)
        return await owner.inspect(slug, token, caller) if owner else LinkInfo(purpose=None, state="malformed")

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> Confirmed:
        """Raises the error of the link's state; what is nobody's link is malformed."""
        owner = await self._owner(body.token)
        if owner is None:
            raise LinkMalformed
        return await owner.confirm(slug, body, caller)
