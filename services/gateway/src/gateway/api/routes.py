"""The JSON API: one route for each row of `operations`, typed at the edge, passed to the service that owns it under the same path."""

import base64
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from latchkey_contracts.http.callbacks import PassedOn, ProviderAnswer
from pydantic import BaseModel
from servicekit.errors import BodyTooLarge, SessionRequired
from servicekit.web.http import JSONResponse
from starlette.responses import Response

from gateway.web.visitor import Visitor

from .operations import OPERATIONS, Operation
from .service import Gateway

Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="The application's name in addresses")]
FlowId = Annotated[UUID, Path(description="The flow's `id`")]
Provider = Annotated[str, Path(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="The provider's name in the notifier's settings")]
FactorId = Annotated[UUID, Path(description="The factor's `id`")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before; left out for the first")]
IN_PATH: dict[str, Any] = {"app": Slug, "id": FlowId, "factor": FactorId, "provider": Provider}
# What a provider's signature may cover; nothing else of a callback is of use to anybody.
SIGNED_HEADERS = ("content-type", "x-twilio-signature", "webhook-id", "webhook-timestamp", "webhook-signature")
MAX_CALLBACK = 32 * 1024


async def _visitor(request: Request) -> Visitor:  # async: FastAPI runs plain functions in a thread, for many times the price
    found: Visitor = request.scope["latchkey.visitor"]
    return found


VisitorDep = Annotated[Visitor, Depends(_visitor)]


@dataclass(frozen=True)
class Call:
    """One request for one operation. `path`: the operation's, with what the caller put into it."""

    gateway: Gateway
    operation: Operation
    request: Request
    visitor: Visitor
    path: str
    body: BaseModel | None = None
    cursor: str | None = None

    @property
    def json(self) -> Any:
        return self.body.model_dump(mode="json", exclude_unset=True) if self.body is not None else None

    @property
    def peer(self) -> str:
        """The service that is asked; of a link the gateway finds out itself."""
        return "identity" if self.operation.owner == "link" else self.operation.owner


async def start(call: Call) -> Any:
    api = getattr(call.body, "client", None) == "api"
    tries = getattr(call.body, "password", None) is not None and call.operation.tries_password
    return await call.gateway.start(call.request, call.visitor, call.path, call.json, peer=call.peer, api=api, tries=tries)


async def go_on(call: Call) -> Any:
    method, opens = call.operation.method, call.operation.begins
    return await call.gateway.go_on(call.request, call.visitor, call.path, call.json, method=method, peer=call.peer, opens=opens)


async def read(call: Call) -> Any:
    return await call.gateway.call(
        call.request, call.visitor, call.operation.method, call.path, peer=call.peer, cursor=call.cursor
    )


async def _signed_in(call: Call) -> None:
    await call.gateway.with_session(call.visitor)
    if call.visitor.session is None:
        raise SessionRequired


async def perform(call: Call) -> Response:
    """Nearly every operation: its limit, its caller, the owner's answer, and what its caller gets of that."""
    operation, visitor = call.operation, call.visitor
    if operation.who == "session":
        await _signed_in(call)
    step = {"start": start, "try": go_on, None: read}[operation.counts]
    found = await step(call)
    if operation.status == 204:
        return Response(status_code=204)
    response = JSONResponse(None, operation.status)
    if operation.versioned:
        response.headers["etag"] = etag(found)
    body = await call.gateway.finish(visitor, found, response)
    for own in ("typed", "given_name"):  # for our own pages; here it would make answers differ by what was sent (ENU-1)
        body.pop(own, None)
    response.body = response.render(body)
    response.headers["content-length"] = str(len(response.body))
    call.gateway.set_flow_cookie(response, visitor)
    return response


def etag(answer: dict[str, Any]) -> str:
    """Of a versioned answer (RFC 9110 §8.8.3)."""
    return f'"{answer.get("version", "0")}"'


async def read_session(call: Call) -> Response:
    """Answered in front of this route (sessions/hot_path.py); it stands here for unusual requests."""
    await _signed_in(call)
    found = call.visitor.session
    return JSONResponse(found.model_dump(mode="json") if found else None)


async def sign_out(call: Call) -> Response:
    await _signed_in(call)
    response = Response(status_code=204)
    await call.gateway.sign_out(call.request, call.visitor, response)
    return response


async def receive_callback(call: Call) -> Response:
    """Passed on to the notifier, which checks the signature."""
    request = call.request
    body: bytes = request.scope["latchkey.body"]
    if len(body) > MAX_CALLBACK:
        raise BodyTooLarge
    query = f"?{request.url.query}" if request.url.query else ""
    passed_on = PassedOn(
        # The configured origin, never what the caller says in Host: the provider signed the address that it was given.
        url=f"{call.gateway.settings.origin}{request.url.path}{query}"[:2000],
        headers={name: request.headers[name][:1000] for name in SIGNED_HEADERS if name in request.headers},
        content=base64.b64encode(body).decode(),
    )
    path = f"/internal/callbacks/{request.path_params['provider']}"
    found = await call.gateway.peers["notifier"].request("POST", path, caller=call.visitor.caller(), json=passed_on.model_dump())
    answer = ProviderAnswer.model_validate(found)
    return Response(answer.body, answer.status, media_type=answer.content_type)


Handler = Callable[[Call], Awaitable[Response]]
HANDLERS: dict[str, Handler] = {"readSession": read_session, "signOut": sign_out, "receiveCallback": receive_callback}


def _endpoint(gateway: Gateway, operation: Operation) -> Callable[..., Awaitable[Response]]:
    """What FastAPI calls: its signature says what stands in the path and in the body of this operation."""
    handler = HANDLERS.get(operation.id, perform)
    in_path = {name: kind for name, kind in IN_PATH.items() if f"{{{name}}}" in operation.path}
    if operation.path.startswith("/v1/me/factors/"):
        in_path["id"] = FactorId

    async def endpoint(
        request: Request, visitor: Visitor, body: BaseModel | None = None, cursor: str | None = None, **values: Any
    ) -> Response:
        return await handler(Call(gateway, operation, request, visitor, operation.path.format(**values), body, cursor))

    kinds: dict[str, Any] = {"request": Request, "visitor": VisitorDep, **in_path}
    if operation.request is not None:
        kinds["body"] = operation.request
    optional = {"cursor": Cursor} if operation.paged else {}
    only = inspect.Parameter.KEYWORD_ONLY
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, only, annotation=kind) for name, kind in kinds.items()]
        + [inspect.Parameter(name, only, annotation=kind, default=None) for name, kind in optional.items()]
    )
    return endpoint


def router(gateway: Gateway) -> APIRouter:
    routes = APIRouter()
    for one in OPERATIONS:
        routes.add_api_route(
            one.path,
            _endpoint(gateway, one),
            methods=[one.method],
            status_code=one.status,
            response_model=one.answer,
            tags=[one.tag],
            summary=one.summary,
            description=one.description,
            operation_id=one.id,
        )
    return routes
