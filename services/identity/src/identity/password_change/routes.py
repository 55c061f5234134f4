"""PUT /v1/me/password, and the reset's last step for recovery."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.account import PasswordChange
from latchkey_contracts.http.contacts import PasswordReset, PasswordResetDone
from servicekit.web.caller import CallerDep, allow

from .service import PasswordChanges


def router(changes: PasswordChanges) -> APIRouter:
    routes = APIRouter()

    @routes.put("/v1/me/password", status_code=204, dependencies=[allow("gateway")])
    async def change(body: PasswordChange, caller: CallerDep) -> None:
        await changes.change(body, caller)

    @routes.post("/internal/accounts/{account_id}/password", dependencies=[allow("recovery")])
    async def reset(account_id: UUID, body: PasswordReset, caller: CallerDep) -> PasswordResetDone:
        requested_at = datetime.fromisoformat(body.requested_at) if body.requested_at is not None else None
        done = await changes.reset(account_id, body.application, UUID(body.flow_id), body.password, caller, requested_at)
        return PasswordResetDone(done=done)

    return routes
