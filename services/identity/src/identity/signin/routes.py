"""/v1/apps/{app}/sign-ins."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInFlow, SignInRequest
from servicekit.caller import CallerDep, allow

from .service import SignIns


def router(sign_ins: SignIns) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/sign-ins", dependencies=[allow("gateway")])

    @routes.post("")
    async def start(app: str, body: SignInRequest, caller: CallerDep) -> SignInFlow:
        return await sign_ins.start(app, body, caller)

    @routes.get("/{flow_id}")
    async def read(app: str, flow_id: UUID, caller: CallerDep) -> SignInFlow:
        return await sign_ins.read(app, flow_id, caller)

    @routes.post("/{flow_id}/password")
    async def password(app: str, flow_id: UUID, body: PasswordRequest, caller: CallerDep) -> SignInFlow:
        return await sign_ins.password(app, flow_id, body, caller)

    @routes.post("/{flow_id}/action")
    async def action(app: str, flow_id: UUID, body: RequiredActionRequest, caller: CallerDep) -> SignInFlow:
        return await sign_ins.act(app, flow_id, body, caller)

    return routes
