"""Sign-up, "check your mail" and what follows from it (R2-R8, looks signup, checkmail)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.common import Line
from pydantic import TypeAdapter, ValidationError
from servicekit import errors
from servicekit.configuration import Resolved
from servicekit.errors import ServiceError
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.visitor import Visitor

from . import i18n
from .shared import PageTools, Slug, time
from .words import LABELS

_LINE: TypeAdapter[str] = TypeAdapter(Line)


class SignUpPages(PageTools):
    def add_to(self, routes: APIRouter) -> None:
        @routes.get("/{app}/sign-up")
        async def sign_up(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            return await self._sign_up(request, visitor, resolved)

        @routes.post("/{app}/sign-up")
        async def register(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limit("start", request, visitor)
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
            await self.gateway.limit("try", request, visitor)
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
            except (errors.FlowEnded, errors.NotFound):
                return await self._check_messages(request, visitor, resolved, flow)

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
            return self.elsewhere(request, visitor, resolved.application, "sign-up")
        try:
            flow = await self.gateway.call(request, visitor, "GET", f"/v1/apps/{app}/registrations/{flow_id}")
        except errors.NotFound:
            return self.elsewhere(request, visitor, resolved.application, "sign-up")
        if flow["status"] == "activated":
            return self.page(
                request, visitor, resolved.application, "activated.html", by_phone=flow["delivery"]["channel"] != "email"
            )
        status = problem.status if problem is not None else (422 if found else 200)
        if flow["status"] == "password":
            return self.page(
                request, visitor, resolved.application, "choose_password.html", status,
                flow=flow, errors=found or {}, minimum=resolved.store.password.min_length,
            )  # fmt: skip
        flow = await self.gateway.finish(visitor, flow)
        if flow["status"] != "check_your_messages":
            return self.page(request, visitor, resolved.application, "registration_ended.html", 410, problem=problem)
        flow["delivery"]["at"] = time(flow["delivery"]["at"])
        flow["resend"]["available_at"] = time(flow["resend"]["available_at"])
        now, by_mail = self.gateway.clock.now(), flow["resend"]["channels"] == ["email"]
        response = self.page(
            request, visitor, resolved.application, "check_mail.html" if by_mail else "check_phone.html", status,
            flow=flow,
            problem=problem,
            sent="sent" in request.query_params,
            ago=max(int((now - flow["delivery"]["at"]).total_seconds()), 0),
            wait=flow["resend"]["retry_after_seconds"],
            spacing=int(resolved.policy.resend.spacing.total_seconds()),
            code_minutes=int(resolved.policy.registration.passcode_lifetime.total_seconds() // 60),
        )  # fmt: skip
        if isinstance(problem, errors.TooManyRequests):
            response.headers["Retry-After"] = str(max(flow["resend"]["retry_after_seconds"], 1))
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
