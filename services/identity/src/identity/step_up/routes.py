"""/v1/me/step-ups."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.step_up import StepUpFlow, StepUpPassword, StepUpRequest
from servicekit.web.caller import CallerDep, allow

from .service import StepUps


def router(step_ups: StepUps) -> APIRouter:
    routes = APIRouter(prefix="/v1/me/step-ups")
    gateway = [allow("gateway")]

    @routes.post("", dependencies=gateway)
    async def start(body: StepUpRequest, caller: CallerDep) -> StepUpFlow:
        return await step_ups.start(body, caller)

    # Whoever proved a factor at mfa goes on by it, too.
    @routes.get("/{step_up_id}", dependencies=[allow("gateway", "mfa")])
    async def read(step_up_id: UUID, caller: CallerDep) -> StepUpFlow:
        return await step_ups.read(step_up_id, caller)

    @routes.post("/{step_up_id}/password", dependencies=gateway)
    async def password(step_up_id: UUID, body: StepUpPassword, caller: CallerDep) -> StepUpFlow:
        return await step_ups.password(step_up_id, body.password, caller)

    return routes
