"""/v1/apps/{app}/sign-ins/{id}/factors: what the policy requires, added before the session begins."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.factors import Factor, FactorConfirm, FactorRequest
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit.web.caller import CallerDep, allow

from .service import RequiredFactors


def router(required: RequiredFactors) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/sign-ins/{flow_id}/factors", dependencies=[allow("gateway")])

    @routes.post("", status_code=201)
    async def begin(app: str, flow_id: UUID, body: FactorRequest, caller: CallerDep) -> Factor:
        return await required.begin(app, flow_id, body, caller)

    @routes.get("/{factor_id}")
    async def one(app: str, flow_id: UUID, factor_id: UUID, caller: CallerDep) -> Factor:
        return await required.one(app, flow_id, factor_id, caller)

    @routes.post("/{factor_id}/confirm")
    async def confirm(app: str, flow_id: UUID, factor_id: UUID, body: FactorConfirm, caller: CallerDep) -> SignInFlow:
        return await required.confirm(app, flow_id, factor_id, body.credential or body.code, caller)

    @routes.post("/{factor_id}/resend", status_code=202)
    async def send_again(app: str, flow_id: UUID, factor_id: UUID, caller: CallerDep) -> Factor:
        return await required.send_again(app, flow_id, factor_id, caller)

    return routes
