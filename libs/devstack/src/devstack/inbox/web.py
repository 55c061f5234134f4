"""The inbox page and its JSON (README.md): `GET /inbox`, `/inbox/messages`, `POST /inbox/faults`."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import phonenumbers
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .faults import FAULTS, NAMES, Faults, Unfit
from .finder import code_in, link_in
from .store import Message, Store

_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail brings its own inline styles; it runs no script, loads nothing, and its links open beside it.
# The inbox's own page alone may frame it.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_MAIL = {"Content-Security-Policy": _MAIL_POLICY, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN"}
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_PARTS = re.compile(r"\[[^\]]*\]|[^\[]+")
ONE = {"email": "Mail", "sms": "SMS", "voice": "Call"}
# How a state looks; what is not here is plain.
TONES = {"delivered": "good", "answered": "good", "undelivered": "bad", "failed": "bad", "busy": "warn", "no answer": "warn"}
TONES["answering machine"] = "warn"


def title(message: Message) -> str:
    return message.subject or f"{ONE.get(message.channel, message.channel)} to {_number(message.to)}"


def _number(to: str) -> str:
    """As people write it, where it is one."""
    try:
        found = phonenumbers.format_number(phonenumbers.parse(to, None), phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    except phonenumbers.NumberParseException:
        return to
    return str(found).replace(" ", "\u00a0")  # a number stays on one line


def said(message: Message) -> list[list[tuple[str, str]]]:
    """A transcript in paragraphs of words and notes: what happened has one of its own, a pause stands before what follows."""
    found: list[list[tuple[str, str]]] = []
    joins = False
    for line in message.text.splitlines():
        parts = [
            ("note", part[1:-1]) if part.startswith("[") else ("words", part) for part in _PARTS.findall(line) if part.strip()
        ]
        if joins:
            found[-1] += parts
        elif parts:
            found.append(parts)
        joins = bool(parts) and line == "[pause]"
    return found


class Inbox:
    def __init__(self, store: Store, faults: Faults, changed: Callable[[], Awaitable[None]]) -> None:
        """`changed`: called when other faults are set than before."""
        self._store, self._faults, self._changed = store, faults, changed

    def listing(self, request: Request) -> Response:
        query = request.query_params
        try:
            since = datetime.fromisoformat(query["since"]) if "since" in query else None
        except ValueError:
            return _problem(400, "malformed_request", "since is not an RFC 3339 time")
        if since is not None and since.tzinfo is None:
            return _problem(400, "malformed_request", "since has no time zone")
        found = self._store.find(to=query.get("to"), channel=query.get("channel"), since=since)
        return JSONResponse({"items": [asdict(one) for one in found], "next": None})

    def one(self, request: Request) -> Response:
        message = self._store.get(request.path_params["id"])
        return JSONResponse(asdict(message)) if message else _problem(404, "not_found", "There is no such message")

    def mail(self, request: Request) -> Response:
        message = self._store.get(request.path_params["id"])
        if message is None or message.html is None:
            return _problem(404, "not_found", "There is no such mail")
        return HTMLResponse(message.html, headers=_MAIL)

    def page(self, request: Request) -> Response:
        channel = request.query_params.get("channel")
        return self._show(channel if channel in NAMES else None, request.query_params.get("message"))

    def _show(self, channel: str | None, wanted: str | None, *, wrong: str | None = None) -> Response:
        messages = self._store.find(channel=channel)[::-1][:200]
        chosen = self._store.get(wanted) if wanted else (messages[0] if messages else None)
        html = _TEMPLATES.get_template("inbox.html").render(
            messages=messages,
            chosen=chosen,
            channel=channel,
            channels=NAMES,
            counts={name: len(self._store.find(channel=name)) for name in NAMES},
            total=len(self._store.messages),
            faults=FAULTS,
            set_faults=self._faults.described(),
            machine=self._faults.machine(),
            providers=self._faults.providers,
            wrong=wrong,
            tones=TONES,
            code_in=code_in,
            link_in=link_in,
            title=title,
            said=said,
        )
        headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"}
        return HTMLResponse(html, 422 if wrong else 200, headers=headers)

    def style(self, _request: Request) -> Response:
        return Response((Path(__file__).parent / "templates" / "inbox.css").read_text(), media_type="text/css")

    async def fail(self, request: Request) -> Response:
        body: Any
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                body = json.loads(await request.body())
            except ValueError:
                return _problem(400, "malformed_request", "The body is not JSON")
        else:
            body = dict(await request.form())
        if not isinstance(body, dict):
            return _problem(422, "validation_failed", "The body is no object")
        back = "back" in body
        channel, wanted = (str(body.get(name) or "") or None for name in ("in", "message"))
        try:
            self._faults.ask(body)
        except Unfit as error:
            return self._show(channel, wanted, wrong=str(error)) if back else _problem(422, "validation_failed", str(error))
        await self._changed()
        if back:
            query = urlencode({name: value for name, value in (("channel", channel), ("message", wanted)) if value})
            return RedirectResponse(f"/inbox?{query}" if query else "/inbox", 303)
        return JSONResponse({"waiting": len(self._faults)})

    def empty(self, _request: Request) -> Response:
        self._store.clear()
        return RedirectResponse("/inbox", 303)


async def _nobody() -> None:
    return None


def create_app(store: Store, faults: Faults, changed: Callable[[], Awaitable[None]] = _nobody) -> Starlette:
    inbox = Inbox(store, faults, changed)
    return Starlette(
        routes=[
            Route("/inbox", inbox.page),
            Route("/inbox/style.css", inbox.style),
            Route("/inbox/messages", inbox.listing),
            Route("/inbox/messages/{id}", inbox.one),
            Route("/inbox/messages/{id}/html", inbox.mail),
            Route("/inbox/faults", inbox.fail, methods=["POST"]),
            Route("/inbox/empty", inbox.empty, methods=["POST"]),
        ]
    )


def _problem(status: int, code: str, detail: str) -> Response:
    document = {"type": f"/problems/{code}", "code": code, "title": code.replace("_", " "), "status": status, "detail": detail}
    return JSONResponse(document, status, media_type="application/problem+json")
