"""Sign-in: a name, then a password, then whatever is newly required (D3, D32, PWD-7)."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from servicekit import errors
from servicekit.configuration import Resolved
from servicekit.http import request_id
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.visitor import Visitor

from .shared import PageTools, Slug


class SignInPages(PageTools):
    def add_to(self, routes: APIRouter) -> None:
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
            await self.gateway.limit("start", request, visitor)
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
            await self.gateway.limit("try", request, visitor)
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
            except errors.TooManyRequests as error:
                return self._wait(request, visitor, resolved, typed, error)
            except (errors.FlowEnded, errors.NotFound):
                return self._sign_in(request, visitor, resolved, values={"identifier": typed}, notice="attempt_over", status=410)
            return await self._signed_in(request, visitor, resolved, answer)

        @routes.get("/{app}/sign-in/{flow}/{step}")  # noqa: FAST003 - whichever it was
        async def begin_again(request: Request, app: Slug) -> Response:
            return self.instead(request, f"/{app}/sign-in")

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
        )

    def _wait(
        self, request: Request, visitor: Visitor, resolved: Resolved, typed: str, error: errors.TooManyRequests
    ) -> Response:
        """Whoever no longer knows the password needn't wait for the next try (BRF-1): a reset forgets the wrong ones."""
        seconds = error.extra["retry_after_seconds"]
        response = self.page(
            request, visitor, resolved.application, "password_wait.html", error.status,
            error=error, seconds=seconds, reference=request_id(request.scope),
            plain=False, typed=typed,
        )  # fmt: skip
        response.headers["Retry-After"] = str(seconds)
        return response

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


def _carried(request: Request) -> str:
    """Where the customer wanted to go, kept over the steps of a sign-in."""
    kept = {name: request.query_params[name] for name in ("return_to", "to") if name in request.query_params}
    return urlencode(kept)
