"""What completes a registration without its link: POST /v1/apps/{app}/registrations/{flow_id}/code and /password."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.registration import CodeRequest, NewPasswordRequest, RegistrationFlow
from servicekit.web.caller import CallerDep, allow

from .service import Activations


def router(activations: Activations) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/registrations/{flow_id}", dependencies=[allow("gateway")])

    @routes.post("/code")
    async def code(app: str, flow_id: UUID, body: CodeRequest, caller: CallerDep) -> RegistrationFlow:
        return await activations.by_code(app, flow_id, body.code, caller)

    @routes.post("/password")
    async def password(app: str, flow_id: UUID, body: NewPasswordRequest, caller: CallerDep) -> RegistrationFlow:
        return await activations.set_password(app, flow_id, body.password, caller)

    return routes
