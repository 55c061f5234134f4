"""The hosted pages: each reads a form, makes the same call as the API, and shows a page. No logic of their own."""

from fastapi import APIRouter, FastAPI
from prometheus_client import Counter
from servicekit import errors
from servicekit.errors import ServiceError
from servicekit.process.configuration import Configuration
from servicekit.web.http import request_id
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.explained import EXPLAINED
from gateway.api.openapi import problem_codes
from gateway.api.service import Gateway
from gateway.web.headers import KEPT

from . import (  # the page is called so
    account,
    activity,
    contacts,
    help,  # noqa: A004
    linked,
    links,
    lost_mailbox,
    notifications,
    passkeys,
    personal,
    reminder,
    required_way,
    reset,
    second_step,
    security,
    sign_in,
    sign_up,
    social,
    step_up,
)
from .render import assets, brand_style
from .visit import PLAIN, Instead, Visit

# In this order: what sign_in answers to any other step is for those of second_step no answer.
PAGES = (
    sign_up, second_step, required_way, passkeys, social, sign_in, links, help, lost_mailbox, reminder, reset, account, contacts, personal, notifications,
    linked, security, activity, step_up,
)  # fmt: skip
_FOLLOWED = Counter("latchkey_friendly_urls_followed", "Presses on short addresses (E31)", ["url", "enabled"])
_BY_CODE = {"feature_disabled": "not_offered.html", "not_allowed_by_policy": "not_offered.html"}
_BY_STATUS = {403: "forbidden.html", 404: "not_found.html", 429: "too_many.html", 503: "busy.html"}


def install(app: FastAPI, gateway: Gateway) -> None:
    app.state.gateway = gateway

    async def instead(_request: Request, error: Exception) -> Response:
        if not isinstance(error, Instead):
            raise error
        return error.response

    app.add_exception_handler(Instead, instead)
    routes = APIRouter(include_in_schema=False)
    _ways_in(routes, gateway.configuration)
    _files(routes, gateway.configuration)
    _explanations(routes, gateway)
    for pages in PAGES:
        routes.include_router(pages.routes)
    app.include_router(routes)


def problem(request: Request, gateway: Gateway, error: ServiceError) -> Response:
    """Every error has a page with a way on; of a press it is told on that form's own page, with what was typed."""
    visit: Visit | None = request.scope.get("latchkey.visit")
    if visit is not None and visit.typed is not None:
        return visit.again(error)
    if "latchkey.visitor" not in request.scope:
        return HTMLResponse(error.title, error.status)
    visit = visit or _unbranded(request, gateway)
    template = _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, "problem.html")
    return visit.page(
        template,
        error.status,
        problem=error,
        error=error,
        seconds=error.extra.get("retry_after_seconds"),
        reference=request_id(request.scope),
        plain=visit.resolved is None,
        reads=request.method == "GET",
    )


def _unbranded(request: Request, gateway: Gateway) -> Visit:
    """Of the application that the address begins with, if there is such a one."""
    slug = request.url.path.split("/")[1] if request.url.path.count("/") else ""
    resolved = gateway.configuration.application(slug) if gateway.configuration.knows(slug) else None
    return Visit(request, gateway, request.scope["latchkey.visitor"], resolved)


def _ways_in(routes: APIRouter, configuration: Configuration) -> None:
    """Short addresses that lead into an application."""

    @routes.get("/")
    async def root() -> Response:
        slugs = configuration.slugs()
        if len(slugs) != 1:
            raise errors.NotFound
        return RedirectResponse(f"/{slugs[0]}", 303)

    @routes.get("/go/{friendly}")
    async def go(friendly: str) -> Response:
        found = configuration.friendly(friendly)
        if found is None:
            raise errors.NotFound
        _FOLLOWED.labels(url=found.url, enabled=str(found.enabled).lower()).inc()
        if not found.enabled:
            raise errors.FeatureDisabled
        return RedirectResponse(f"/{found.application}/account", 303)

    @routes.get("/{app}")
    async def start(app: str) -> Response:
        configuration.application(app)
        return RedirectResponse(f"/{app}/account", 303)


def _files(routes: APIRouter, configuration: Configuration) -> None:
    """Scripts, pictures and styles; an application's own style is named by what it holds."""

    @routes.get("/static/{name}")
    async def static(name: str) -> Response:
        if name not in assets():
            raise errors.NotFound
        content, kind = assets()[name]
        return Response(content, headers={"Content-Type": kind, "Cache-Control": KEPT})

    @routes.get("/static/{app}/{name}")
    async def style(app: str, name: str) -> Response:
        brand = PLAIN.brand if app == PLAIN.slug else configuration.application(app).application.brand
        expected, text = brand_style(brand)
        kept = KEPT if name == expected else "no-store"
        return Response(text, headers={"Content-Type": "text/css; charset=utf-8", "Cache-Control": kept})


def _explanations(routes: APIRouter, gateway: Gateway) -> None:
    """What the `type` of a problem document leads to."""

    @routes.get("/problems/{code}")
    async def explain(request: Request, code: str) -> Response:
        found = next((cls for cls in problem_codes() if cls.code == code), None)
        if found is None:
            raise errors.NotFound
        visit = Visit(request, gateway, request.scope["latchkey.visitor"], None)
        return visit.page("problem_code.html", 200, explained=found, told=EXPLAINED[code])
