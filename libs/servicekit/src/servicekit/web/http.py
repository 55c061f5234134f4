"""HTTP for all services: errors as problem+json, and the application behind which a service stands (API-2, API-3).

`problems` makes the documents, `guard` refuses what no handler should see; their names are offered here too.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from servicekit import errors
from servicekit.clock import Clock
from servicekit.db import Contention, DatabaseUnavailable
from servicekit.errors import ServiceError
from servicekit.keys import Keys
from servicekit.logging import get_logger, security_event

from .caller import HEADER, Caller, Verifier
from .guard import JSON, MAX_BODY, Guard, header, request_id
from .idempotency import Replay
from .problems import Translate, field_errors, from_problem, problem, problem_response

__all__ = [
    "JSON",
    "MAX_BODY",
    "Guard",
    "JSONResponse",
    "Translate",
    "create_internal_app",
    "field_errors",
    "from_problem",
    "header",
    "install_handlers",
    "problem",
    "problem_response",
    "request_id",
]

MAX_LOGGED_FIELDS = 20
_STATUS = {404: errors.NotFound, 405: errors.MethodNotAllowed, 413: errors.BodyTooLarge, 415: errors.UnsupportedMediaType}
log = get_logger("servicekit.web.http")

Render = Callable[[Request, ServiceError], Awaitable[Response]]


class JSONResponse(Response):
    media_type = JSON

    def render(self, content: Any) -> bytes:
        body: bytes = orjson.dumps(content)
        return body


Read = Callable[[Caller], Awaitable[BaseModel]]
Methods = Callable[[Caller], Awaitable[Sequence[str]]]


def _answering(read: Read) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        caller: Caller = request.scope["latchkey.caller"]
        if caller.service != "gateway":
            raise errors.CallerNotAllowed
        return Response((await read(caller)).model_dump_json(), media_type=JSON)

    return answer


async def _as_problem(request: Request, error: ServiceError) -> Response:
    return problem_response(error, request_id(request.scope))


def _saying_how(methods: Methods) -> Render:
    """Behind the transaction that refused, for another service may have to be asked; where it can't be, the step-up couldn't be made either."""

    async def render(request: Request, error: ServiceError) -> Response:
        if isinstance(error, errors.StepUpRequired):
            try:
                error.extra["methods"] = list(await methods(request.scope["latchkey.caller"]))
            except ServiceError as other:
                error = other
        return await _as_problem(request, error)

    return render


def install_handlers(app: FastAPI, render: Render = _as_problem) -> None:
    """Every error becomes a ServiceError; `render` may make a page of it, or a problem in the language asked for."""

    async def answer(request: Request, error: ServiceError) -> Response:
        _note(error)
        return await render(request, error)

    async def service_error(request: Request, error: Exception) -> Response:
        return await answer(request, error if isinstance(error, ServiceError) else errors.InternalError())

    async def validation(request: Request, error: Exception) -> Response:
        return await answer(request, _invalid(error) if isinstance(error, RequestValidationError) else errors.InternalError())

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

    async def unexpected(request: Request, _error: Exception) -> Response:
        return await answer(request, errors.InternalError())  # the guard writes it down

    async def replay(_request: Request, error: Exception) -> Response:
        assert isinstance(error, Replay)  # noqa: S101 - registered for it alone
        return Response(status_code=error.status) if error.body is None else JSONResponse(error.body, error.status)

    app.add_exception_handler(ServiceError, service_error)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Replay, replay)
    for cls in (*DatabaseUnavailable, *Contention):
        app.add_exception_handler(cls, database)
    app.add_exception_handler(Exception, unexpected)


def _note(error: ServiceError) -> None:
    """LOG-1. What was limited is written by whoever counts; here only what HTTP itself decides."""
    if isinstance(error, errors.ValidationFailed):
        fields = [one.field for one in error.errors[:MAX_LOGGED_FIELDS]]
        security_event("input_validation_fail", "fail", reason=error.code, fields=fields)
    elif isinstance(error, errors.CallerNotAllowed | errors.CrossSiteRequest | errors.NotAllowedByPolicy):
        security_event("authz_fail", "fail", reason=error.code)


def _invalid(error: RequestValidationError) -> ServiceError:
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return errors.MalformedRequest("The body is not JSON")
    if any(one["loc"] and one["loc"][0] == "path" for one in found):
        return errors.NotFound()  # an id that can't be one names nothing
    return errors.ValidationFailed(field_errors(found))


def create_internal_app(
    service: str,
    routers: Iterable[APIRouter],
    *,
    keys: Keys,
    clock: Clock,
    body_limits: Mapping[str, int] | None = None,
    reads: Mapping[str, Read] | None = None,
    step_up_methods: Methods | None = None,
) -> ASGIApp:
    """The API of a service behind the gateway: every route wants a caller token (API-3); nothing is documented publicly.

    `reads`: what the gateway asks on behalf of a customer with every page, by path. It is answered by a plain route: FastAPI's
    dependencies and its second look at the answer cost as much as all the rest of such a call. `step_up_methods`: by what the caller can do the step-up
    that was refused for, best first (STP-1).
    """
    app = FastAPI(title=service, openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    install_handlers(app, _saying_how(step_up_methods) if step_up_methods is not None else _as_problem)
    for path, read in (reads or {}).items():
        app.add_route(path, _answering(read), methods=["GET"])
    for router in routers:
        app.include_router(router)

    verify = Verifier(service, keys, clock)

    def check_caller(scope: Scope) -> None:
        token = header(scope, HEADER.encode()) or ""
        scope["latchkey.caller"] = verify(token, reads=scope["method"] == "GET")

    return Guard(app, trust_request_id=True, before=check_caller, body_limits=body_limits or {})
