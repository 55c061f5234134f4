"""The page behind a link: looking consumes nothing, one press does (LNK-1, 2, 4, 8, E4)."""

import math
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from servicekit import errors
from servicekit.configuration import Resolved
from starlette.requests import Request
from starlette.responses import Response

from gateway.web.visitor import LINK, Visitor, cookie_name

from .shared import PageTools, Slug, time

LINK_SECONDS = 600
# By purpose: the page with the one button.
_PRESS = {
    "activation": "activate.html",
    "password_reset": "reset_press.html",
    "freeze": "freeze.html",
    "recovery_cancel": "stop_recovery.html",
}
_STATES = {
    "other_browser": "link_elsewhere.html",
    "expired": "link_expired.html",
    "used": "link_used.html",
    "superseded": "link_superseded.html",
    "ended": "link_ended.html",
}
# Links of which a fresh one can be sent to the same address (R19).
_RENEWED = {"activation", "password_reset"}
_STATE_ERRORS = (
    errors.LinkOtherBrowser,
    errors.LinkUsed,
    errors.LinkExpired,
    errors.LinkSuperseded,
    errors.LinkEnded,
    errors.LinkMalformed,
)


class LinkPages(PageTools):
    def add_to(self, routes: APIRouter) -> None:
        @routes.get("/{app}/l/renew")
        async def renewed(request: Request, app: Slug) -> Response:
            return self.instead(request, f"/{app}/l")

        @routes.get("/{app}/l/{token}")
        async def open_link(app: Slug, token: str) -> Response:
            """Reading, not consuming: the token moves from the address into a short-lived cookie (LNK-8)."""
            self.application(app)
            response = self.to(f"/{app}/l")
            kept = token[:200] if token.isascii() and token.isprintable() else "-"
            self.gateway.set_cookie(response, LINK, kept, LINK_SECONDS)
            return response

        @routes.get("/{app}/l")
        async def landing(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            return await self._landing(request, visitor, resolved)

        @routes.post("/{app}/l")
        async def press(request: Request, app: Slug) -> Response:
            resolved, visitor = self.application(app), self.visitor(request)
            fields = await self.form(request, visitor)
            await self.gateway.limit("try", request, visitor)
            body: dict[str, Any] = {"token": self._token(visitor)}
            if "match" in fields:
                digits = "".join(one for one in fields["match"] if one.isdigit())
                if len(digits) != 2:
                    return await self._landing(request, visitor, resolved, problem="two_digits")
                body["match"] = digits
            elif "password" in fields:
                body["password"] = fields["password"] or " "
            try:
                answer = await self.gateway.call_link(request, visitor, f"/v1/apps/{app}/links/confirm", body)
            except errors.MatchWrong:
                return self.page(request, visitor, resolved.application, "link_wrong.html", 403)
            except errors.CredentialsWrong as error:
                return await self._landing(request, visitor, resolved, problem="password", tries=error.extra.get("tries_left"))
            except _STATE_ERRORS:
                return await self._landing(request, visitor, resolved)
            return self._pressed(request, visitor, resolved, answer)

        @routes.post("/{app}/l/renew")
        async def renew(request: Request, app: Slug) -> Response:
            """Too early it is the same page with the time left (R19, THR-6)."""
            resolved, visitor = self.application(app), self.visitor(request)
            await self.form(request, visitor)
            body = {"token": self._token(visitor)}
            try:
                await self.gateway.limit("start", request, visitor)
                flow = await self.gateway.call_link(request, visitor, f"/v1/apps/{app}/links/renew", body)
            except errors.TooManyRequests as error:
                return await self._landing(request, visitor, resolved, early=error)
            except _STATE_ERRORS:
                return await self._landing(request, visitor, resolved)
            return self.to(_waiting_page(app, flow))

    def _pressed(self, request: Request, visitor: Visitor, resolved: Resolved, answer: dict[str, Any]) -> Response:
        if answer.get("state") == "confirmed_elsewhere":
            return self.page(request, visitor, resolved.application, "link_done.html")
        if answer.get("state") == "frozen":
            return self.page(request, visitor, resolved.application, "frozen.html")
        if answer.get("state") == "cancelled":
            return self.page(request, visitor, resolved.application, "recovery_stopped.html")
        if answer["kind"] == "password_reset" or answer["status"] == "password":
            return self.to(_waiting_page(resolved.application.slug, answer))
        return self.page(request, visitor, resolved.application, "activated.html")

    def _token(self, visitor: Visitor) -> str:
        return visitor.cookies.get(cookie_name(LINK, secure=self.gateway.settings.secure)) or "-"

    async def _landing(
        self,
        request: Request,
        visitor: Visitor,
        resolved: Resolved,
        *,
        problem: str | None = None,
        tries: int | None = None,
        early: errors.TooManyRequests | None = None,
    ) -> Response:
        """One page per state, each with a next step (E4); signed in as somebody else one must choose first (LNK-4)."""
        app = resolved.application
        await self.gateway.with_session(visitor)
        info = await self._inspect(request, visitor, app.slug)
        state = info["state"]
        if early is not None:
            return self._too_early(request, visitor, resolved, info, early)
        if (
            state in {"valid", "other_browser"}
            and visitor.session is not None
            and not info.get("own")
            and info["purpose"] not in {"freeze", "recovery_cancel"}
        ):
            return self.page(request, visitor, app, "link_signed_in.html", info=info)
        template, status = _shown(info)
        return self.page(request, visitor, app, template, 422 if problem else status, info=info, problem=problem, tries=tries)

    async def _inspect(self, request: Request, visitor: Visitor, app: str) -> dict[str, Any]:
        path, body = f"/v1/apps/{app}/links/inspect", {"token": self._token(visitor)}
        info: dict[str, Any] = await self.gateway.call_link(request, visitor, path, body)
        for name in ("requested_at", "expires_at", "used_at", "superseded_at"):
            info[name] = time(info[name])
        can_reset = self.application(app).policy.password_reset.enabled
        info["renewable"] = info.get("renewable", True) and _renewed(info["purpose"], can_reset=can_reset)
        info["over"] = info.get("over")
        return info

    def _too_early(
        self, request: Request, visitor: Visitor, resolved: Resolved, info: dict[str, Any], early: errors.TooManyRequests
    ) -> Response:
        if info["state"] not in {"expired", "superseded"} or not info["renewable"]:
            raise early
        wait = max(math.ceil(early.extra["retry_after_seconds"]), 1)
        spacing = max(int(resolved.policy.resend.spacing.total_seconds()), wait)
        at = time(early.extra.get("available_at")) or self.gateway.clock.now() + timedelta(seconds=wait)
        response = self.page(
            request, visitor, resolved.application, _STATES[info["state"]], early.status,
            info=info, wait=wait, spacing=spacing, available_at=at,
        )  # fmt: skip
        response.headers["Retry-After"] = str(wait)
        return response


def _renewed(purpose: str | None, *, can_reset: bool) -> bool:
    return purpose in _RENEWED and (purpose != "password_reset" or can_reset)


def _shown(info: dict[str, Any]) -> tuple[str, int]:
    """The page of a link's state and its status. What would have stopped a recovery says how that ended (REC-12)."""
    state = info["state"]
    if info["purpose"] == "recovery_cancel" and (info["over"] or state != "valid"):
        return "recovery_stopped.html" if info["over"] == "cancelled" else "recovery_over.html", 410
    if state == "valid":
        return _PRESS[info["purpose"]], 200
    return _STATES.get(state, "link_incomplete.html"), {"other_browser": 200, "malformed": 404}.get(state, 410)


def _waiting_page(app: str, flow: dict[str, Any]) -> str:
    page = "reset" if flow["kind"] == "password_reset" else "check-messages"
    return f"/{app}/{page}?flow={flow['id']}"
