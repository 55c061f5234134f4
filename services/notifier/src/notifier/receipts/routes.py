"""POST /internal/callbacks/{provider}: a provider's request, passed on by the gateway as it came."""

import base64
import binascii
from typing import Annotated

from fastapi import APIRouter, Path
from latchkey_contracts.http.callbacks import PassedOn, ProviderAnswer
from servicekit.errors import MalformedRequest
from servicekit.web.caller import allow

from notifier.channels.base import Callback

from .service import Receipts


def router(receipts: Receipts) -> APIRouter:
    routes = APIRouter()

    @routes.post("/internal/callbacks/{provider}", dependencies=[allow("gateway")])
    async def callback(provider: Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,39}$")], body: PassedOn) -> ProviderAnswer:
        try:
            content = base64.b64decode(body.content, validate=True)
        except binascii.Error:
            raise MalformedRequest from None
        answer = await receipts.take(provider, Callback(body.url, body.headers, content))
        return ProviderAnswer(status=answer.status, body=answer.body, content_type=answer.content_type)

    return routes
