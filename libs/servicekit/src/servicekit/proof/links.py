"""Links of all purposes of one service: what a token is for decides which feature answers (docs/openapi.json, LNK-7)."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from latchkey_contracts.http.links import ConfirmRequest, InspectRequest, LinkInfo, RenewRequest
from pydantic import BaseModel

from servicekit.db import Database
from servicekit.errors import LinkMalformed
from servicekit.web.caller import Caller, CallerDep, allow
from servicekit.web.idempotency import Idempotency

from .flow import Proofs
from .onetime import OneTimeSecrets


class Links:
    def __init__(
        self, db: Database, onetime: OneTimeSecrets, idempotency: Idempotency, owners: Iterable[Proofs[Any, Any]]
    ) -> None:
        self._db = db
        self._idempotency = idempotency
        self._onetime = onetime
        self._owners = {owner.purpose: owner for owner in owners}

    async def _owner(self, token: str) -> Proofs[Any, Any] | None:
        async with self._db.read() as conn:
            purpose = (await self._onetime.inspect(conn, token)).purpose
        return self._owners.get(purpose)  # type: ignore[call-overload, no-any-return]  # a text of the database

    async def inspect(self, slug: str, token: str, caller: Caller) -> LinkInfo:
        owner = await self._owner(token)
        return await owner.inspect(slug, token, caller) if owner else LinkInfo(purpose=None, state="malformed")

    async def confirm(self, slug: str, body: ConfirmRequest, caller: Caller) -> BaseModel:
        """Raises the error of the link's state; what is nobody's link is malformed."""
        owner = await self._owner(body.token)
        if owner is None:
            async with self._db.read() as conn:
                await self._idempotency.recall(conn, caller)  # with another link that key was known (API-4)
            raise LinkMalformed
        answer: BaseModel = await owner.confirm(slug, body, caller)
        return answer

    async def renew(self, slug: str, token: str, caller: Caller) -> BaseModel:
        """A fresh link, where its owner sends any."""
        owner = await self._owner(token)
        if owner is None:
            async with self._db.read() as conn:
                await self._idempotency.recall(conn, caller)
            raise LinkMalformed
        answer: BaseModel = await owner.renew(slug, token, caller)
        return answer


def router(links: Links) -> APIRouter:
    """/v1/apps/{app}/links, for the gateway."""
    routes = APIRouter(prefix="/v1/apps/{app}/links", dependencies=[allow("gateway")])

    @routes.post("/inspect")
    async def inspect(app: str, body: InspectRequest, caller: CallerDep) -> LinkInfo:
        return await links.inspect(app, body.token, caller)

    @routes.post("/confirm", response_model=None)
    async def confirm(app: str, body: ConfirmRequest, caller: CallerDep) -> Any:
        return await links.confirm(app, body, caller)

    @routes.post("/renew", status_code=202, response_model=None)
    async def renew(app: str, body: RenewRequest, caller: CallerDep) -> Any:
        return await links.renew(app, body.token, replace(caller, language=body.language or caller.language))

    return routes
