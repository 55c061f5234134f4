"""The hosted pages (api.md §4): each reads a form, makes the same call as the API, and shows a page. No logic of their own."""

from typing import Any

from fastapi import APIRouter
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from servicekit import errors
from servicekit.errors import ServiceError
from servicekit.http import request_id
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.api.openapi import problem_codes
from gateway.web.visitor import Visitor

from .account import AccountPages
from .links import LinkPages
from .recovery import RecoveryPages
from .render import assets, brand_style
from .shared import PageTools, Slug
from .sign_in import SignInPages
from .sign_up import SignUpPages

# Pages that belong to nobody's application.
_PLAIN = Application(
    slug="latchkey", brand=Brand(name="Latchkey", brand="#0b3d45", accent="#0d5c66"), languages=["en", "ar", "de", "es", "fr"]
)
_BY_CODE = {"feature_disabled": "not_offered.html", "not_allowed_by_policy": "not_offered.html"}
_BY_STATUS = {403: "forbidden.html", 404: "not_found.html", 429: "too_many.html", 503: "busy.html"}


class Pages(PageTools):
    # --- problems --------------------------------------------------------------------------------------------------------

    def problem(self, request: Request, error: ServiceError) -> Response:
        """Every error has a page with a way on."""
        visitor: Visitor | None = request.scope.get("latchkey.visitor")
        slug = request.url.path.split("/")[1] if request.url.path.count("/") else ""
        try:
            application = self.application(slug).application
        except errors.NotFound:
            application = _PLAIN
        if visitor is None:
            return HTMLResponse(error.title, error.status)
        seconds = error.extra.get("retry_after_seconds")
        template = _BY_CODE.get(error.code) or _BY_STATUS.get(error.status, "problem.html")
        response = self.page(
            request,
            visitor,
            application,
            template,
            error.status,
            error=error,
            seconds=seconds,
            reference=request_id(request.scope),
            plain=application is _PLAIN,
        )
        if seconds is not None:
            response.headers["Retry-After"] = str(max(int(-(-float(seconds) // 1)), 1))
        return response

    # --- routes ----------------------------------------------------------------------------------------------------------

    def router(self, described: dict[str, Any]) -> APIRouter:
        routes = APIRouter(include_in_schema=False)
        get, post = routes.get, routes.post

        @get("/")
        async def root() -> Response:
            slugs = self.gateway.configuration.slugs()
            return self.to(f"/{slugs[0]}") if len(slugs) == 1 else await self._missing()

        @get("/go/{friendly}")
        async def go(friendly: str) -> Response:
            slug = self.gateway.configuration.friendly(friendly)
            if slug is None:
                raise errors.NotFound
            return self.to(f"/{slug}/account")

        @get("/static/{name}")
        async def static(name: str) -> Response:
            if name not in assets():
                raise errors.NotFound
            content, kind = assets()[name]
            return Response(content, headers={"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable"})

        @get("/static/{app}/{name}")
        async def style(app: Slug, name: str) -> Response:
            brand = _PLAIN.brand if app == _PLAIN.slug else self.application(app).application.brand
            expected, text = brand_style(brand)
            kept = "public, max-age=31536000, immutable" if name == expected else "no-store"
            return Response(text, headers={"Content-Type": "text/css; charset=utf-8", "Cache-Control": kept})

        @get("/problems/{code}")
        async def explain(request: Request, code: str) -> Response:
            found = next((cls for cls in problem_codes() if cls.code == code), None)
            if found is None:
                raise errors.NotFound
            return self.page(request, self.visitor(request), _PLAIN, "problem_code.html", problem=found)

        @get("/v1/docs")
        async def docs(request: Request) -> Response:
            return self.page(request, self.visitor(request), _PLAIN, "api_docs.html", document=described)

        @get("/{app}")
        async def start(app: Slug) -> Response:
            self.application(app)
            return self.to(f"/{app}/account")

        for pages in (SignUpPages, SignInPages, LinkPages, RecoveryPages, AccountPages):
            pages(self.gateway).add_to(routes)

        @get("/{app}/sign-out")
        async def signed_out(request: Request, app: Slug) -> Response:
            return self.instead(request, f"/{app}/account")

        @post("/{app}/sign-out")
        async def sign_out(request: Request, app: Slug) -> Response:
            visitor = self.visitor(request)
            await self.form(request, visitor)
            response = self.to(f"/{app}/sign-in?signed_out=1")
            await self.gateway.sign_out(request, visitor, response)
            return response

        return routes

    async def _missing(self) -> Response:
        raise errors.NotFound
