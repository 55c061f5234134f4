"""/v1/apps/{app}/total-loss-recoveries."""

from fastapi import APIRouter
from latchkey_contracts.http.recovery import TotalLossFlow, TotalLossRequest
from servicekit.web.caller import CallerDep, allow

from .service import TotalLoss


def router(total_loss: TotalLoss) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/total-loss-recoveries", dependencies=[allow("gateway")])

    @routes.post("", status_code=202)
    async def start(app: str, body: TotalLossRequest, caller: CallerDep) -> TotalLossFlow:
        return await total_loss.start(app, body, caller)

    return routes
