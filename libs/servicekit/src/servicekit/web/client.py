"""Calls to another service of ours: signed caller, deadline, the peer's errors as the same classes (REL-16)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from servicekit.clock import Clock
from servicekit.context import current_trace
from servicekit.errors import CallerNotAllowed, InternalError, Overloaded
from servicekit.logging import get_logger

from .caller import HEADER, Caller, Signer
from .problems import from_problem
from .transport import Answer, Connections, NotSent, Transport, Unanswered

log = get_logger("servicekit.web.client")
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
        content = orjson.dumps(json) if json is not None else None
        return _parsed(await self._answered(method, path, caller, content, params, deadline))

    async def read(self, path: str, *, caller: Caller) -> bytes:
        """What the peer answers to GET, as it stands, for whoever passes it on. Raises as `request` does."""
        return (await self._answered("GET", path, caller, None, None, None)).content

    async def _answered(
        self,
        method: str,
        path: str,
        caller: Caller,
        content: bytes | None,
        params: Mapping[str, str] | None,
        deadline: float | None,
    ) -> Answer:
        if self._clock.monotonic() < self._closed_until:
            raise Overloaded
        try:
            async with asyncio.timeout(deadline or self._timeout):
                answer = await self._signed(method, path, caller, content, params)
                if _refuses(answer):  # so nothing was done; one that this process, held up, sent too late has a second chance
                    answer = await self._signed(method, path, caller, content, params)
        except (NotSent, Unanswered, TimeoutError) as error:
            self._failed(error)
            raise Overloaded from None
        self._failures = 0
        if answer.status >= 400:
            if _refuses(answer):  # between services: our mistake, not the customer's
                log.error("peer.refuses_us", peer=self._audience, method=method)
                raise InternalError
            raise from_problem(_parsed(answer), answer.status)
        return answer

    async def _signed(
        self, method: str, path: str, caller: Caller, content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        trace = current_trace()
        headers = {
            HEADER: (self._signer.sign_read if method == "GET" else self._signer.sign)(caller, self._audience),
            "x-request-id": trace.request_id,
            "traceparent": trace.traceparent,
        }
        if content is not None:
            headers["content-type"] = "application/json"
        return await self._send(method, self._base_url + path, headers, content, params)

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


def _refuses(answer: Answer) -> bool:
    """It doesn't take us for one who may call."""
    return answer.status >= 400 and isinstance(from_problem(_parsed(answer), answer.status), CallerNotAllowed)


def _parsed(answer: Answer) -> Any:
    if not answer.content:
        return None
    try:
        return orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return None
