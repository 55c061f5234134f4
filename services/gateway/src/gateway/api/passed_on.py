"""What a signed-in customer reads, passed on as it stands: in front of everything that other requests need, for a third of its price.

Which reads these are says the list of operations. Whatever is unusual about a request goes the long way, which answers the same.
"""

import time
from collections.abc import Callable
from typing import Any

import orjson
from servicekit.context import new_trace, use_trace
from servicekit.errors import InternalError, ServiceError, SessionRequired
from servicekit.logging import get_logger
from servicekit.web.guard import note
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .operations import OPERATIONS, Operation
from .routes import etag
from .service import Gateway

log = get_logger("gateway.api")
# What the long way does with a flow on its way to the caller, or takes out of it.
_TOUCHED = frozenset({"kind", "typed", "given_name"})


def passed_on(one: Operation) -> bool:
    """A read of a signed-in customer at one address, of which nothing is kept back and to which nothing is added."""
    plain = one.method == "GET" and one.who == "session" and one.counts is None and "{" not in one.path
    return plain and one.owner not in {"gateway", "link"} and not _TOUCHED & set(getattr(one.answer, "model_fields", _TOUCHED))


READS: dict[str, Operation] = {one.path: one for one in OPERATIONS if passed_on(one)}


class PassedOn:
    """`before` and `refuse`: as the guard has them."""

    def __init__(
        self,
        app: ASGIApp,
        gateway: Gateway,
        *,
        before: Callable[[Scope], None],
        refuse: Callable[[Scope, ServiceError], Response],
    ) -> None:
        self._app, self._gateway, self._before, self._refuse = app, gateway, before, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = READS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if operation is None or scope["query_string"] or _has_body(scope):
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0
        trace = new_trace(authtype="unauthenticated")
        scope["latchkey.request_id"] = trace.request_id
        named = (b"x-request-id", trace.request_id.encode())

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], named]
            await send(message)

        with use_trace(trace):
            try:
                body = await self._read(scope, operation)
                headers: list[Any] = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
                if operation.versioned:
                    headers.append((b"etag", etag(orjson.loads(body)).encode()))
                await answer({"type": "http.response.start", "status": 200, "headers": headers})
                await answer({"type": "http.response.body", "body": body})
            except ServiceError as error:
                await self._refuse(scope, error)(scope, receive, answer)
            except Exception:
                log.exception("http.unexpected")
                if not status:
                    await self._refuse(scope, InternalError())(scope, receive, answer)
            finally:
                note("GET", operation.path, status, started)

    async def _read(self, scope: Scope, operation: Operation) -> bytes:
        self._before(scope)
        visitor = await self._gateway.with_session(scope["latchkey.visitor"])
        if visitor.session is None:
            raise SessionRequired
        return await self._gateway.peers[operation.owner].read(operation.path, caller=visitor.caller())


def _has_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])
