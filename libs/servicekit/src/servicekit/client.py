"""Calls to another service of ours: signed caller, deadline, the peer's errors as the same classes (REL-16)."""

from typing import Any

import httpx
import orjson

from .caller import HEADER, Caller, Signer
from .clock import Clock
from .context import current_trace
from .errors import Overloaded
from .http import from_problem
from .logging import get_logger

log = get_logger("servicekit.client")
OPEN_AFTER = 5  # failures in a row
OPEN_SECONDS = 1.0


class InternalClient:
    """One per peer. After five failures in a row it answers Overloaded at once for a second, then tries again."""

    def __init__(self, audience: str, base_url: str, signer: Signer, clock: Clock, *, timeout: float = 10.0) -> None:
        self._audience = audience
        self._signer = signer
        self._clock = clock
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(timeout, connect=1.0, pool=2.0),
            limits=httpx.Limits(max_connections=200, max_keepalive_connections=100, keepalive_expiry=60),
            trust_env=False,
        )
        self._failures = 0
        self._closed_until = 0.0

    async def request(self, method: str, path: str, *, caller: Caller, json: Any = None) -> Any:
        """The parsed answer; raises the ServiceError that the peer answered, or Overloaded when it can't be reached."""
        if self._clock.monotonic() < self._closed_until:
            raise Overloaded
        trace = current_trace()
        headers = {
            HEADER: self._signer.sign(caller, self._audience),
            "x-request-id": trace.request_id,
            "traceparent": trace.traceparent,
        }
        content = None
        if json is not None:
            content = orjson.dumps(json)
            headers["content-type"] = "application/json"
        # A connection that the peer closed while it was idle is no failure of the peer: reading calls are tried once more.
        for again in (method == "GET", False):
            try:
                response = await self._http.request(method, path, content=content, headers=headers)
                break
            except httpx.HTTPError as error:
                if not again:
                    self._failed(error)
                    raise Overloaded from None
        self._failures = 0
        if response.status_code >= 400:
            raise from_problem(_parsed(response), response.status_code)
        return _parsed(response)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        log.warning("peer.unavailable", peer=self._audience, error=type(error).__name__)
        if self._failures >= OPEN_AFTER:
            self._closed_until = self._clock.monotonic() + OPEN_SECONDS

    async def close(self) -> None:
        await self._http.aclose()


def _parsed(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return None
