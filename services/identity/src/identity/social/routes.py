"""/v1/apps/{app}/sign-ins/{id}/social and /registration, /v1/callbacks/social/{provider}, /v1/me/linked-identities."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.social import (
    LinkedIdentities,
    NewcomerRequest,
    SocialAnswer,
    SocialCallback,
    SocialRedirect,
    SocialRequest,
)
from servicekit.web.caller import CallerDep, allow

from .service import Social


def router(social: Social) -> APIRouter:
    routes = APIRouter(dependencies=[allow("gateway")])

    @routes.post("/v1/apps/{app}/sign-ins/{flow_id}/social")
    async def sign_in(app: str, flow_id: UUID, body: SocialRequest, caller: CallerDep) -> SocialRedirect:
        return await social.sign_in(app, flow_id, body, caller)

    @routes.post("/v1/apps/{app}/sign-ins/{flow_id}/registration")
    async def join(app: str, flow_id: UUID, body: NewcomerRequest, caller: CallerDep) -> SignInFlow | RegistrationFlow:
        return await social.joining.join(app, flow_id, body, caller)

    @routes.post("/v1/me/step-ups/{step_up_id}/social")
    async def step_up(step_up_id: UUID, body: SocialRequest, caller: CallerDep) -> SocialRedirect:
        return await social.step_up(step_up_id, body, caller)

    @routes.post("/v1/callbacks/social/{provider}")
    async def back(provider: str, body: SocialCallback, caller: CallerDep) -> SocialAnswer:
        return await social.back(provider, body, caller)

    @routes.get("/v1/me/linked-identities")
    async def listing(caller: CallerDep) -> LinkedIdentities:
        return await social.accounts.listing(caller)

    @routes.post("/v1/me/linked-identities")
    async def link(body: SocialRequest, caller: CallerDep) -> SocialRedirect:
        return await social.accounts.begin(body, caller)

    @routes.delete("/v1/me/linked-identities/{linked_id}", status_code=204)
    async def unlink(linked_id: UUID, caller: CallerDep) -> None:
        await social.accounts.unlink(linked_id, caller)

    return routes
