"""HTTP for all services: problem+json, strict input, request ids, traces, access log (API-2, RFC 9457).

Pure ASGI middlewares only: BaseHTTPMiddleware costs more than everything else together (stack.md §4).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import errors
from .caller import HEADER, verify
from .clock import Clock
from .context import new_trace, use_trace
from .db import DatabaseUnavailable
from .errors import FieldError, ServiceError
from .idempotency import Replay
from .keys import Keys
from .logging import get_logger, security_event

MAX_BODY = 64 * 1024
JSON = "application/json"
log = get_logger("servicekit.http")

Translate = Callable[[str, str, dict[str, Any], str | None], str]


def _english(_code: str, message: str, _params: dict[str, Any], _language: str | None) -> str:
    return message


class JSONResponse(Response):
    media_type = JSON

    def render(self, content: Any) -> bytes:
        body: bytes = orjson.dumps(content)
        return body


def problem(error: ServiceError, request_id: str) -> dict[str, Any]:
    """The problem document (RFC 9457); the status and Retry-After header are the response's."""
    extra = dict(error.extra)
    if "retry_after_seconds" in extra:
        extra["retry_after_seconds"] = _whole(extra["retry_after_seconds"])
    document: dict[str, Any] = {
        "type": f"/problems/{error.code}",
        "code": error.code,
        "title": error.title,
        "status": error.status,
        "request_id": request_id,
    }
    if error.detail:
        document["detail"] = error.detail
    return {**document, **extra}


def _whole(seconds: float) -> int:
    return max(int(-(-seconds // 1)), 1)


def problem_response(error: ServiceError, request_id: str) -> Response:
    headers = {}
    if (seconds := error.extra.get("retry_after_seconds")) is not None:
        headers["Retry-After"] = str(_whole(seconds))
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(problem(error, request_id), default=str), error.status, headers, "application/problem+json")


def from_problem(document: Any, status: int) -> ServiceError:
    """The error that a peer answered, as the same class; an unknown one is our own failure."""
    if not isinstance(document, dict) or (cls := ServiceError.registry.get(str(document.get("code")))) is None:
        return errors.Overloaded() if status == 503 else errors.InternalError()
    known = {"type", "code", "title", "status", "request_id", "detail"}
    error = cls.__new__(cls)
    ServiceError.__init__(error, document.get("detail"), **{name: value for name, value in document.items() if name not in known})
    if isinstance(error, errors.ValidationFailed):
        error.errors = [
            FieldError(one["field"], one["code"], one["message"], one.get("params", {})) for one in document.get("errors", [])
        ]
    return error


# Pydantic's own error types, as our stable field codes.
_FIELD_CODES = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "string_too_long": "too_long",
    "string_too_short": "too_short",
    "string_pattern_mismatch": "not_this_form",
    "too_long": "too_long",
    "literal_error": "not_an_option",
    "enum": "not_an_option",
    "json_invalid": "malformed",
    "value_error": "not_allowed",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}


def field_errors(found: Iterable[Any]) -> list[FieldError]:
    """Pydantic's errors with JSON pointers; what was sent is not repeated (LOG-2)."""
    result = []
    for one in found:
        place = [str(part).replace("~", "~0").replace("/", "~1") for part in one["loc"]]
        where = place[1:] if place and place[0] in {"body", "query", "path", "header"} else place
        kind = one["type"]
        code = _FIELD_CODES.get(
            kind, "wrong_type" if kind.endswith(("_type", "_parsing")) or kind == "uuid_parsing" else "not_allowed"
        )
        message = str(one["msg"]).removeprefix("Value error, ")
        result.append(FieldError("/" + "/".join(where), code, message))
    return result


def _validation(error: RequestValidationError) -> ServiceError:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return errors.MalformedRequest("The body is not JSON")
    if found and all(one["loc"] and one["loc"][0] == "path" for one in found):
        return errors.NotFound()
    return errors.ValidationFailed(field_errors(found))


_STATUS = {404: errors.NotFound, 405: errors.MethodNotAllowed, 413: errors.BodyTooLarge, 415: errors.UnsupportedMediaType}


def install_handlers(app: FastAPI, render: Callable[[Request, ServiceError], Awaitable[Response]] | None = None) -> None:
    """Every error becomes a problem; `render` may make a page of it."""

    async def answer(request: Request, error: ServiceError) -> Response:
        if isinstance(error, errors.ValidationFailed):
            security_event("input_validation_fail", "fail", fields=[one.field for one in error.errors])
        if render is not None:
            return await render(request, error)
        return problem_response(error, request_id(request.scope))

    async def service_error(request: Request, error: Exception) -> Response:
        return await answer(request, error if isinstance(error, ServiceError) else errors.InternalError())

    async def validation(request: Request, error: Exception) -> Response:
        return await answer(request, _validation(error) if isinstance(error, RequestValidationError) else errors.InternalError())

    async def http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        cls = _STATUS.get(status, errors.MalformedRequest if 400 <= status < 500 else errors.InternalError)
        response = await answer(request, cls())
        if isinstance(error, HTTPException) and error.headers and "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response

    async def database(request: Request, error: Exception) -> Response:
        log.warning("http.database_unavailable", error=type(error).__name__)
        return await answer(request, errors.Overloaded())

    async def unexpected(request: Request, error: Exception) -> Response:
        log.exception("http.unexpected", exc_info=error)
        return await answer(request, errors.InternalError())

    async def replay(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Replay)  # noqa: S101 - registered for it alone
        return JSONResponse(error.body, error.status)

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Replay, replay)
    for cls in DatabaseUnavailable:
        app.add_exception_handler(cls, database)
    app.add_exception_handler(Exception, unexpected)


def request_id(scope: Scope | MutableMapping[str, Any]) -> str:
    return str(scope.get("latchkey.request_id", ""))


def header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


@dataclass
class Guard:
    """The outermost middleware: what no handler should ever see is refused here.

    Body over 64 KiB, a body that is neither JSON nor (where forms are taken) a form, invalid UTF-8, duplicate parameters.
    """

    app: ASGIApp
    trust_request_id: bool = False
    forms: Callable[[Scope], bool] = field(default=lambda _scope: False)  # where a form may be posted
    access_log: bool = True
    before: Callable[[Scope], None] | None = None  # may raise a ServiceError
    body_limits: Mapping[str, int] = field(default_factory=dict)  # bytes, for paths that take more than 64 KiB

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trusted = self.trust_request_id
        trace = new_trace(
            request_id=header(scope, b"x-request-id") if trusted else None,
            traceparent=header(scope, b"traceparent"),
            authtype="unauthenticated",
        )
        scope["latchkey.request_id"] = trace.request_id
        started, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", trace.request_id.encode())]
            await send(message)

        with use_trace(trace):
            try:
                if self.before is not None:
                    self.before(scope)
                body = await self._checked_body(scope, receive)
                await self.app(scope, _replayed(body, receive), answer)
            except ServiceError as error:
                await problem_response(error, trace.request_id)(scope, receive, answer)
            finally:
                if self.access_log:
                    route = scope.get("route")
                    log.info(
                        "http.request",
                        method=scope["method"],
                        route=getattr(route, "path", None) or "(none)",
                        status=status,
                        ms=round((time.monotonic() - started) * 1000, 1),
                    )

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        _check_query(scope)
        limit = self.body_limits.get(scope["path"], MAX_BODY)
        declared = header(scope, b"content-length")
        if declared is not None and (not declared.isdigit() or int(declared) > limit):
            raise errors.BodyTooLarge
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise errors.MalformedRequest
            body += message.get("body", b"")
            if len(body) > limit:
                raise errors.BodyTooLarge
            if not message.get("more_body", False):
                break
        scope["latchkey.body"] = body
        if body:
            self._check_type(scope, body)
        return body

    def _check_type(self, scope: Scope, body: bytes) -> None:
        kind = (header(scope, b"content-type") or "").split(";")[0].strip().lower()
        if kind == JSON:
            _check_json(body)
        elif not (kind == "application/x-www-form-urlencoded" and self.forms(scope)):
            raise errors.UnsupportedMediaType


def _check_query(scope: Scope) -> None:
    try:
        pairs = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise errors.MalformedRequest("The query can't be read") from None
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise errors.MalformedRequest("A parameter is given twice")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise errors.MalformedRequest("A field is given twice")
    return result


def _check_json(body: bytes) -> None:
    import json

    try:
        body.decode("utf-8")
        json.loads(body, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise errors.MalformedRequest("The body is not JSON") from None


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def create_internal_app(
    service: str, routers: Iterable[APIRouter], *, keys: Keys, clock: Clock, body_limits: Mapping[str, int] | None = None
) -> ASGIApp:
    """The API of a service behind the gateway: every route wants a caller token (API-3); nothing is documented publicly."""
    app = FastAPI(title=service, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    install_handlers(app)
    for router in routers:
        app.include_router(router)

    def check_caller(scope: Scope) -> None:
        scope["latchkey.caller"] = verify(header(scope, HEADER.encode()) or "", service, keys, clock)

    return Guard(app, trust_request_id=True, before=check_caller, body_limits=body_limits or {})


async def shielded(work: Awaitable[Any]) -> Any:
    """A client that goes away never leaves half a use case (REL-16): the work is finished all the same."""
    return await asyncio.shield(work)
