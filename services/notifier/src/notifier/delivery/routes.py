"""GET /internal/channels: how each channel is doing."""

from fastapi import APIRouter
from servicekit.caller import allow

from .service import Delivery


def router(delivery: Delivery) -> APIRouter:
    routes = APIRouter()

    @routes.get("/internal/channels", dependencies=[allow("gateway", "identity", "recovery", "mfa")])
    async def channels() -> dict[str, str]:
        return await delivery.channels()

    return routes
