"""Calls to another service of ours: signed caller, deadline, the peer's errors as the same classes (REL-16)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from .caller import HEADER, Caller, Signer
from .clock import Clock
from .context import current_trace
from .errors import CallerNotAllowed, InternalError, Overloaded
from .logging import get_logger
from .problems import from_problem
from .transport import Answer, Connections, NotSent, Transport, Unanswered

log = get_logger("servicekit.client")
OPEN_AFTER = 5  # failures in a row
OPEN_SECONDS = 1.0


class InternalClient:
    """One per peer. After five failures in a row it answers Overloaded at once for a second, then tries again."""

    def __init__(
        self,
        audience: str,
        base_url: str,
        signer: Signer,
        clock: Clock,
        *,
        timeout: float = 10.0,
        transport: Transport | None = None,
    ) -> None:
        """`timeout`: seconds for a whole call, its repetition included."""
        self._audience = audience
        self._signer = signer
        self._clock = clock
        self._timeout = timeout
        self._base_url = base_url.rstrip("/")
        self._transport = transport or Connections(most=200)
        self._failures = 0
        self._closed_until = float("-inf")

    async def request(
        self,
        method: str,
        path: str,
        *,
        caller: Caller,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Any:
        """The parsed answer; raises the ServiceError that the peer answered, or Overloaded when it can't be reached.

        `deadline`: seconds, if less than the client's own.
        """
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
        try:
            async with asyncio.timeout(deadline or self._timeout):
                answer = await self._send(method, self._base_url + path, headers, content, params)
        except (NotSent, Unanswered, TimeoutError) as error:
            self._failed(error)
            raise Overloaded from None
        self._failures = 0
        if answer.status >= 400:
            answered = from_problem(_parsed(answer), answer.status)
            if isinstance(answered, CallerNotAllowed):  # between services: our mistake, not the customer's
                log.error("peer.refuses_us", peer=self._audience, method=method)
                raise InternalError
            raise answered
        return _parsed(answer)

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        """Once more where that can't do anything twice: a reading call, or one that never left."""
        try:
            return await self._transport.send(method, url, headers, content, params)
        except (NotSent, Unanswered) as error:
            if method != "GET" and isinstance(error, Unanswered):
                raise
            return await self._transport.send(method, url, headers, content, params)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        log.warning("peer.unavailable", peer=self._audience, error=type(error).__name__)
        if self._failures >= OPEN_AFTER:
            self._closed_until = self._clock.monotonic() + OPEN_SECONDS

    async def close(self) -> None:
        await self._transport.close()


def _parsed(answer: Answer) -> Any:
    if not answer.content:
        return None
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
