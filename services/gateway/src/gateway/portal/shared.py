"""What all pages share: whose page it is, forms of ours, errors next to their fields, the page itself."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Path
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.sign_in import SessionInfo
from servicekit import errors
from servicekit.configuration import Resolved
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.service import Gateway
from gateway.web import csrf
from gateway.web.visitor import LANGUAGE, Visitor, cookie_name

from . import i18n
from .render import PageContext, render
from .words import field_message

# What says in an address which step it is, and where it leads.
_KEPT = ("flow", "sent", "return_to", "to")
Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]


class PageTools:
    """One feature's pages extend this: the form in, the call that the API makes, the page out."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def application(self, slug: str) -> Resolved:
        return self.gateway.configuration.application(slug)

    def context(self, request: Request, visitor: Visitor, application: Application) -> PageContext:
        chosen = request.query_params.get("ui_locales") or visitor.cookies.get(
            cookie_name(LANGUAGE, secure=self.gateway.settings.secure)
        )
        language = i18n.negotiate(application, chosen=chosen, accept=request.headers.get("accept-language"))
        visitor.language = language
        return PageContext(
            application=application,
            language=language,
            nonce=request.scope.get("latchkey.nonce", ""),
            here=_here(request),
            csrf=csrf.form_token(self.gateway.keys.secret("csrf"), visitor),
            now=self.gateway.clock.now(),
            can_reset=self._can_reset(application.slug),
            signed_in=visitor.session is not None,
            session_ends=_session_ends(visitor.session, self.gateway.clock.now()) if visitor.session else None,
        )

    def _can_reset(self, slug: str) -> bool:
        known = self.gateway.configuration.knows(slug)
        return known and self.application(slug).policy.password_reset.enabled

    def page(
        self, request: Request, visitor: Visitor, application: Application, template: str, status: int = 200, **values: Any
    ) -> Response:
        """Every page leaves the visitor with a flow cookie, so that its form has something to be bound to."""
        self.gateway.ensure_flow(request, visitor)
        response = HTMLResponse(render(template, self.context(request, visitor, application), **values), status)
        self.gateway.set_flow_cookie(response, visitor)
        if (asked := request.query_params.get("ui_locales")) in i18n.available():
            self.gateway.set_cookie(response, LANGUAGE, str(asked), 365 * 24 * 3600)
        return response

    def elsewhere(self, request: Request, visitor: Visitor, application: Application, again: str) -> Response:
        """A flow that this browser doesn't hold, or that there never was: the same words (ENU-1) and a way on (E4)."""
        return self.page(request, visitor, application, "flow_elsewhere.html", 404, again=again)

    @staticmethod
    def visitor(request: Request) -> Visitor:
        found: Visitor = request.scope["latchkey.visitor"]
        return found

    async def form(self, request: Request, visitor: Visitor) -> dict[str, str]:
        """The fields of a form of ours; raises CrossSiteRequest for anybody else's."""
        form = await request.form(max_fields=60, max_files=0)
        fields: dict[str, str] = {}
        for name, value in form.multi_items():
            if name in fields or not isinstance(value, str):
                raise errors.MalformedRequest("A field is given twice")
            if "\x00" in value or any(0xD800 <= ord(one) < 0xE000 for one in value):
                raise errors.MalformedRequest("A field can't be read")
            fields[name] = value
        csrf.check_form(self.gateway.keys.secret("csrf"), visitor, fields.pop("csrf", None))
        return fields

    def field_errors(self, page: PageContext, error: errors.ValidationFailed, minimum: int = 15) -> dict[str, str]:
        """{form field: message}, in the page's language."""
        gettext = i18n.catalogue(page.language).gettext
        found: dict[str, str] = {}
        for one in error.extra["errors"]:
            name = one["field"].split("/")[-1] if not one["field"].startswith("/consents") else "consents"
            found.setdefault(name, field_message(gettext, one, minimum))
        return found

    @staticmethod
    def to(url: str) -> Response:
        return RedirectResponse(url, 303)

    def instead(self, request: Request, url: str) -> Response:
        """Where a page came of a press, its own address can't be opened: its links (languages, "Try now") lead here (E4)."""
        return self.to(f"{url}?{request.url.query}" if request.url.query else url)

    async def signed_in(self, visitor: Visitor, app: str) -> bool:
        """A live session of this very application."""
        await self.gateway.with_session(visitor)
        return visitor.session is not None and visitor.session.application == app


def _here(request: Request) -> str:
    """Nobody loses the place by choosing a language or by trying again after a page that says "later"."""
    kept = {name: request.query_params[name] for name in _KEPT if name in request.query_params}
    path = "/" + request.url.path.lstrip("/")  # two slashes would be another host
    return f"{path}?{urlencode(kept)}" if kept else path


def _session_ends(session: SessionInfo, now: datetime) -> datetime:
    """This page counts as use, so the idle time begins anew; the absolute end doesn't move."""
    return min(now + timedelta(seconds=session.idle_seconds), session.expires_at)


def time(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value).astimezone(UTC) if value is not None else None
