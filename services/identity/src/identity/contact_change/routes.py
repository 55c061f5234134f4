"""/v1/me/identifiers and /v1/me/contact-changes."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.contact_change import (
    ContactChangeFlow,
    ContactCode,
    ContactRequest,
    ContactResend,
    PrimaryRequest,
)
from servicekit.web.caller import CallerDep, allow
from servicekit.web.http import Read

from .going_on import ContactsInChange
from .service import ContactChanging


def router(changing: ContactChanging, in_change: ContactsInChange) -> APIRouter:
    routes = APIRouter(prefix="/v1/me", dependencies=[allow("gateway")])

    @routes.post("/identifiers", status_code=202)
    async def add(body: ContactRequest, caller: CallerDep) -> ContactChangeFlow:
        return await changing.add(body, caller)

    @routes.patch("/identifiers/{identifier_id}", status_code=202)
    async def make_primary(identifier_id: UUID, body: PrimaryRequest, caller: CallerDep) -> ContactChangeFlow:
        return await changing.make_primary(identifier_id, body.language, caller)

    @routes.delete("/identifiers/{identifier_id}", status_code=204)
    async def remove(identifier_id: UUID, caller: CallerDep) -> None:
        await changing.remove(identifier_id, caller)

    @routes.post("/contact-changes", status_code=202)
    async def change(body: ContactRequest, caller: CallerDep) -> ContactChangeFlow:
        return await changing.change(body, caller)

    @routes.get("/contact-changes/{change_id}")
    async def read(change_id: UUID, caller: CallerDep) -> ContactChangeFlow:
        return await in_change.read(change_id, caller)

    @routes.delete("/contact-changes/{change_id}", status_code=204)
    async def cancel(change_id: UUID, caller: CallerDep) -> None:
        await in_change.cancel(change_id, caller)

    @routes.post("/contact-changes/{change_id}/code")
    async def code(change_id: UUID, body: ContactCode, caller: CallerDep) -> ContactChangeFlow:
        return await in_change.code(change_id, body, caller)

    @routes.post("/contact-changes/{change_id}/resend", status_code=202)
    async def resend(change_id: UUID, body: ContactResend, caller: CallerDep) -> ContactChangeFlow:
        return await in_change.resend(change_id, body, caller)

    return routes


def reads(in_change: ContactsInChange) -> Mapping[str, Read]:
    return {"/v1/me/identifiers": in_change.identifiers, "/v1/me/contact-changes": in_change.listing}
