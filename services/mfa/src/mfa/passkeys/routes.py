"""/v1/me/passkey-offer: whether one is offered after a sign-in or a new password (D12)."""

from fastapi import APIRouter
from latchkey_contracts.http.passkeys import PasskeyOffer
from servicekit.web.caller import CallerDep, allow

from .service import Passkeys


def router(passkeys: Passkeys) -> APIRouter:
    routes = APIRouter(prefix="/v1/me/passkey-offer", dependencies=[allow("gateway")])

    @routes.get("")
    async def offer(caller: CallerDep) -> PasskeyOffer:
        return await passkeys.offer(caller)

    @routes.delete("", status_code=204)
    async def refuse(caller: CallerDep) -> None:
        await passkeys.refuse_offers(caller)

    return routes
