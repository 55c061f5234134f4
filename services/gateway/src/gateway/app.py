"""The gateway's ASGI application: headers, input guard, session hot path, then API and pages."""

import asyncio
import functools
from urllib.parse import quote

from fastapi import FastAPI, Request
from servicekit.errors import NotFound, Overloaded, ServiceError
from servicekit.web.http import Guard, JSONResponse, install_handlers, problem_response, request_id
from servicekit.web.transport import NotSent, Transport, Unanswered
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from gateway.api import openapi, routes, schemas, viewer
from gateway.api.passed_on import PassedOn
from gateway.api.service import Gateway
from gateway.portal import pages, social, words
from gateway.sessions.hot_path import HotPath
from gateway.web import csrf
from gateway.web.compression import Compressed
from gateway.web.headers import SecurityHeaders
from gateway.web.visitor import read_visitor

INBOX_SECONDS = 5.0
# Called from another site by its nature; what it says is bound to the flow of the browser that asked.
OTHER_SITES = "/v1/callbacks/social/"


def create_app(gateway: Gateway, inbox: Transport | None = None) -> ASGIApp:
    """`inbox`: connections to the local run's inbox, where there is one."""
    app = FastAPI(title=openapi.TITLE, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    async def render(request: Request, error: ServiceError) -> Response:
        return _told(gateway, request, error)

    install_handlers(app, render)
    app.include_router(social.callbacks)
    app.include_router(routes.router(gateway))
    app.include_router(schemas.router())
    described = _described()  # before anybody waits

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return Response(described, media_type="application/json")

    app.include_router(viewer.router())
    if gateway.settings.inbox_url is not None and inbox is not None:
        _proxy_inbox(app, gateway.settings.inbox_url, inbox)
    pages.install(app, gateway)

    settings = gateway.settings

    def before(scope: Scope) -> None:
        visitor = scope["latchkey.visitor"] = read_visitor(scope, proxies=settings.proxies, secure=settings.secure)
        gateway.recognise(visitor)
        if not (scope["path"].startswith(OTHER_SITES) or (settings.inbox_url and scope["path"].startswith("/inbox"))):
            csrf.check(scope, visitor, settings.origin)

    def forms(scope: Scope) -> bool:
        return not scope["path"].startswith("/v1/") or scope["path"].startswith("/v1/callbacks/")

    def refuse(scope: Scope, error: ServiceError) -> Response:
        return _told(gateway, Request(scope), error)

    guarded = Guard(app, forms=forms, before=before, refuse=refuse)
    reads = PassedOn(Compressed(guarded), gateway, before=before, refuse=refuse)
    return SecurityHeaders(HotPath(reads, gateway.sessions, secure=settings.secure), secure=settings.secure)


@functools.cache
def _described() -> bytes:
    """The same in every process of this version; writing it takes a quarter of a second of a core."""
    return bytes(JSONResponse(openapi.document()).body)


def _told(gateway: Gateway, request: Request, error: ServiceError) -> Response:
    """A page for people, a problem document for programs."""
    if request.url.path.startswith(("/v1/", "/schemas/", "/inbox", "/static/")):
        return problem_response(error, request_id(request.scope), words.translator(request.headers.get("accept-language")))
    return pages.problem(request, gateway, error)


def _proxy_inbox(app: FastAPI, base_url: str, connections: Transport) -> None:
    """The local run's inbox under the portal's own address (README.md); development and tests only."""

    @app.api_route("/inbox{rest:path}", methods=["GET", "POST"], include_in_schema=False)
    async def inbox(request: Request, rest: str) -> Response:
        if rest and not rest.startswith("/"):
            raise NotFound
        headers = {"content-type": kind} if (kind := request.headers.get("content-type")) else {}
        url = f"{base_url.rstrip('/')}/inbox{quote(rest)}" + (f"?{request.url.query}" if request.url.query else "")
        try:
            async with asyncio.timeout(INBOX_SECONDS):
                found = await connections.send(request.method, url, headers, await request.body() or None, None)
        except (NotSent, Unanswered, TimeoutError):
            raise Overloaded from None
        names = ("content-type", "content-security-policy", "x-frame-options", "location")
        kept = {name: found.headers[name] for name in names if name in found.headers}
        return Response(found.content, found.status, kept)
