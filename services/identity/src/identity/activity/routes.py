"""GET /v1/me/activity."""

from typing import Annotated

from fastapi import APIRouter, Query
from latchkey_contracts.http.activity import Activities
from servicekit.web.caller import CallerDep, allow

from .service import Activity


def router(activity: Activity) -> APIRouter:
    routes = APIRouter()

    @routes.get("/v1/me/activity", dependencies=[allow("gateway")])
    async def page(caller: CallerDep, cursor: Annotated[str | None, Query(max_length=200)] = None) -> Activities:
        return await activity.page(caller, cursor)

    return routes
