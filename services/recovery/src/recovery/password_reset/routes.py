"""/v1/apps/{app}/password-resets, and the console's start (REC-11)."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from latchkey_contracts.http.recovery import ResetFlow, ResetRequest, ResetResend
from latchkey_contracts.http.registration import CodeRequest, NewPasswordRequest
from pydantic import Strict
from servicekit.web.caller import CallerDep, allow

from .new_password import NewPasswords
from .service import Resets


class RepReset(Request):
    application: str
    account_id: Annotated[UUID, Strict(False)]


def router(resets: Resets, new_passwords: NewPasswords) -> APIRouter:
    routes = APIRouter()
    public = APIRouter(prefix="/v1/apps/{app}", dependencies=[allow("gateway")])

    @public.post("/password-resets", status_code=202)
    async def start(app: str, body: ResetRequest, caller: CallerDep) -> ResetFlow:
        return await resets.start(app, body, caller)

    @public.get("/password-resets/{flow_id}")
    async def read(app: str, flow_id: UUID, caller: CallerDep) -> ResetFlow:
        return await resets.read(app, flow_id, caller)

    @public.post("/password-resets/{flow_id}/resend", status_code=202)
    async def resend(app: str, flow_id: UUID, body: ResetResend, caller: CallerDep) -> ResetFlow:
        return await resets.resend(app, flow_id, body.channel, caller)

    @public.post("/password-resets/{flow_id}/code")
    async def code(app: str, flow_id: UUID, body: CodeRequest, caller: CallerDep) -> ResetFlow:
        return await resets.by_code(app, flow_id, body.code, caller)

    @public.post("/password-resets/{flow_id}/password")
    async def password(app: str, flow_id: UUID, body: NewPasswordRequest, caller: CallerDep) -> ResetFlow:
        return await new_passwords.choose(app, flow_id, body.password, caller)

    @routes.post("/internal/password-resets", status_code=202, dependencies=[allow("gateway", "operator")])
    async def start_for_rep(body: RepReset, caller: CallerDep) -> dict[str, Any]:
        return {"id": await resets.start_for_rep(body.application, body.account_id, caller)}

    routes.include_router(public)
    return routes
