"""One request for a page: who asks, whose page it is, the form in, the call that the API makes, the page or the redirect out.

`start`, `go_on` and `read` are the very functions that the API's routes use: limits, session and flow can't be forgotten.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import Application
from pydantic import TypeAdapter
from servicekit import errors
from servicekit.errors import ServiceError
from servicekit.logging import security_event
from servicekit.process.configuration import Resolved
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.api.service import Gateway
from gateway.web import csrf
from gateway.web.visitor import AGAIN, APP, LANGUAGE, SESSION, WAITS, Visitor, cookie_name

from . import again as presses
from . import i18n, purposes
from .again import Again
from .fields import messages, read_form
from .leading import targets
from .render import PageContext, render, session_ends

# What says in an address which step it is, where it leads, and what came of the last press.
_KEPT = ("flow", "link", "sent", "way", "then", "factor", "return_to", "to", "more", "again")
# Pages that belong to nobody's application.
PLAIN = Application(
    slug="latchkey", brand=Brand(name="Latchkey", brand="#0b3d45", accent="#0d5c66"), languages=["en", "ar", "de", "es", "fr"]
)
YEAR = 365 * 24 * 3600
_WAITS_SECONDS = 3600
T = TypeVar("T")
P = TypeVar("P", bound=ServiceError)
Answer = type[T] | TypeAdapter[T]


class Instead(Exception):
    """This answer, and nothing further is done: the form wasn't one that may act."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Visit:
    """`ended`: this browser's session is over. `as_shown`: whoever the form showed signed in is so now; told by `form`."""

    def __init__(self, request: Request, gateway: Gateway, visitor: Visitor, resolved: Resolved | None) -> None:
        self.request, self.gateway, self.visitor = request, gateway, visitor
        self.resolved = resolved
        self.application = resolved.application if resolved else PLAIN
        self.ended = self.as_shown = False
        self.address = _address(request)  # which shows this page again, with its flow
        self.typed: Mapping[str, str] | None = None  # by a form of ours
        self.language = visitor.language = self._language()
        self.before = presses.read(
            self.key, request.url.path, request.query_params.get("again"), self.cookie(AGAIN), gateway.clock.now()
        )
        self._cookies = Response()

    @classmethod
    async def of(cls, request: Request, gateway: Gateway) -> Self:
        """Of an application's page, with its session if one lives. Raises NotFound where there is no such application."""
        visitor: Visitor = request.scope["latchkey.visitor"]
        visit = cls(request, gateway, visitor, gateway.configuration.application(request.path_params["app"]))
        request.scope["latchkey.visit"] = visit
        had_session = visitor.session_token is not None
        await gateway.with_session(visitor)
        visit.ended = had_session and visitor.session is None
        return visit

    # --- who asks, and for what -------------------------------------------------------------------------------------------

    @property
    def key(self) -> bytes:
        return self.gateway.keys.secret("csrf")

    @property
    def app(self) -> Resolved:
        """The application with its store and its policy."""
        if self.resolved is None:
            raise errors.NotFound
        return self.resolved

    @property
    def base(self) -> str:
        return f"/{self.application.slug}"

    @property
    def signed_in(self) -> bool:
        """With a live session of this very application."""
        return self.visitor.session is not None and self.visitor.session.application == self.application.slug

    @property
    def can_reset(self) -> bool:
        return self.resolved is not None and self.resolved.policy.password_reset.enabled and not self.resolved.access.passwordless

    def api(self, path: str = "") -> str:
        return f"/v1/apps/{self.application.slug}" + (f"/{path}" if path else "")

    def cookie(self, name: str) -> str | None:
        return self.visitor.cookies.get(cookie_name(name, secure=self.gateway.settings.secure))

    def query(self, *names: str) -> str:
        """These of the address, for another one; with its question mark."""
        kept = {name: self.request.query_params[name] for name in names if name in self.request.query_params}
        return f"?{urlencode(kept)}" if kept else ""

    def told(self, *kinds: type[P]) -> P | None:
        """What came of the last press, if it was one of these."""
        return self.before.problem if isinstance(self.before.problem, kinds) else None

    @property
    def waits(self) -> str:
        """Where this browser last waited for a code; empty where it didn't, or for too long."""
        kind, _, flow = (self.cookie(f"{WAITS}_{self.application.slug}") or "").partition(".")
        return f"{self.base}/{purposes.waits(kind, flow)}" if kind in purposes.WAITS and flow else ""

    def keep_waiting(self, kind: str, flow: UUID) -> None:
        self.keep(f"{WAITS}_{self.application.slug}", f"{kind}.{flow}", _WAITS_SECONDS)

    def _language(self) -> str:
        chosen = self.request.query_params.get("ui_locales") or self.cookie(LANGUAGE)
        return i18n.negotiate(self.application, chosen=chosen, accept=self.request.headers.get("accept-language"))

    # --- the form in ------------------------------------------------------------------------------------------------------

    async def form(self, page: Callable[[Mapping[str, str]], str] | None = None) -> dict[str, str]:
        """The fields of a form of ours; from now on what goes wrong is told on its page. `page`: where that is, if not here.

        Raises CrossSiteRequest for what may be anybody's. One of ours that was made in other circumstances (cookies gone, another
        key) does nothing; its page is shown again with what was typed.
        """
        fields = await read_form(self.request)
        token = fields.pop("csrf", None)
        if page is not None:
            self.address = page(fields)
        try:
            csrf.check_form(self.key, self.visitor, token)
        except errors.CrossSiteRequest:
            if not csrf.surely_ours(self.request.scope, self.gateway.settings.origin):
                raise
            security_event("authz_fail", "fail", reason="form_token")
            self.typed = fields
            raise Instead(self.again(errors.VersionConflict())) from None
        self.typed = fields
        self.as_shown = csrf.as_shown(self.key, self.visitor, token)
        return fields

    # --- calls, as the API makes them --------------------------------------------------------------------------------------

    async def start(self, path: str, body: Any, answer: Answer[T], *, peer: str = "identity") -> T:
        return await self.taken(await self.gateway.start(self.request, self.visitor, path, body, peer=peer), answer)

    async def go_on(
        self, path: str, body: Any, answer: Answer[T], *, method: str = "POST", peer: str = "identity", grant: str | None = None
    ) -> T:
        """`grant`: of a step-up, for this one call (STP-2)."""
        self.visitor.step_up = grant
        found = await self.gateway.go_on(self.request, self.visitor, path, body, method=method, peer=peer)
        return await self.taken(found, answer)

    async def read(self, path: str, answer: Answer[T], *, peer: str = "identity", cursor: str | None = None) -> T:
        found = await self.gateway.call(self.request, self.visitor, "GET", path, peer=peer, cursor=cursor)
        return await self.taken(found, answer)

    async def flow(self, path: str, answer: Answer[T], *, peer: str = "identity") -> T | None:
        """None: not one of this browser's, or there never was one; nobody is told which (ENU-1)."""
        if self.visitor.flow_token is None:
            return None
        try:
            return await self.read(path, answer, peer=peer)
        except errors.NotFound:
            return None

    async def taken(self, found: Any, answer: Answer[T]) -> T:
        """As the contract says it; a session that comes of it goes into a cookie."""
        adapter = answer if isinstance(answer, TypeAdapter) else TypeAdapter(answer)
        return adapter.validate_python(await self.gateway.finish(self.visitor, found, self._cookies))

    # --- the answer --------------------------------------------------------------------------------------------------------

    def page(self, template: str, status: int | None = None, **values: Any) -> Response:
        """With what came of the last press: typed values, messages beside fields, and at the top what the page itself doesn't tell.

        `problem`: what of it the page tells itself. Every page leaves the visitor with a flow cookie, to which its form is bound.
        """
        self.gateway.ensure_flow(self.request, self.visitor)
        why = values.setdefault("problem", None) or self.before.problem
        values.setdefault("errors", self.errors)
        values.setdefault("values", self.before.values)
        values.setdefault("done", self.before.done)
        trouble = self.before.problem
        if trouble is values["problem"] or isinstance(trouble, errors.ValidationFailed):
            trouble = None
        html = render(template, self._context(), **{"trouble": trouble, **values})
        response = HTMLResponse(html, status or (why.status if isinstance(why, ServiceError) else 200))
        if isinstance(why, ServiceError) and (seconds := why.extra.get("retry_after_seconds")) is not None:
            response.headers["Retry-After"] = str(max(math.ceil(seconds), 1))
        self.request.scope["latchkey.form_targets"] = targets(self.application)
        if (asked := self.request.query_params.get("ui_locales")) in i18n.available():
            self.keep(LANGUAGE, str(asked), YEAR)
        return self.done(response)

    def elsewhere(self, again: str) -> Response:
        """A flow that this browser doesn't hold, or that there never was: the same words (ENU-1) and a way on (E4)."""
        return self.page("flow_elsewhere.html", 404, again=again, trouble=None)

    def again(
        self,
        problem: ServiceError | None = None,
        *,
        page: str | None = None,
        values: Mapping[str, str] | None = None,
        done: str | None = None,
    ) -> Response:
        """To the page that shows what came of this press; by itself the form's own page, with what was typed."""
        path, _, query = (page or self.address).partition("?")
        kept = [part for part in query.split("&") if part and not part.startswith(("again=", "sent="))]
        name = presses.new_name()
        state = Again(values if values is not None else (self.typed or {}), problem, done)
        self.keep(
            AGAIN, presses.write(self.key, path, name, state, self.gateway.clock.now()), int(presses.LIFETIME.total_seconds())
        )
        return self.to(f"{path}?{'&'.join((*kept, f'again={name}'))}")

    def to(self, url: str) -> Response:
        return self.done(RedirectResponse(url, 303))

    def instead(self, path: str) -> Response:
        """An address that only takes a press: where its page is, so that its links (languages, "Try now") lead there (E4)."""
        return self.to(f"{path}?{self.request.url.query}" if self.request.url.query else path)

    def done(self, response: Response) -> Response:
        """The cookies go along; that of a session which is over goes (SES-4)."""
        stale = self.cookie(SESSION) is not None and self.visitor.session is None
        response.raw_headers.extend(header for header in self._cookies.raw_headers if header[0] == b"set-cookie")
        names = b"".join(value for name, value in self._cookies.raw_headers if name == b"set-cookie")
        if stale and cookie_name(SESSION, secure=self.gateway.settings.secure).encode() + b"=" not in names:
            self.gateway.drop_cookie(response, SESSION)
        self.gateway.set_flow_cookie(response, self.visitor)
        return response

    def keep(self, name: str, value: str, seconds: int) -> None:
        self.gateway.set_cookie(self._cookies, name, value, seconds)

    @property
    def errors(self) -> dict[str, str]:
        """{field: what is wrong with it, in the page's language}."""
        problem = self.told(errors.ValidationFailed)
        minimum = self.resolved.store.password.min_length if self.resolved else 15
        return messages(problem, self.language, minimum) if problem else {}

    def _context(self) -> PageContext:
        now, session = self.gateway.clock.now(), self.visitor.session
        return PageContext(
            application=self.application,
            language=self.language,
            nonce=self.request.scope.get("latchkey.nonce", ""),
            here=self.address,
            csrf=csrf.form_token(self.key, self.visitor),
            now=now,
            can_reset=self.can_reset,
            edits_personal=self.resolved is not None and self.resolved.policy.personal_information.enabled,
            signed_in=session is not None,
            session_ends=session_ends(session, now) if session else None,
            home=self._home(),
        )

    def _home(self) -> str | None:
        """Where a page of nobody's application leads: to the one that this browser used last, else to the only or first one."""
        if self.resolved is not None:
            return self.base
        slugs = self.gateway.configuration.slugs()
        last = self.cookie(APP)
        return f"/{last if last in slugs else slugs[0]}" if slugs else None


async def _visit(request: Request) -> Visit:
    return await Visit.of(request, request.app.state.gateway)


VisitDep = Annotated[Visit, Depends(_visit)]


def _address(request: Request) -> str:
    """Nobody loses the place by choosing a language or by trying again after a page that says "later"."""
    kept = {name: request.query_params[name] for name in _KEPT if name in request.query_params}
    path = "/" + request.url.path.lstrip("/")  # two slashes would be another host
    return f"{path}?{urlencode(kept)}" if kept else path
