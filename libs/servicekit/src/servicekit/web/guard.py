"""The outermost layer of every HTTP application: what no handler should ever see is refused here (API-2).

Pure ASGI: BaseHTTPMiddleware costs more than everything else together.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from prometheus_client import Histogram
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from servicekit import errors
from servicekit.context import Trace, new_trace, use_trace
from servicekit.errors import FieldError, ServiceError
from servicekit.logging import get_logger, security_event

from .problems import pointer, problem_response

MAX_BODY = 64 * 1024
BODY_SECONDS = 20.0  # a body that drips in slower than this holds a connection for nothing
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Where a JSON text of ASCII and harmless escapes can't hide a control character; else it is looked at string by string.
_SUSPECT = re.compile(rb"\\[ubf]|\x7f|\xc2[\x80-\x9f]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
log = get_logger("servicekit.web.http")
# Rate, errors and duration of every route (REL-18); by its template, never by the path.
SECONDS = Histogram(
    "latchkey_http_seconds",
    "How long answers took",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10),
)


def request_id(scope: Scope | MutableMapping[str, Any]) -> str:
    return str(scope.get("latchkey.request_id", ""))


def header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


@dataclass
class Guard:
    """Request id, trace, access log and measures; strict body, query and path.

    before: may raise a ServiceError; with `trust_request_id` whoever passes it may name the request and the trace.
    forms: where a form may be posted, beside JSON. body_limits: bytes, for paths that take more than 64 KiB.
    refuse: how a refusal is told, if not as problem+json.
    """

    app: ASGIApp
    trust_request_id: bool = False
    forms: Callable[[Scope], bool] = lambda _scope: False
    access_log: bool = True
    before: Callable[[Scope], None] | None = None
    body_limits: Mapping[str, int] = field(default_factory=dict)
    refuse: Callable[[Scope, ServiceError], Response] = lambda scope, error: problem_response(error, request_id(scope))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        refused = self._admission(scope)
        trace = _trace(scope, trusted=self.trust_request_id and refused is None)
        scope["latchkey.request_id"] = trace.request_id
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", trace.request_id.encode())]
            await send(message)

        with use_trace(trace):
            try:
                if refused is not None:
                    raise refused
                body = await self._checked_body(scope, receive)
                await self.app(scope, _replayed(body, receive), answer)
            except ServiceError as error:
                security_event("input_validation_fail" if error.status != 403 else "authz_fail", "fail", reason=error.code)
                await self.refuse(scope, error)(scope, receive, answer)
            except Exception:
                # Starlette has answered 500 already if it could, and raises the error again for us to write down.
                log.exception("http.unexpected")
                if not status:
                    await self.refuse(scope, errors.InternalError())(scope, receive, answer)
            finally:
                if self.access_log:
                    note(scope["method"], getattr(scope.get("route"), "path", None), status, started)

    def _admission(self, scope: Scope) -> Exception | None:
        """What `before` raised: a refusal, or a mistake of ours, which is told and written down like one in a handler."""
        try:
            if self.before is not None:
                self.before(scope)
        except Exception as error:  # noqa: BLE001 - raised again where there is a trace
            return error
        return None

    async def _checked_body(self, scope: Scope, receive: Receive) -> bytes:
        _check_path(scope)
        _check_pairs(scope["query_string"])
        limit = self.body_limits.get(scope["path"], MAX_BODY)
        declared = header(scope, b"content-length")
        if declared is not None and (not declared.isdecimal() or int(declared) > limit):
            raise errors.BodyTooLarge
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _read(receive, limit)
        except TimeoutError:
            raise errors.MalformedRequest("The body did not come") from None
        scope["latchkey.body"] = body
        if body:
            self._check_content(scope, body)
        return body

    def _check_content(self, scope: Scope, body: bytes) -> None:
        kind = (header(scope, b"content-type") or "").split(";")[0].strip().lower()
        if kind == JSON:
            _check_json(body)
        elif kind == FORM and self.forms(scope):
            _check_pairs(body)
        else:
            raise errors.UnsupportedMediaType


def note(method: str, route: str | None, status: int, started: float) -> None:
    """In the log and in the measures; the template of the path, never the path: there are tokens in some (LNK-8)."""
    route, method = route or "(none)", method if method in METHODS else "(other)"
    seconds = time.monotonic() - started
    SECONDS.labels(method, route, status or 499).observe(seconds)
    log.info("http.request", method=method, route=route, status=status or 499, ms=round(seconds * 1000, 1))


def _trace(scope: Scope, *, trusted: bool) -> Trace:
    if not trusted:
        return new_trace(authtype="unauthenticated")
    name = header(scope, b"x-request-id")
    return new_trace(
        request_id=name if name and _REQUEST_ID.fullmatch(name) else None,
        traceparent=header(scope, b"traceparent"),
        authtype="unauthenticated",
    )


async def _read(receive: Receive, limit: int) -> bytes:
    """Stops reading as soon as it is too much."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise errors.MalformedRequest("The body did not come")
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > limit:
            raise errors.BodyTooLarge
        if not message.get("more_body", False):
            return body


def _check_path(scope: Scope) -> None:
    raw = scope.get("raw_path") or b""
    if b"%" not in raw:
        return
    try:
        if not _CONTROL.search(unquote_to_bytes(raw).decode("utf-8")):
            return
    except UnicodeDecodeError:
        pass
    raise errors.MalformedRequest("The path can't be read")


def _check_pairs(encoded: bytes) -> None:
    """A query or a form: UTF-8, each name once, no control characters but line ends."""
    if not encoded:
        return
    try:
        pairs = parse_qsl(encoded.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise errors.MalformedRequest("The parameters can't be read") from None
    seen = set()
    for name, value in pairs:
        if name in seen:
            raise _twice(name)
        seen.add(name)
        if _CONTROL.search(value) or _CONTROL.search(name):
            raise _control([name])


def _check_json(body: bytes) -> None:
    """Syntax, duplicate names, control characters. Types and bounds are the schema's, which reads it again."""
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if _SUSPECT.search(body) and (found := next(_with_control(document), None)) is not None:
            raise _control(found)
    except (ValueError, RecursionError):
        raise errors.MalformedRequest("The body is not JSON") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [name for name, _ in pairs]
        raise _twice(next(name for name in names if names.count(name) > 1))
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are Python's, not JSON's


def _with_control(value: Any, place: Sequence[object] = ()) -> Iterator[Sequence[object]]:
    if isinstance(value, str):
        if _CONTROL.search(value):
            yield place
    elif isinstance(value, dict):
        for name, one in value.items():
            if _CONTROL.search(name):
                yield (*place, name)
            yield from _with_control(one, (*place, name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _with_control(one, (*place, number))


def _twice(name: str) -> ServiceError:
    wrong = FieldError(pointer(_shown(name)), "duplicate", "This is given twice")
    return errors.MalformedRequest("Something is given twice", errors=[wrong.as_dict()])


def _control(place: Sequence[object]) -> ServiceError:
    shown = pointer(*(_shown(part) for part in place))
    return errors.ValidationFailed([FieldError(shown, "control_character", "This holds a character that can't be seen")])


def _shown(part: object) -> object:
    return _CONTROL.sub("\ufffd", part) if isinstance(part, str) else part


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again
