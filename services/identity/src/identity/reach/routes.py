"""POST /internal/contacts and /internal/contacts/several: for the workers of recovery and mfa. POST /internal/sign-in-owners: for mfa's."""

from fastapi import APIRouter
from latchkey_contracts.http.access import Owner, OwnerQuestion
from latchkey_contracts.http.contacts import ContactAnswer, ContactRequest, ContactsAnswer, ContactsRequest
from servicekit.web.caller import CallerDep, allow

from .owners import Owners
from .service import Contacts


def router(contacts: Contacts, owners: Owners) -> APIRouter:
    routes = APIRouter(dependencies=[allow("recovery", "mfa")])

    @routes.post("/internal/contacts")
    async def find(body: ContactRequest, caller: CallerDep) -> ContactAnswer:
        return await contacts.find(body, caller)

    @routes.post("/internal/contacts/several")
    async def find_several(body: ContactsRequest) -> ContactsAnswer:
        return ContactsAnswer(items=await contacts.find_several(body.items))

    @routes.post("/internal/sign-in-owners")
    async def owner(body: OwnerQuestion) -> Owner:
        return await owners.find(body)

    return routes
