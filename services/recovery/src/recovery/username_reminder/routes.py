"""/v1/apps/{app}/username-reminders."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.recovery import ReminderFlow, ReminderRequest, ResetResend
from servicekit.web.caller import CallerDep, allow

from .service import Reminders


def router(reminders: Reminders) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/username-reminders", dependencies=[allow("gateway")])

    @routes.post("", status_code=202)
    async def start(app: str, body: ReminderRequest, caller: CallerDep) -> ReminderFlow:
        return await reminders.start(app, body, caller)

    @routes.get("/{flow_id}")
    async def read(app: str, flow_id: UUID, caller: CallerDep) -> ReminderFlow:
        return await reminders.read(app, flow_id, caller)

    @routes.post("/{flow_id}/resend", status_code=202)
    async def resend(app: str, flow_id: UUID, body: ResetResend, caller: CallerDep) -> ReminderFlow:
        return await reminders.resend(app, flow_id, body.channel, caller)

    return routes
