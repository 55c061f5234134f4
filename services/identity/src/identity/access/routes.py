"""For mfa: PUT /internal/accounts/{id}/second-factor, before a factor counts and after the last one is gone; what to call the account, and
where it is reached.
"""

from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.access import AccountName, ProvenTarget, SecondFactor
from servicekit.web.caller import allow

from .service import SecondFactors


def router(second_factors: SecondFactors) -> APIRouter:
    routes = APIRouter(dependencies=[allow("mfa")])

    @routes.put("/internal/accounts/{account_id}/second-factor", status_code=204)
    async def put(account_id: UUID, body: SecondFactor) -> None:
        await second_factors.put(account_id, body)

    @routes.get("/internal/accounts/{account_id}/name")
    async def name(account_id: UUID) -> AccountName:
        return await second_factors.name(account_id)

    @routes.get("/internal/accounts/{account_id}/proven/{kind}")
    async def proven(account_id: UUID, kind: Literal["email", "phone"]) -> ProvenTarget:
        return await second_factors.proven(account_id, kind)

    return routes
