"""/internal/fraud: `latchkey channels budget|unblock|vouch|unvouch`."""

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from pydantic import Field
from servicekit.web.caller import allow

from .watch import Overview, Watch


class Range(Request):
    range: str = Field(pattern=r"^(prefix|network|region):\+?[0-9A-Z]{1,20}$")


class Number(Request):
    number: str = Field(pattern=r"^\+[1-9][0-9]{5,14}$")


def router(watch: Watch) -> APIRouter:
    routes = APIRouter(prefix="/internal/fraud", dependencies=[allow("operator")])

    @routes.get("")
    async def overview() -> Overview:
        return await watch.overview()

    @routes.post("/unblock", status_code=204)
    async def unblock(body: Range) -> None:
        await watch.unblock(body.range)

    @routes.post("/vouch", status_code=204)
    async def vouch(body: Number) -> None:
        await watch.vouch(body.number)

    @routes.post("/unvouch", status_code=204)
    async def unvouch(body: Number) -> None:
        await watch.unvouch(body.number)

    return routes
