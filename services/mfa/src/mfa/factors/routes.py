"""/v1/me/factors."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.factors import Factor, FactorConfirm, FactorRename, FactorRequest, Factors
from servicekit.web.caller import CallerDep, allow

from .confirming import Confirming
from .service import FactorService


def router(factors: FactorService, confirming: Confirming) -> APIRouter:
    routes = APIRouter(prefix="/v1/me/factors", dependencies=[allow("gateway")])

    @routes.get("")
    async def listing(caller: CallerDep) -> Factors:
        return await factors.listing(caller)

    @routes.post("", status_code=201)
    async def add(body: FactorRequest, caller: CallerDep) -> Factor:
        return await confirming.add(body, caller)

    @routes.get("/{factor_id}")
    async def one(factor_id: UUID, caller: CallerDep) -> Factor:
        return await factors.one(factor_id, caller)

    @routes.post("/{factor_id}/confirm")
    async def confirm(factor_id: UUID, body: FactorConfirm, caller: CallerDep) -> Factor:
        return await confirming.confirm(factor_id, body.credential or body.code, caller)

    @routes.post("/{factor_id}/resend", status_code=202)
    async def send_again(factor_id: UUID, caller: CallerDep) -> Factor:
        return await factors.send_again(factor_id, caller)

    @routes.patch("/{factor_id}")
    async def rename(factor_id: UUID, body: FactorRename, caller: CallerDep) -> Factor:
        return await factors.rename(factor_id, body.name, caller)

    @routes.delete("/{factor_id}", status_code=204)
    async def remove(factor_id: UUID, caller: CallerDep) -> None:
        await factors.remove(factor_id, caller)

    return routes
