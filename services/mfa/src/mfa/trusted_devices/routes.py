"""/v1/me/trusted-devices."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.trusted_devices import TrustedDevices as Shown
from servicekit.web.caller import CallerDep, allow

from .service import TrustedDevices


def router(devices: TrustedDevices) -> APIRouter:
    routes = APIRouter(prefix="/v1/me/trusted-devices", dependencies=[allow("gateway")])

    @routes.get("")
    async def listing(caller: CallerDep) -> Shown:
        return await devices.listing(caller)

    @routes.delete("", status_code=204)
    async def forget_everywhere(caller: CallerDep) -> None:
        await devices.forget_everywhere(caller)

    @routes.delete("/{trusted_id}", status_code=204)
    async def forget(trusted_id: UUID, caller: CallerDep) -> None:
        await devices.forget(trusted_id, caller)

    return routes
