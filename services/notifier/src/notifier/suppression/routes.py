"""/internal/suppression: `latchkey suppression list|remove`."""

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from latchkey_contracts.notifier import Channel
from pydantic import Field
from servicekit.web.caller import allow

from .service import Suppression
from .store import Count


class Address(Request):
    channel: Channel
    to: str = Field(min_length=3, max_length=320)


def router(suppression: Suppression) -> APIRouter:
    routes = APIRouter(prefix="/internal/suppression", dependencies=[allow("operator")])

    @routes.get("")
    async def counts() -> list[Count]:
        return await suppression.counts()

    @routes.post("/remove", status_code=204)
    async def remove(body: Address) -> None:
        await suppression.remove(body.channel, body.to)

    return routes
