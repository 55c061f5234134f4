"""The hosted pages (api.md §4): each reads a form, makes the same call as the API, and shows a page. No logic of their own."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.common import Line
from pydantic import TypeAdapter, ValidationError
from servicekit import errors
from servicekit.configuration import Resolved
from servicekit.errors import ServiceError
from servicekit.http import request_id
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.api.openapi import problem_codes
from gateway.web.visitor import Visitor

from . import i18n
from .account import AccountPages
from .links import LinkPages
from .recovery import RecoveryPages
from .render import assets, brand_style
from .shared import PageTools, Slug, time
from .words import LABELS

_LINE: TypeAdapter[str] = TypeAdapter(Line)
# Pages that belong to nobody's application.
_PLAIN = Application(
    slug="latchkey", brand=Brand(name="Latchkey", brand="#0b3d45", accent="#0d5c66"), languages=["en", "ar", "de", "es", "fr"]
)


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
        template = {403: "forbidden.html", 404: "not_found.html", 429: "too_many.html", 503: "busy.html"}.get(
            error.status, "problem.html"
        )
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

        self._sign_up_routes(routes)
        self._sign_in_routes(routes)
        for pages in (LinkPages, RecoveryPages, AccountPages):
            pages(self.gateway).add_to(routes)

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

    # --- sign-up, check your mail ----------------------------------------------------------------------------------------

    def _sign_up_routes(self, routes: APIRouter) -> None:
        @routes.get("/{app}/sign-up")
        async def sign_up(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            return await self._sign_up(request, visitor, resolved)

        @routes.post("/{app}/sign-up")
        async def register(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limits.check("start", visitor.ip)
            page = self.context(request, visitor, resolved.application)
            description = await self.gateway.call(request, visitor, "GET", f"/v1/apps/{app}")
            body = _registration(description, fields, page.language)
            try:
                _check_lines(body)
                flow = await self.gateway.call(request, visitor, "POST", f"/v1/apps/{app}/registrations", body)
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error, resolved.store.password.min_length)
                return await self._sign_up(request, visitor, resolved, values=fields, found=found)
            except errors.UsernameTaken:
                found = self.field_errors(page, errors.ValidationFailed([errors.FieldError("/username", "username_taken", "")]))
                return await self._sign_up(request, visitor, resolved, values=fields, found=found)
            if flow["status"] == "complete":
                response = self.to(f"/{app}/account")
                await self.gateway.finish(visitor, flow, response)
                return response
            return self.to(f"/{app}/check-messages?flow={flow['id']}")

        @routes.get("/{app}/check-messages")
        async def check_messages(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            return await self._check_messages(request, visitor, resolved, flow)

        @routes.post("/{app}/check-messages")
        async def code(request: Request, app: Slug, flow: UUID) -> Response:
            """The code from the mail, "send again", or the password that a renewed activation needs; by the button pressed."""
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limits.check("try", visitor.ip)
            path = f"/v1/apps/{app}/registrations/{flow}"
            page = self.context(request, visitor, resolved.application)
            try:
                if "resend" in fields:
                    await self.gateway.call(request, visitor, "POST", f"{path}/resend", {})
                    return self.to(f"/{app}/check-messages?flow={flow}&sent=1")
                if "password" in fields:
                    if fields["password"] != fields.get("password_again", ""):
                        raise errors.ValidationFailed([errors.FieldError("/password_again", "mismatch", "")])
                    await self.gateway.call(request, visitor, "POST", f"{path}/password", {"password": fields["password"] or " "})
                elif fields.get("code", "").strip():
                    await self.gateway.call(request, visitor, "POST", f"{path}/code", {"code": fields["code"].strip()[:32]})
                return self.to(f"/{app}/check-messages?flow={flow}")
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error, resolved.store.password.min_length)
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
        page = self.context(request, visitor, resolved.application)
        description = await self.gateway.call(request, visitor, "GET", f"/v1/apps/{resolved.application.slug}")
        kept = {name: value for name, value in (values or {}).items() if name != "password"}
        gettext = i18n.catalogue(page.language).gettext
        labels = {kind: gettext(text) for kind, text in LABELS.items()}
        template = "sign_up.html" if resolved.policy.registration.enabled else "sign_up_closed.html"
        return self.page(
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
        flow = await self.gateway.call(request, visitor, "GET", f"/v1/apps/{app}/registrations/{flow_id}")
        if flow["status"] == "activated":
            return self.page(request, visitor, resolved.application, "activated.html")
        status = problem.status if problem is not None else (422 if found else 200)
        if flow["status"] == "password":
            return self.page(
                request, visitor, resolved.application, "choose_password.html", status,
                flow=flow, errors=found or {}, minimum=resolved.store.password.min_length,
            )  # fmt: skip
        flow = await self.gateway.finish(visitor, flow)
        if flow["status"] != "check_your_messages":
            return self.page(request, visitor, resolved.application, "registration_ended.html", 410)
        flow["delivery"]["at"] = time(flow["delivery"]["at"])
        flow["resend"]["available_at"] = time(flow["resend"]["available_at"])
        now = self.gateway.clock.now()
        response = self.page(
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
            resolved, visitor = self.application(app), self.visitor(request)
            await self.gateway.with_session(visitor)
            if visitor.session is not None and visitor.session.application == app:
                return self.to(f"/{app}/account")
            notice = next((name for name in ("signed_out", "ended") if name in request.query_params), None)
            return self._sign_in(request, visitor, resolved, notice=notice)

        @routes.post("/{app}/sign-in")
        async def name(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limits.check("start", visitor.ip)
            typed = fields.get("identifier", "").strip()
            page = self.context(request, visitor, resolved.application)
            body: dict[str, Any] = {"identifier": typed}
            if request.query_params.get("return_to"):
                body["return_to"] = request.query_params["return_to"]
            try:
                if not typed:
                    raise errors.ValidationFailed([errors.FieldError("/identifier", "required", "")])
                flow = await self.gateway.call(request, visitor, "POST", f"/v1/apps/{app}/sign-ins", body)
            except errors.ValidationFailed as error:
                return self._sign_in(request, visitor, resolved, values=fields, found=self.field_errors(page, error))
            return self._password(request, visitor, resolved, flow["id"], typed)

        @routes.post("/{app}/sign-in/{flow}/password")
        async def password(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limits.check("try", visitor.ip)
            await self.gateway.with_session(visitor)
            typed = fields.get("identifier", "")
            body = {"password": fields.get("password") or " ", "remember_me": fields.get("remember_me") == "on"}
            path = f"/v1/apps/{app}/sign-ins/{flow}"
            try:
                answer = await self.gateway.call(request, visitor, "POST", f"{path}/password", body)
            except (errors.CredentialsWrong, errors.ValidationFailed):
                # The third wrong one has ended the attempt: what comes next is a new one, with the same name.
                state = await self.gateway.call(request, visitor, "GET", path)
                if state["status"] != "password":
                    fresh = await self.gateway.call(
                        request, visitor, "POST", f"/v1/apps/{app}/sign-ins", {"identifier": typed.strip() or " "}
                    )
                    flow = UUID(fresh["id"])
                return self._password(request, visitor, resolved, str(flow), typed, wrong=True)
            except (errors.FlowEnded, errors.NotFound):
                return self._sign_in(request, visitor, resolved, values={"identifier": typed}, notice="attempt_over", status=410)
            return await self._signed_in(request, visitor, resolved, answer)

        @routes.post("/{app}/sign-in/{flow}/action")
        async def action(request: Request, app: Slug, flow: UUID) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            page = self.context(request, visitor, resolved.application)
            asked = "password" if "password" in fields else "username"
            try:
                if asked == "password" and fields["password"] != fields.get("password_again", ""):
                    raise errors.ValidationFailed([errors.FieldError("/password_again", "mismatch", "")])
                body = {asked: fields.get(asked, "").strip() or " "} if asked == "username" else {asked: fields[asked] or " "}
                answer = await self.gateway.call(request, visitor, "POST", f"/v1/apps/{app}/sign-ins/{flow}/action", body)
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error, resolved.store.password.min_length)
                return self._action(request, visitor, resolved, [asked], flow, found=found, values=fields)
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
        return self.page(
            request, visitor, resolved.application, "sign_in.html", 422 if found else status,
            kinds=kinds, values=values or {}, errors=found or {}, notice=notice,
            registration=resolved.policy.registration.enabled, query=_carried(request),
        )  # fmt: skip

    def _password(
        self, request: Request, visitor: Visitor, resolved: Resolved, flow: str, typed: str, *, wrong: bool = False
    ) -> Response:
        days = resolved.policy.session.remember_me.days
        return self.page(
            request,
            visitor,
            resolved.application,
            "password.html",
            403 if wrong else 200,
            flow=flow,
            typed=typed,
            wrong=wrong,
            days=days,
            query=_carried(request),
            can_reset=resolved.policy.password_reset.enabled,
        )

    def _action(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        actions: list[str],
        flow: UUID,
        *,
        found: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Response:
        """What is newly required before the first session (D32, PWD-7); one at a time."""
        brand = resolved.application.brand
        template = "forced_password.html" if "password" in actions else "choose_username.html"
        return self.page(
            request, visitor, resolved.application, template, 422 if found else 200,
            flow=str(flow), errors=found or {}, values=values or {}, minimum=resolved.store.password.min_length,
            words=[brand.name, brand.said, resolved.application.slug],
        )  # fmt: skip

    async def _signed_in(self, request: Request, visitor: Visitor, resolved: Resolved, flow: dict[str, Any]) -> Response:
        app = resolved.application
        if flow["status"] == "needs_action":
            return self._action(request, visitor, resolved, flow["actions"], UUID(flow["id"]))
        home = f"/{app.slug}/account" + ("/security/password" if request.query_params.get("to") == "password" else "")
        response = self.to(flow.get("return_to") or home)
        await self.gateway.finish(visitor, flow, response)
        return response


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


def _carried(request: Request) -> str:
    """Where the customer wanted to go, kept over the steps of a sign-in."""
    kept = {name: request.query_params[name] for name in ("return_to", "to") if name in request.query_params}
    return urlencode(kept)


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
