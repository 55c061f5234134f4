"""gzip for what is the same for everybody: style sheets, scripts, pictures, the API's documentation, an application's description.

Nothing else, on purpose (BREACH): a compressed answer tells by its length whether what its caller put into it resembles what is
secret in it. Pages hold form tokens beside what was typed, and JSON answers hold tokens beside what was sent; neither is compressed.
"""

import gzip
import re
from functools import lru_cache

from servicekit.web.http import header
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OFFERED = re.compile(r"/static/|/v1/docs(/|$)|/v1/openapi\.json$|/v1/apps/[^/]+$")
WORTH_IT = 500  # bytes; less fits into one packet anyway
_GZIP = re.compile(r"(?:^|,)\s*(?:gzip|\*)\s*(?:;\s*q=([0-9.]+)\s*)?(?:,|$)")
_TEXT = (b"text/", b"application/json", b"image/svg+xml")


def accepted(accept_encoding: str) -> bool:
    """RFC 9110 §12.5.3: named, and not with a weight of zero."""
    found = _GZIP.search(accept_encoding.lower())
    return found is not None and (found[1] is None or bool(found[1].strip("0.")))


@lru_cache(maxsize=64)
def _packed(content: bytes) -> bytes:
    """Of what never changes, once for each process."""
    return gzip.compress(content, 9, mtime=0)


class Compressed:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not OFFERED.match(scope["path"]):
            await self._app(scope, receive, send)
            return
        wanted = accepted(header(scope, b"accept-encoding") or "")
        start: Message = {}
        body = b""

        async def answer(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            packed = _packed(body) if wanted and _worth(start, body) else None
            start["headers"] = _headers(start["headers"], packed)
            await send(start)
            await send({"type": "http.response.body", "body": body if packed is None else packed})

        await self._app(scope, receive, answer)


def _worth(start: Message, body: bytes) -> bool:
    kind = dict(start["headers"]).get(b"content-type", b"")
    return start["status"] == 200 and len(body) >= WORTH_IT and kind.startswith(_TEXT)


def _headers(given: list[tuple[bytes, bytes]], packed: bytes | None) -> list[tuple[bytes, bytes]]:
    varied = [*given, (b"vary", b"Accept-Encoding")]
    if packed is None:
        return varied
    kept = [(name, value) for name, value in varied if name != b"content-length"]
    return [*kept, (b"content-length", str(len(packed)).encode()), (b"content-encoding", b"gzip")]
