"""GET and PATCH /v1/me: what the portal shows of the signed-in customer, and what may be changed there."""

from collections.abc import Mapping

from fastapi import APIRouter
from latchkey_contracts.http.account import Me, MeChange
from servicekit.web.caller import CallerDep, allow
from servicekit.web.http import Read

from .service import Profiles


def router(profiles: Profiles) -> APIRouter:
    routes = APIRouter()

    @routes.patch("/v1/me", dependencies=[allow("gateway")])
    async def change(body: MeChange, caller: CallerDep) -> Me:
        return await profiles.change(body, caller)

    return routes


def reads(profiles: Profiles) -> Mapping[str, Read]:
    return {"/v1/me": profiles.read}
