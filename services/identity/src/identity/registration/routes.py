"""/v1/apps/{app}/registrations."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.registration import (
    CodeRequest,
    NewPasswordRequest,
    RegistrationFlow,
    RegistrationRequest,
    ResendRequest,
)
from servicekit.caller import CallerDep, allow

from identity.activation.service import Activations

from .service import Registrations


def router(registrations: Registrations, activations: Activations) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/registrations", dependencies=[allow("gateway")])

    @routes.post("", status_code=202)
    async def start(app: str, body: RegistrationRequest, caller: CallerDep) -> RegistrationFlow:
        return await registrations.start(app, body, caller)

    @routes.get("/{flow_id}")
    async def read(app: str, flow_id: UUID, caller: CallerDep) -> RegistrationFlow:
        return await registrations.read(app, flow_id, caller)

    @routes.post("/{flow_id}/resend", status_code=202)
    async def resend(app: str, flow_id: UUID, body: ResendRequest, caller: CallerDep) -> RegistrationFlow:
        return await registrations.resend(app, flow_id, body.channel, caller)

    @routes.post("/{flow_id}/code")
    async def code(app: str, flow_id: UUID, body: CodeRequest, caller: CallerDep) -> RegistrationFlow:
        return await activations.by_code(app, flow_id, body.code, caller)

    @routes.post("/{flow_id}/password")
    async def password(app: str, flow_id: UUID, body: NewPasswordRequest, caller: CallerDep) -> RegistrationFlow:
        return await activations.set_password(app, flow_id, body.password, caller)

    return routes
