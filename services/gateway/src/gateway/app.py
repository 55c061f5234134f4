"""The gateway's ASGI application: headers, input guard, session hot path, then API and pages."""

import httpx
from fastapi import FastAPI, Request
from servicekit.errors import NotFound, Overloaded, ServiceError
from servicekit.http import Guard, JSONResponse, install_handlers, problem_response, request_id
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from gateway.api import openapi, routes
from gateway.api.service import Gateway
from gateway.portal import pages, words
from gateway.sessions.hot_path import HotPath
from gateway.web import csrf
from gateway.web.headers import SecurityHeaders
from gateway.web.visitor import read_visitor


def create_app(gateway: Gateway) -> ASGIApp:
    app = FastAPI(title=openapi.TITLE, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    portal = pages.Pages(gateway)

    def told(request: Request, error: ServiceError) -> Response:
        """A page for people, a problem document for programs."""
        if request.url.path.startswith(("/v1/", "/inbox", "/static/")):
            return problem_response(error, request_id(request.scope), words.translator(request.headers.get("accept-language")))
        return portal.problem(request, error)

    async def render(request: Request, error: ServiceError) -> Response:
        return told(request, error)

    install_handlers(app, render)
    app.include_router(routes.router(gateway))
    app.include_router(routes.me_router(gateway))
    app.include_router(routes.callbacks_router(gateway))
    described = openapi.describe(app)

    @app.get("/v1/openapi.json", include_in_schema=False)
    async def document() -> Response:
        return JSONResponse(described)

    if gateway.settings.inbox_url is not None:
        _proxy_inbox(app, gateway.settings.inbox_url)
    app.include_router(portal.router(described))

    settings = gateway.settings

    def before(scope: Scope) -> None:
        visitor = scope["latchkey.visitor"] = read_visitor(scope, proxies=settings.proxies, secure=settings.secure)
        gateway.recognise(visitor)
        if not (settings.inbox_url and scope["path"].startswith("/inbox")):
            csrf.check(scope, visitor, settings.origin)

    def forms(scope: Scope) -> bool:
        return not scope["path"].startswith("/v1/") or scope["path"].startswith("/v1/callbacks/")

    guarded = Guard(app, forms=forms, before=before, refuse=lambda scope, error: told(Request(scope), error))
    return SecurityHeaders(HotPath(guarded, gateway.sessions, secure=settings.secure), secure=settings.secure)


def _proxy_inbox(app: FastAPI, base_url: str) -> None:
    """The local run's inbox under the portal's own address (api.md §6); development and tests only."""
    client = httpx.AsyncClient(base_url=base_url, timeout=5, trust_env=False)

    @app.api_route("/inbox{rest:path}", methods=["GET", "POST"], include_in_schema=False)
    async def inbox(request: Request, rest: str) -> Response:
        if rest and not rest.startswith("/"):
            raise NotFound
        headers = {"content-type": kind} if (kind := request.headers.get("content-type")) else {}
        url = f"/inbox{rest}" + (f"?{request.url.query}" if request.url.query else "")
        try:
            found = await client.request(request.method, url, content=await request.body(), headers=headers)
        except httpx.HTTPError:
            raise Overloaded from None
        kept = {
            name: found.headers[name] for name in ("content-type", "content-security-policy", "location") if name in found.headers
        }
        return Response(found.content, found.status_code, kept)
