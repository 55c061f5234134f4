"""/internal/assistance: for the help desk's console, and until there is one for the operator."""

from uuid import UUID

from fastapi import APIRouter
from servicekit.web.caller import allow

from .callers import CallerChecks
from .schemas import Act, Assisted, CallerCheck, CallerCode, NewBypass, NewCallerCheck, NewFactor, NoticeAgain
from .service import Assistances


def router(assistances: Assistances) -> APIRouter:
    routes = APIRouter(prefix="/internal/assistance/{account_id}", dependencies=[allow("operator")])

    @routes.get("")
    async def look(account_id: UUID, application: str) -> Assisted:
        return await assistances.look(account_id, application)

    @routes.post("/factors", status_code=201)
    async def add(account_id: UUID, body: NewFactor) -> dict[str, UUID]:
        return {"id": await assistances.add(account_id, body)}

    @routes.post("/factors/{factor_id}/resend", status_code=204)
    async def send_again(account_id: UUID, factor_id: UUID, body: Act) -> None:
        await assistances.send_again(account_id, factor_id, body)

    @routes.post("/factors/{factor_id}/remove", status_code=204)
    async def remove(account_id: UUID, factor_id: UUID, body: Act) -> None:
        await assistances.remove(account_id, factor_id, body)

    @routes.post("/limits/lift", status_code=204)
    async def lift(account_id: UUID, body: Act) -> None:
        await assistances.lift(account_id, body)

    @routes.post("/bypasses", status_code=201)
    async def ask_bypass(account_id: UUID, body: NewBypass) -> dict[str, UUID]:
        return {"id": await assistances.ask_bypass(account_id, body)}

    @routes.post("/bypasses/{bypass_id}/approve", status_code=204)
    async def approve_bypass(account_id: UUID, bypass_id: UUID, body: Act) -> None:
        await assistances.approve_bypass(account_id, bypass_id, body)

    @routes.post("/bypasses/{bypass_id}/end", status_code=204)
    async def end_bypass(account_id: UUID, bypass_id: UUID, body: Act) -> None:
        await assistances.end_bypass(account_id, bypass_id, body)

    @routes.post("/notices/resend", status_code=204)
    async def tell_again(account_id: UUID, body: NoticeAgain) -> None:
        await assistances.tell_again(account_id, body)

    return routes


def callers(checks: CallerChecks) -> APIRouter:
    routes = APIRouter(prefix="/internal/assistance/{account_id}", dependencies=[allow("operator")])

    @routes.post("/caller-checks", status_code=201)
    async def begin_check(account_id: UUID, body: NewCallerCheck) -> CallerCheck:
        return await checks.begin(account_id, body)

    @routes.post("/caller-checks/{check_id}/code")
    async def check_code(account_id: UUID, check_id: UUID, body: CallerCode) -> CallerCheck:
        return await checks.code(account_id, check_id, body)

    return routes
