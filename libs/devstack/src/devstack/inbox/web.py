"""The inbox page and its JSON (api.md §6): `GET /inbox`, `/inbox/messages`, `POST /inbox/faults`."""

import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from .smtp import Fault, Faults
from .store import Message, Store

_CODE = re.compile(r"(?m)^\s*([0-9]{3} ?[0-9]{3,5})\s*$")
_LINK = re.compile(r"https?://\S+/l/\S+")
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A mail brings its own inline styles; it runs no script, loads nothing, and its links open beside it.
_MAIL_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox allow-popups allow-popups-to-escape-sandbox"
_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined)
CHANNELS = {"email": "Mail", "sms": "SMS", "voice": "Calls"}


def code_in(message: Message) -> str | None:
    found = _CODE.search(message.text)
    return found[1] if found else None


def link_in(message: Message) -> str | None:
    found = _LINK.search(message.text)
    return found[0] if found else None


def create_app(store: Store, faults: Faults) -> Starlette:
    def listing(request: Request) -> Response:
        query = request.query_params
        try:
            since = datetime.fromisoformat(query["since"]) if "since" in query else None
        except ValueError:
            return _problem(400, "malformed_request", "since is not an RFC 3339 time")
        if since is not None and since.tzinfo is None:
            return _problem(400, "malformed_request", "since has no time zone")
        found = store.find(to=query.get("to"), channel=query.get("channel"), since=since)
        return JSONResponse({"items": [asdict(one) for one in found], "next": None})

    def one(request: Request) -> Response:
        message = store.get(request.path_params["id"])
        return JSONResponse(asdict(message)) if message else _problem(404, "not_found", "There is no such message")

    def mail(request: Request) -> Response:
        message = store.get(request.path_params["id"])
        if message is None or message.html is None:
            return _problem(404, "not_found", "There is no such mail")
        return HTMLResponse(message.html, headers={"Content-Security-Policy": _MAIL_POLICY, "X-Content-Type-Options": "nosniff"})

    def page(request: Request) -> Response:
        channel = request.query_params.get("channel")
        messages = store.find(channel=channel)[::-1][:200]
        wanted = request.query_params.get("message")
        chosen = store.get(wanted) if wanted else (messages[0] if messages else None)
        html = _TEMPLATES.get_template("inbox.html").render(
            messages=messages,
            chosen=chosen,
            channel=channel,
            channels=CHANNELS,
            counts={name: len(store.find(channel=name)) for name in CHANNELS},
            total=len(store.messages),
            faults=len(faults),
            code_in=code_in,
            link_in=link_in,
        )
        return HTMLResponse(html, headers={"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": "no-store"})

    def style(_request: Request) -> Response:
        return Response((Path(__file__).parent / "templates" / "inbox.css").read_text(), media_type="text/css")

    async def fail(request: Request) -> Response:
        body: Any
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                body = json.loads(await request.body())
            except ValueError:
                return _problem(400, "malformed_request", "The body is not JSON")
        else:
            body = dict(await request.form())
        fault, count = body.get("fault"), body.get("count", 1)
        if fault == "none":
            faults.clear()
        elif fault in get_args(Fault) and str(count).isdigit() and 1 <= int(count) <= 10_000:
            faults.add(fault, int(count))
        else:
            return _problem(422, "validation_failed", f"fault is one of none, {', '.join(get_args(Fault))}; count 1 to 10000")
        if isinstance(body, dict) and "back" in body:
            return RedirectResponse("/inbox", 303)
        return JSONResponse({"waiting": len(faults)})

    def empty(_request: Request) -> Response:
        store.clear()
        return RedirectResponse("/inbox", 303)

    return Starlette(
        routes=[
            Route("/inbox", page),
            Route("/inbox/style.css", style),
            Route("/inbox/messages", listing),
            Route("/inbox/messages/{id}", one),
            Route("/inbox/messages/{id}/html", mail),
            Route("/inbox/faults", fail, methods=["POST"]),
            Route("/inbox/empty", empty, methods=["POST"]),
        ]
    )


def _problem(status: int, code: str, detail: str) -> Response:
    document = {"type": f"/problems/{code}", "code": code, "title": code.replace("_", " "), "status": status, "detail": detail}
    return JSONResponse(document, status, media_type="application/problem+json")
