"""What is proven at a sign-in or step-up, for the gateway; what it needs, for identity."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.access import AccessQuestion, AccessState, StepUpMethods
from latchkey_contracts.http.factors import ChallengeRequest, FactorCode
from latchkey_contracts.http.passkeys import PasskeyOptions, PasskeyProof
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.step_up import StepUpFlow
from servicekit.web.caller import CallerDep, allow

from mfa.first_step.service import FirstSteps

from .access import AccessDecisions
from .passkeys import PasskeyChallenges
from .sending import ChallengeSending
from .service import Challenges


def passkeys(challenges: PasskeyChallenges) -> APIRouter:
    routes = APIRouter(dependencies=[allow("gateway")])

    @routes.get("/v1/apps/{app}/sign-ins/{flow_id}/passkey")
    async def sign_in_options(app: str, flow_id: UUID, caller: CallerDep) -> PasskeyOptions:
        return await challenges.sign_in_options(app, flow_id, caller)

    @routes.post("/v1/apps/{app}/sign-ins/{flow_id}/passkey")
    async def sign_in(app: str, flow_id: UUID, body: PasskeyProof, caller: CallerDep) -> SignInFlow:
        return await challenges.sign_in(app, flow_id, body, caller)

    @routes.get("/v1/me/step-ups/{flow_id}/passkey")
    async def step_up_options(flow_id: UUID, caller: CallerDep) -> PasskeyOptions:
        return await challenges.step_up_options(flow_id, caller)

    @routes.post("/v1/me/step-ups/{flow_id}/passkey")
    async def step_up(flow_id: UUID, body: PasskeyProof, caller: CallerDep) -> StepUpFlow:
        return await challenges.step_up(flow_id, body, caller)

    return routes


def router(challenges: Challenges, sending: ChallengeSending, decisions: AccessDecisions, first: FirstSteps) -> APIRouter:
    routes = APIRouter()
    public = APIRouter(dependencies=[allow("gateway")])
    internal = APIRouter(prefix="/internal/access-decisions", dependencies=[allow("identity")])

    @public.post("/v1/apps/{app}/sign-ins/{flow_id}/code")
    async def sign_in_code(app: str, flow_id: UUID, body: FactorCode, caller: CallerDep) -> SignInFlow:
        return await first.code(app, flow_id, body, caller)

    @public.post("/v1/me/step-ups/{flow_id}/code")
    async def step_up_code(flow_id: UUID, body: FactorCode, caller: CallerDep) -> StepUpFlow:
        return await challenges.step_up_code(flow_id, body, caller)

    @public.post("/v1/apps/{app}/sign-ins/{flow_id}/challenges", status_code=202)
    async def send_for_sign_in(app: str, flow_id: UUID, body: ChallengeRequest, caller: CallerDep) -> SignInFlow:
        return await first.send(app, flow_id, body, caller)

    @public.post("/v1/me/step-ups/{flow_id}/challenges", status_code=202)
    async def send_for_step_up(flow_id: UUID, body: ChallengeRequest, caller: CallerDep) -> StepUpFlow:
        return await sending.for_step_up(flow_id, body, caller)

    @internal.post("")
    async def decide(body: AccessQuestion, caller: CallerDep) -> AccessState:
        return await decisions.decide(body, caller)

    @internal.get("", status_code=204)
    async def check() -> None:
        await decisions.check()

    @internal.get("/{flow_id}")
    async def state(flow_id: UUID, caller: CallerDep) -> AccessState:
        return await decisions.state(flow_id, caller)

    @routes.get("/internal/step-up-methods", dependencies=[allow("identity")])
    async def step_up_methods(caller: CallerDep) -> StepUpMethods:
        return await decisions.step_up_methods(caller)

    routes.include_router(public)
    routes.include_router(internal)
    return routes
