"""/v1/apps/{app}/sign-ins."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInFlow, SignInRequest
from servicekit.web.caller import CallerDep, allow

from .actions import RequiredActions
from .service import SignIns

_GATEWAY = [allow("gateway")]


def router(sign_ins: SignIns, actions: RequiredActions) -> APIRouter:
    routes = APIRouter(prefix="/v1/apps/{app}/sign-ins")

    @routes.post("", dependencies=_GATEWAY)
    async def start(app: str, body: SignInRequest, caller: CallerDep) -> SignInFlow:
        return await sign_ins.start(app, body, caller)

    # Whoever proved a factor at mfa goes on by it, too.
    @routes.get("/{flow_id}", dependencies=[allow("gateway", "mfa")])
    async def read(app: str, flow_id: UUID, caller: CallerDep) -> SignInFlow:
        return await sign_ins.read(app, flow_id, caller)

    @routes.post("/{flow_id}/password", dependencies=_GATEWAY)
    async def password(app: str, flow_id: UUID, body: PasswordRequest, caller: CallerDep) -> SignInFlow:
        return await sign_ins.password(app, flow_id, body, caller)

    @routes.post("/{flow_id}/action", dependencies=_GATEWAY)
    async def action(app: str, flow_id: UUID, body: RequiredActionRequest, caller: CallerDep) -> SignInFlow:
        return await actions.act(app, flow_id, body, caller)

    return routes
