"""/v1/apps/{app}/links."""

from fastapi import APIRouter
from latchkey_contracts.http.links import ConfirmRequest, InspectRequest, LinkInfo, RenewRequest
from latchkey_contracts.http.registration import RegistrationFlow
from servicekit.caller import CallerDep, allow

from identity.activation.service import Activations

from .service import Confirmed, Links


def router(links: Links, activations: Activations) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/links", dependencies=[allow("gateway")])

    @routes.post("/inspect")
    async def inspect(app: str, body: InspectRequest, caller: CallerDep) -> LinkInfo:
        return await links.inspect(app, body.token, caller)

    @routes.post("/confirm")
    async def confirm(app: str, body: ConfirmRequest, caller: CallerDep) -> Confirmed:
        return await links.confirm(app, body, caller)

    @routes.post("/renew", status_code=202)
    async def renew(app: str, body: RenewRequest, caller: CallerDep) -> RegistrationFlow:
        return await activations.renew(app, body.token, caller)

    return routes
