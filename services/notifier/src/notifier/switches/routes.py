"""/internal/switches: `latchkey channels list|off|on`."""

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from latchkey_contracts.notifier import Channel
from pydantic import Field
from servicekit.web.caller import allow

from .service import Switchboard
from .store import Switch


class WhichOne(Request):
    channel: Channel
    country: str = Field(default="", pattern=r"^(\+[1-9][0-9]{0,3})?$")
    application: str = Field(default="", pattern=r"^([a-z0-9][a-z0-9-]{0,39})?$")


class Off(WhichOne):
    drop: bool = False


def router(switchboard: Switchboard) -> APIRouter:
    routes = APIRouter(prefix="/internal/switches", dependencies=[allow("operator")])

    @routes.get("")
    async def everything() -> list[Switch]:
        return await switchboard.everything()

    @routes.post("/off")
    async def off(body: Off) -> list[Switch]:
        return await switchboard.off(body.channel, body.country, body.application, drop=body.drop)

    @routes.post("/on")
    async def on(body: WhichOne) -> list[Switch]:
        return await switchboard.on(body.channel, body.country, body.application)

    return routes
