"""POST /internal/contacts: for recovery's worker."""

from fastapi import APIRouter
from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest
from servicekit.caller import CallerDep, allow

from .service import Contacts


def router(contacts: Contacts) -> APIRouter:
    routes = APIRouter(dependencies=[allow("recovery")])

    @routes.post("/internal/contacts")
    async def find(body: ContactRequest, caller: CallerDep) -> ContactAnswer:
        return await contacts.find(body, caller)

    return routes
