"""/internal/templates, for `latchkey templates`."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from latchkey_contracts.http.common import Request
from pydantic import Field
from servicekit.web.caller import allow

from .service import Templates


class PreviewRequest(Request):
    template: str = Field(max_length=60)
    application: str = Field(max_length=60)
    language: str | None = Field(default=None, max_length=10)
    channel: str = Field(default="email", max_length=10)


class SendRequest(PreviewRequest):
    to: str = Field(max_length=320)


def router(templates: Templates) -> APIRouter:
    routes = APIRouter(prefix="/internal/templates", dependencies=[allow("operator")])

    @routes.get("")
    async def listing(application: str) -> list[dict[str, Any]]:
        return templates.listing(application)

    @routes.post("/preview")
    async def preview(body: PreviewRequest) -> dict[str, Any]:
        return templates.preview(body.template, body.application, body.language, body.channel)

    @routes.post("/send")
    async def send(body: SendRequest) -> list[dict[str, Any]]:
        tries = await templates.send(body.template, body.application, body.language, body.channel, body.to)
        return [asdict(attempt) for attempt in tries]

    return routes
