"""GET /v1/me: what the portal's first page shows of the signed-in customer."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.sign_in import Me
from servicekit.caller import CallerDep, allow

from .service import Profiles


def router(profiles: Profiles) -> APIRouter:
    routes = APIRouter(dependencies=[allow("gateway")])

    @routes.get("/v1/me")
    async def me(caller: CallerDep) -> Me:
        account_id: UUID
        account_id, _ = caller.account()
        return await profiles.read(account_id)

    return routes
