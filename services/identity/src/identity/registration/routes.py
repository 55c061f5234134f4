"""/v1/apps/{app}/registrations."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.registration import EmailRequest, RegistrationFlow, RegistrationRequest, ResendRequest
from servicekit.web.caller import CallerDep, allow

from .service import Registrations


def router(registrations: Registrations) -> APIRouter:
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

    @routes.post("/{flow_id}/email", status_code=202)
    async def by_email(app: str, flow_id: UUID, body: EmailRequest, caller: CallerDep) -> RegistrationFlow:
        return await registrations.by_email(app, flow_id, body.email, caller)

    return routes
