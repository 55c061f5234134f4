"""GET /v1/session in front of everything else: who am I, asked by every page of every application."""

import secrets
import time

from servicekit.errors import ServiceError, SessionRequired
from servicekit.web.guard import SECONDS
from servicekit.web.http import header, problem_response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.web.visitor import SESSION, cookie_name, read_cookies

from .cache import SessionCache


class HotPath:
    def __init__(self, app: ASGIApp, sessions: SessionCache, *, secure: bool) -> None:
        self._app = app
        self._sessions = sessions
        self._cookie = cookie_name(SESSION, secure=secure)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/session" or scope["method"] != "GET" or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        request_id, started = secrets.token_hex(16), time.monotonic()
        token = self._token(scope)
        try:
            if token is None:
                raise SessionRequired
            entry = self._sessions.get(token) or await self._sessions.find(token)
        except ServiceError as error:
            response = problem_response(error, request_id)
            response.headers["x-request-id"] = request_id
            await response(scope, receive, send)
            SECONDS.labels("GET", "/v1/session", error.status).observe(time.monotonic() - started)
            return
        body = entry.body
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        SECONDS.labels("GET", "/v1/session", 200).observe(time.monotonic() - started)

    def _token(self, scope: Scope) -> str | None:
        if (token := read_cookies(scope).get(self._cookie)) is not None:
            return token
        authorization = header(scope, b"authorization")
        return authorization[7:] if authorization is not None and authorization[:7].lower() == "bearer " else None
