"""Why a sign-in was let in or not, for operators; which rules can be decided here, for identity when a policy is applied."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.access import Abilities, Explanation
from servicekit.web.caller import allow

from .service import AccessRules


def router(access_rules: AccessRules) -> APIRouter:
    routes = APIRouter()

    @routes.get("/internal/access-explanations/{flow_id}", dependencies=[allow("operator")])
    async def explain(flow_id: UUID) -> Explanation:
        return await access_rules.explain(flow_id)

    @routes.get("/internal/access-abilities", dependencies=[allow("identity")])
    async def abilities() -> Abilities:
        return access_rules.abilities()

    return routes
