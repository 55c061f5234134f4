"""The hosted pages (api.md §4): each reads a form, makes the same call as the API, and shows a page. No logic of their own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Path
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.common import Line
from pydantic import TypeAdapter, ValidationError
from servicekit import errors
from servicekit.configuration import Resolved
from servicekit.errors import ServiceError
from servicekit.http import request_id
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.openapi import problem_codes
from gateway.api.service import Gateway
from gateway.web import csrf
from gateway.web.visitor import LANGUAGE, LINK, Visitor, cookie_name

from . import i18n
from .render import PageContext, assets, brand_style, render
from .words import LABELS, field_message

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
LINK_SECONDS = 600
_LINE: TypeAdapter[str] = TypeAdapter(Line)
# Pages that belong to nobody's application.
_PLAIN = Application(
    slug="latchkey", brand=Brand(name="Latchkey", brand="#0b3d45", accent="#0d5c66"), languages=["en", "ar", "de", "es", "fr"]
)


class Pages:
    def __init__(self, gateway: Gateway) -> None:
        self._g = gateway

    # --- what pages share ------------------------------------------------------------------------------------------------

    def _application(self, slug: str) -> Resolved:
        return self._g.configuration.application(slug)

    def _context(self, request: Request, visitor: Visitor, application: Application) -> PageContext:
        chosen = request.query_params.get("ui_locales") or visitor.cookies.get(
            cookie_name(LANGUAGE, secure=self._g.settings.secure)
        )
        language = i18n.negotiate(application, chosen=chosen, accept=request.headers.get("accept-language"))
        visitor.language = language
        return PageContext(
            application=application,
            language=language,
            nonce=request.scope.get("latchkey.nonce", ""),
            path=request.url.path,
            csrf=csrf.form_token(self._g.keys.secret("csrf"), visitor),
            now=self._g.clock.now(),
            signed_in=visitor.session is not None,
        )

    def _page(
        self, request: Request, visitor: Visitor, application: Application, template: str, status: int = 200, **values: Any
    ) -> Response:
        """Every page leaves the visitor with a flow cookie, so that its form has something to be bound to."""
        self._g.ensure_flow(request, visitor)
        response = HTMLResponse(render(template, self._context(request, visitor, application), **values), status)
        self._g.set_flow_cookie(response, visitor)
        if (asked := request.query_params.get("ui_locales")) in i18n.available():
            self._g.set_cookie(response, LANGUAGE, str(asked), 365 * 24 * 3600)
        return response

    @staticmethod
    def _visitor(request: Request) -> Visitor:
        found: Visitor = request.scope["latchkey.visitor"]
        return found

    async def _form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        """The fields of a form of ours; raises CrossSiteRequest for anybody else's."""
        form = await request.form(max_fields=60, max_files=0)
        fields: dict[str, str] = {}
        for name, value in form.multi_items():
            if name in fields or not isinstance(value, str):
                raise errors.MalformedRequest("A field is given twice")
            if "\x00" in value or any(0xD800 <= ord(one) < 0xE000 for one in value):
                raise errors.MalformedRequest("A field can't be read")
            fields[name] = value
        csrf.check_form(self._g.keys.secret("csrf"), visitor, fields.pop("csrf", None))
        return fields

    def _errors(self, page: PageContext, error: errors.ValidationFailed, minimum: int = 15) -> dict[str, str]:
        """{form field: message}, in the page's language."""
        gettext = i18n.catalogue(page.language).gettext
        found: dict[str, str] = {}
        for one in error.extra["errors"]:
            name = one["field"].split("/")[-1] if not one["field"].startswith("/consents") else "consents"
            found.setdefault(name, field_message(gettext, one, minimum))
        return found

    @staticmethod
    def _to(url: str) -> Response:
        return RedirectResponse(url, 303)

    # --- problems --------------------------------------------------------------------------------------------------------

    def problem(self, request: Request, error: ServiceError) -> Response:
        """Every error has a page with a way on."""
        visitor: Visitor | None = request.scope.get("latchkey.visitor")
        slug = request.url.path.split("/")[1] if request.url.path.count("/") else ""
        try:
            application = self._application(slug).application
        except errors.NotFound:
            application = _PLAIN
        if visitor is None:
            return HTMLResponse(error.title, error.status)
        seconds = error.extra.get("retry_after_seconds")
        template = {403: "forbidden.html", 404: "not_found.html", 429: "too_many.html", 503: "busy.html"}.get(
            error.status, "problem.html"
        )
        response = self._page(
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
            slugs = self._g.configuration.slugs()
            return self._to(f"/{slugs[0]}") if len(slugs) == 1 else await self._missing()

        @get("/go/{friendly}")
        async def go(friendly: str) -> Response:
            slug = self._g.configuration.friendly(friendly)
            if slug is None:
                raise errors.NotFound
            return self._to(f"/{slug}/account")

        @get("/static/{name}")
        async def static(name: str) -> Response:
            if name not in assets():
                raise errors.NotFound
            content, kind = assets()[name]
            return Response(content, headers={"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable"})

        @get("/static/{app}/{name}")
        async def style(app: Slug, name: str) -> Response:
            brand = _PLAIN.brand if app == _PLAIN.slug else self._application(app).application.brand
            expected, text = brand_style(brand)
            kept = "public, max-age=31536000, immutable" if name == expected else "no-store"
            return Response(text, headers={"Content-Type": "text/css; charset=utf-8", "Cache-Control": kept})

        @get("/problems/{code}")
        async def explain(request: Request, code: str) -> Response:
            found = next((cls for cls in problem_codes() if cls.code == code), None)
            if found is None:
                raise errors.NotFound
            return self._page(request, self._visitor(request), _PLAIN, "problem_code.html", problem=found)

        @get("/v1/docs")
        async def docs(request: Request) -> Response:
            return self._page(request, self._visitor(request), _PLAIN, "api_docs.html", document=described)

        @get("/{app}")
        async def start(app: Slug) -> Response:
            self._application(app)
            return self._to(f"/{app}/account")

        @get("/{app}/help")
        async def help_page(request: Request, app: Slug) -> Response:
            return self._page(request, self._visitor(request), self._application(app).application, "help.html")

        self._sign_up_routes(routes)
        self._sign_in_routes(routes)
        self._link_routes(routes)

        @get("/{app}/account")
        async def account(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            had_session = visitor.session_token is not None
            await self._g.with_session(visitor)
            if visitor.session is None or visitor.session.application != app:
                return self._to(f"/{app}/sign-in" + ("?ended=1" if had_session else ""))
            me = await self._g.call(request, visitor, "GET", "/v1/me")
            me["password_changed_at"] = _time(me["password_changed_at"])
            return self._page(request, visitor, resolved.application, "home.html", me=me, website=_website(resolved.application))

        @post("/{app}/sign-out")
        async def sign_out(request: Request, app: Slug) -> Response:
            visitor = self._visitor(request)
            await self._form(request, visitor)
            response = self._to(f"/{app}/sign-in?signed_out=1")
            await self._g.sign_out(request, visitor, response)
            return response

        return routes

    async def _missing(self) -> Response:
        raise errors.NotFound

    # --- sign-up, check your mail ----------------------------------------------------------------------------------------

    def _sign_up_routes(self, routes: APIRouter) -> None:
        @routes.get("/{app}/sign-up")
        async def sign_up(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            return await self._sign_up(request, visitor, resolved)

        @routes.post("/{app}/sign-up")
        async def register(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            await self._g.limits.check("start", visitor.ip)
            page = self._context(request, visitor, resolved.application)
            description = await self._g.call(request, visitor, "GET", f"/v1/apps/{app}")
            body = _registration(description, fields, page.language)
            try:
                _check_lines(body)
                flow = await self._g.call(request, visitor, "POST", f"/v1/apps/{app}/registrations", body)
            except errors.ValidationFailed as error:
                found = self._errors(page, error, resolved.store.password.min_length)
                return await self._sign_up(request, visitor, resolved, values=fields, found=found)
            except errors.UsernameTaken:
                found = self._errors(page, errors.ValidationFailed([errors.FieldError("/username", "username_taken", "")]))
                return await self._sign_up(request, visitor, resolved, values=fields, found=found)
            if flow["status"] == "complete":
                response = self._to(f"/{app}/account")
                await self._g.finish(visitor, flow, response)
                return response
            return self._to(f"/{app}/check-messages?flow={flow['id']}")

        @routes.get("/{app}/check-messages")
        async def check_messages(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            return await self._check_messages(request, visitor, resolved, flow)

        @routes.post("/{app}/check-messages")
        async def code(request: Request, app: Slug, flow: UUID) -> Response:
            """The code from the mail, "send again", or the password that a renewed activation needs; by the button pressed."""
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            await self._g.limits.check("try", visitor.ip)
            path = f"/v1/apps/{app}/registrations/{flow}"
            page = self._context(request, visitor, resolved.application)
            try:
                if "resend" in fields:
                    await self._g.call(request, visitor, "POST", f"{path}/resend", {})
                    return self._to(f"/{app}/check-messages?flow={flow}&sent=1")
                if "password" in fields:
                    if fields["password"] != fields.get("password_again", ""):
                        raise errors.ValidationFailed([errors.FieldError("/password_again", "mismatch", "")])
                    await self._g.call(request, visitor, "POST", f"{path}/password", {"password": fields["password"] or " "})
                elif fields.get("code", "").strip():
                    await self._g.call(request, visitor, "POST", f"{path}/code", {"code": fields["code"].strip()[:32]})
                return self._to(f"/{app}/check-messages?flow={flow}")
            except errors.ValidationFailed as error:
                found = self._errors(page, error, resolved.store.password.min_length)
                return await self._check_messages(request, visitor, resolved, flow, found=found)
            except (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.TooManyRequests) as error:
                return await self._check_messages(request, visitor, resolved, flow, problem=error)

    async def _sign_up(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        *,
        values: Mapping[str, str] | None = None,
        found: Mapping[str, str] | None = None,
    ) -> Response:
        page = self._context(request, visitor, resolved.application)
        description = await self._g.call(request, visitor, "GET", f"/v1/apps/{resolved.application.slug}")
        kept = {name: value for name, value in (values or {}).items() if name != "password"}
        gettext = i18n.catalogue(page.language).gettext
        labels = {kind: gettext(text) for kind, text in LABELS.items()}
        template = "sign_up.html" if resolved.policy.registration.enabled else "sign_up_closed.html"
        return self._page(
            request, visitor, resolved.application, template, 422 if found else 200,
            description=description, labels=labels, values=kept, errors=found or {},
        )  # fmt: skip

    async def _check_messages(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        flow_id: UUID,
        *,
        problem: ServiceError | None = None,
        found: Mapping[str, str] | None = None,
    ) -> Response:
        app = resolved.application.slug
        if visitor.flow_token is None:
            raise errors.NotFound
        flow = await self._g.call(request, visitor, "GET", f"/v1/apps/{app}/registrations/{flow_id}")
        if flow["status"] == "activated":
            return self._page(request, visitor, resolved.application, "activated.html")
        status = problem.status if problem is not None else (422 if found else 200)
        if flow["status"] == "password":
            return self._page(
                request, visitor, resolved.application, "choose_password.html", status,
                flow=flow, errors=found or {}, minimum=resolved.store.password.min_length,
            )  # fmt: skip
        flow = await self._g.finish(visitor, flow)
        if flow["status"] != "check_your_messages":
            return self._page(request, visitor, resolved.application, "registration_ended.html", 410)
        flow["delivery"]["at"] = _time(flow["delivery"]["at"])
        flow["resend"]["available_at"] = _time(flow["resend"]["available_at"])
        now = self._g.clock.now()
        response = self._page(
            request, visitor, resolved.application, "check_mail.html", status,
            flow=flow,
            problem=problem,
            sent="sent" in request.query_params,
            ago=max(int((now - flow["delivery"]["at"]).total_seconds()), 0),
            wait=flow["resend"]["retry_after_seconds"],
            spacing=int(resolved.policy.resend.spacing.total_seconds()),
        )  # fmt: skip
        if isinstance(problem, errors.TooManyRequests):
            response.headers["Retry-After"] = str(max(flow["resend"]["retry_after_seconds"], 1))
        return response

    # --- sign-in ---------------------------------------------------------------------------------------------------------

    def _sign_in_routes(self, routes: APIRouter) -> None:
        @routes.get("/{app}/sign-in")
        async def sign_in(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            await self._g.with_session(visitor)
            if visitor.session is not None and visitor.session.application == app:
                return self._to(f"/{app}/account")
            notice = next((name for name in ("signed_out", "ended") if name in request.query_params), None)
            return self._sign_in(request, visitor, resolved, notice=notice)

        @routes.post("/{app}/sign-in")
        async def name(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            await self._g.limits.check("start", visitor.ip)
            typed = fields.get("identifier", "").strip()
            page = self._context(request, visitor, resolved.application)
            body: dict[str, Any] = {"identifier": typed}
            if request.query_params.get("return_to"):
                body["return_to"] = request.query_params["return_to"]
            try:
                if not typed:
                    raise errors.ValidationFailed([errors.FieldError("/identifier", "required", "")])
                flow = await self._g.call(request, visitor, "POST", f"/v1/apps/{app}/sign-ins", body)
            except errors.ValidationFailed as error:
                return self._sign_in(request, visitor, resolved, values=fields, found=self._errors(page, error))
            return self._password(request, visitor, resolved, flow["id"], typed)

        @routes.post("/{app}/sign-in/{flow}/password")
        async def password(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            await self._g.limits.check("try", visitor.ip)
            await self._g.with_session(visitor)
            typed = fields.get("identifier", "")
            body = {"password": fields.get("password") or " ", "remember_me": fields.get("remember_me") == "on"}
            path = f"/v1/apps/{app}/sign-ins/{flow}"
            try:
                answer = await self._g.call(request, visitor, "POST", f"{path}/password", body)
            except (errors.CredentialsWrong, errors.ValidationFailed):
                # The third wrong one has ended the attempt: what comes next is a new one, with the same name.
                state = await self._g.call(request, visitor, "GET", path)
                if state["status"] != "password":
                    fresh = await self._g.call(
                        request, visitor, "POST", f"/v1/apps/{app}/sign-ins", {"identifier": typed.strip() or " "}
                    )
                    flow = UUID(fresh["id"])
                return self._password(request, visitor, resolved, str(flow), typed, wrong=True)
            except (errors.FlowEnded, errors.NotFound):
                return self._sign_in(request, visitor, resolved, values={"identifier": typed}, notice="attempt_over", status=410)
            return await self._signed_in(request, visitor, resolved, answer)

        @routes.post("/{app}/sign-in/{flow}/action")
        async def action(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            page = self._context(request, visitor, resolved.application)
            body = {"username": fields.get("username", "").strip() or " "}
            try:
                answer = await self._g.call(request, visitor, "POST", f"/v1/apps/{app}/sign-ins/{flow}/action", body)
            except errors.ValidationFailed as error:
                found = self._errors(page, error)
                return self._page(
                    request,
                    visitor,
                    resolved.application,
                    "choose_username.html",
                    422,
                    flow=str(flow),
                    errors=found,
                    values=fields,
                )
            return await self._signed_in(request, visitor, resolved, answer)

    def _sign_in(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        *,
        values: Mapping[str, str] | None = None,
        found: Mapping[str, str] | None = None,
        notice: str | None = None,
        status: int = 200,
    ) -> Response:
        kinds = list(resolved.store.used())
        return self._page(
            request, visitor, resolved.application, "sign_in.html", 422 if found else status,
            kinds=kinds, values=values or {}, errors=found or {}, notice=notice,
            registration=resolved.policy.registration.enabled, query=request.url.query if "return_to" in request.query_params else "",
        )  # fmt: skip

    def _password(
        self, request: Request, visitor: Visitor, resolved: Resolved, flow: str, typed: str, *, wrong: bool = False
    ) -> Response:
        days = resolved.policy.session.remember_me.days
        return self._page(
            request,
            visitor,
            resolved.application,
            "password.html",
            403 if wrong else 200,
            flow=flow,
            typed=typed,
            wrong=wrong,
            days=days,
        )

    async def _signed_in(self, request: Request, visitor: Visitor, resolved: Resolved, flow: dict[str, Any]) -> Response:
        if flow["status"] == "needs_action":
            return self._page(request, visitor, resolved.application, "choose_username.html", flow=flow["id"])
        response = self._to(flow.get("return_to") or f"/{resolved.application.slug}/account")
        await self._g.finish(visitor, flow, response)
        return response

    # --- links -----------------------------------------------------------------------------------------------------------

    def _link_routes(self, routes: APIRouter) -> None:
        @routes.get("/{app}/l/{token}")
        async def open_link(app: Slug, token: str) -> Response:
            """Reading, not consuming: the token moves from the address into a short-lived cookie (LNK-8)."""
            self._application(app)
            response = self._to(f"/{app}/l")
            self._g.set_cookie(response, LINK, token[:200] if token.isascii() and token.isprintable() else "-", LINK_SECONDS)
            return response

        @routes.get("/{app}/l")
        async def landing(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            return await self._landing(request, visitor, resolved)

        @routes.post("/{app}/l")
        async def press(request: Request, app: Slug) -> Response:
            resolved, visitor = self._application(app), self._visitor(request)
            fields = await self._form(request, visitor)
            await self._g.limits.check("try", visitor.ip)
            token = self._token(visitor)
            body: dict[str, Any] = {"token": token}
            if "match" in fields:
                digits = "".join(one for one in fields["match"] if one.isdigit())
                if len(digits) != 2:
                    return await self._landing(request, visitor, resolved, problem="two_digits")
                body["match"] = digits
            elif "password" in fields:
                body["password"] = fields["password"] or " "
            try:
                answer = await self._g.call(request, visitor, "POST", f"/v1/apps/{app}/links/confirm", body)
            except errors.MatchWrong:
                return self._page(request, visitor, resolved.application, "link_wrong.html", 403)
            except errors.CredentialsWrong as error:
                return await self._landing(request, visitor, resolved, problem="password", tries=error.extra.get("tries_left"))
            except errors.LinkOtherBrowser:
                return await self._landing(request, visitor, resolved)
            except (errors.LinkUsed, errors.LinkExpired, errors.LinkSuperseded, errors.LinkEnded, errors.LinkMalformed):
                return await self._landing(request, visitor, resolved)
            if answer.get("state") == "confirmed_elsewhere":
                return self._page(request, visitor, resolved.application, "link_done.html")
            if answer["status"] == "password":
                return self._to(f"/{app}/check-messages?flow={answer['id']}")
            return self._page(request, visitor, resolved.application, "activated.html")

        @routes.post("/{app}/l/renew")
        async def renew(request: Request, app: Slug) -> Response:
            visitor = self._visitor(request)
            await self._form(request, visitor)
            await self._g.limits.check("start", visitor.ip)
            flow = await self._g.call(request, visitor, "POST", f"/v1/apps/{app}/links/renew", {"token": self._token(visitor)})
            return self._to(f"/{app}/check-messages?flow={flow['id']}")

    def _token(self, visitor: Visitor) -> str:
        return visitor.cookies.get(cookie_name(LINK, secure=self._g.settings.secure)) or "-"

    async def _landing(
        self, request: Request, visitor: Visitor, resolved: Resolved, *, problem: str | None = None, tries: int | None = None
    ) -> Response:
        """One page per state, each with a next step (E4); a signed-in browser must choose first (LNK-4)."""
        app = resolved.application
        await self._g.with_session(visitor)
        info = await self._g.call(request, visitor, "POST", f"/v1/apps/{app.slug}/links/inspect", {"token": self._token(visitor)})
        for name in ("requested_at", "expires_at", "used_at", "superseded_at"):
            info[name] = _time(info[name])
        state = info["state"]
        if state in {"valid", "other_browser"} and visitor.session is not None:
            return self._page(request, visitor, app, "link_signed_in.html", info=info)
        template = {
            "valid": "activate.html",
            "other_browser": "link_elsewhere.html",
            "expired": "link_expired.html",
            "used": "link_used.html",
            "superseded": "link_superseded.html",
            "ended": "link_ended.html",
        }.get(state, "link_incomplete.html")
        status = 200 if state in {"valid", "other_browser"} else (404 if state == "malformed" else 410)
        if problem:
            status = 422
        return self._page(request, visitor, app, template, status, info=info, problem=problem, tries=tries)


def _registration(description: dict[str, Any], fields: Mapping[str, str], language: str) -> dict[str, Any]:
    """The JSON of the API, from the fields of the form."""
    identifiers = {
        one["kind"]: fields[one["kind"]].strip() for one in description["identifiers"] if fields.get(one["kind"], "").strip()
    }
    profile = {
        one["name"]: fields[one["name"]].strip() for one in description["attributes"] if fields.get(one["name"], "").strip()
    }
    consents = [
        {"id": one["id"], "version": one["version"], "given": fields.get(f"consent.{one['id']}") == "on"}
        for one in description["consents"]
    ]
    body: dict[str, Any] = {"identifiers": identifiers, "profile": profile, "consents": consents, "language": language}
    if fields.get("password"):
        body["password"] = fields["password"]
    return body


def _check_lines(body: dict[str, Any]) -> None:
    """The same bounds that the API's models have, told next to the field."""
    found = []
    for name, value in body["identifiers"].items():
        try:
            _LINE.validate_python(value)
        except ValidationError:
            found.append(errors.FieldError(f"/identifiers/{name}", "not_this_form", ""))
    if len(body.get("password", "")) > 1024:
        found.append(errors.FieldError("/password", "password_too_long", ""))
    if found:
        raise errors.ValidationFailed(found)


def _time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value is not None else None


def _website(application: Application) -> tuple[str, str] | None:
    url = application.brand.links.website
    return (url, urlsplit(url).hostname or url) if url else None
