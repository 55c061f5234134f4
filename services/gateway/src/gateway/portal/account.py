"""The signed-in customer's pages: overview, password (R33, PWD-6, PWD-9)."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from latchkey_contracts.configuration import Application
from servicekit import errors
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.visitor import APP, cookie_name

from .shared import PageTools, Slug, time


class AccountPages(PageTools):
    def add_to(self, routes: APIRouter) -> None:
        @routes.get("/{app}/account")
        async def account(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            had_session = visitor.session_token is not None
            if not await self.signed_in(visitor, app):
                return self.to(f"/{app}/sign-in" + ("?ended=1" if had_session else ""))
            me = await self.gateway.call(request, visitor, "GET", "/v1/me")
            me["password_changed_at"] = time(me["password_changed_at"])
            done = "password" if "password_set" in request.query_params else None
            response = self.page(
                request, visitor, resolved.application, "home.html",
                me=me, website=_website(resolved.application), done=done,
                can_change=resolved.policy.password_change.enabled,
            )  # fmt: skip
            self.gateway.set_cookie(response, APP, app, 365 * 24 * 3600)
            return response

        @routes.get("/{app}/account/security/password")
        async def change(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            if not await self.signed_in(visitor, app):
                return self.to(f"/{app}/sign-in?to=password")
            if not resolved.policy.password_change.enabled:
                raise errors.FeatureDisabled
            return self._change(request, app, 200)

        @routes.post("/{app}/account/security/password")
        async def save(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limit("try", request, visitor)
            if not await self.signed_in(visitor, app):
                return self.to(f"/{app}/sign-in?ended=1")
            page = self.context(request, visitor, resolved.application)
            body: dict[str, Any] = {
                "current_password": fields.get("current_password") or " ",
                "password": fields.get("password") or " ",
                "end_other_sessions": fields.get("end_other_sessions") == "on",
            }
            try:
                if fields.get("password") != fields.get("password_again"):
                    raise errors.ValidationFailed([errors.FieldError("/password_again", "mismatch", "")])
                await self.gateway.call(request, visitor, "PUT", "/v1/me/password", body)
            except errors.ValidationFailed as error:
                found = self.field_errors(page, error, resolved.store.password.min_length)
                return self._change(request, app, 422, found)
            except errors.CredentialsWrong:
                wrong = errors.ValidationFailed([errors.FieldError("/current_password", "current_password_wrong", "")])
                return self._change(request, app, 403, self.field_errors(page, wrong))
            return self.to(f"/{app}/account?password_set=1")

        @routes.get("/.well-known/change-password")
        async def well_known(request: Request) -> Response:
            """PWD-9: of the application this browser last used, else of the only or first one."""
            visitor = self.visitor(request)
            slugs = self.gateway.configuration.slugs()
            last = visitor.cookies.get(cookie_name(APP, secure=self.gateway.settings.secure))
            if not slugs:
                raise errors.NotFound
            return self.to(f"/{last if last in slugs else slugs[0]}/account/security/password")

    def _change(self, request: Request, app: str, status: int, found: dict[str, str] | None = None) -> Response:
        resolved = self.application(app)
        brand = resolved.application.brand
        return self.page(
            request, self.visitor(request), resolved.application, "change_password.html", status,
            errors=found or {}, minimum=resolved.store.password.min_length,
            words=[brand.name, brand.said, app],
        )  # fmt: skip


def _website(application: Application) -> tuple[str, str] | None:
    url = application.brand.links.website
    return (url, urlsplit(url).hostname or url) if url else None
