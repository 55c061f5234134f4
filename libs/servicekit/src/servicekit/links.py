"""Links of all purposes of one service: what a token is for decides which feature answers (api.md §2, LNK-7)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from fastapi import APIRouter
from latchkey_contracts.http.links import ConfirmRequest, InspectRequest, LinkInfo, RenewRequest
from pydantic import BaseModel

from .caller import Caller, CallerDep, allow
from .db import Database
from .errors import LinkMalformed
from .onetime import OneTimeSecrets


class LinkOwner(Protocol):
    """A feature that sends links."""

    async def inspect(self, slug: str, token: str, caller: Caller, /) -> LinkInfo: ...
    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller, /) -> BaseModel: ...


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

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> BaseModel:
        """Raises the error of the link's state; what is nobody's link is malformed."""
        owner = await self._owner(body.token)
        if owner is None:
            raise LinkMalformed
        return await owner.confirm(slug, body, caller)


def router(links: Links, renew: Callable[[str, str, Caller], Awaitable[BaseModel]]) -> APIRouter:
    """/v1/apps/{app}/links, for the gateway. `renew`: of the service's links that can be sent again."""
    routes = APIRouter(prefix="/v1/apps/{app}/links", dependencies=[allow("gateway")])

    @routes.post("/inspect")
    async def inspect(app: str, body: InspectRequest, caller: CallerDep) -> LinkInfo:
        return await links.inspect(app, body.token, caller)

    @routes.post("/confirm", response_model=None)
    async def confirm(app: str, body: ConfirmRequest, caller: CallerDep) -> Any:
        return await links.confirm(app, body, caller)

    @routes.post("/renew", status_code=202, response_model=None)
    async def send_again(app: str, body: RenewRequest, caller: CallerDep) -> Any:
        return await renew(app, body.token, caller)

    return routes
