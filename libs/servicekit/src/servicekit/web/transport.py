"""Connections to other HTTP servers, kept open: the one place that knows aiohttp. One call is sent once: what may be repeated says
whoever calls.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

import aiohttp

CONNECT_SECONDS = 1.0
POOL_SECONDS = 2.0
KEEP_SECONDS = 60.0  # shorter than the servers', so that they are never the first to close
KEEP_OUTWARDS_SECONDS = 30.0


class NotSent(Exception):
    """Nobody can have got it."""


class Unanswered(Exception):
    """It may have arrived."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)  # names in any case


class Transport(Protocol):
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer: ...

    async def close(self) -> None: ...


class Connections:
    """Bodies are small, so they are read at once."""

    def __init__(self, most: int) -> None:
        """To services of ours, `most` at a time; the deadline of a whole call is the caller's."""
        self._most = most
        self._timeout = aiohttp.ClientTimeout(total=None, connect=POOL_SECONDS, sock_connect=CONNECT_SECONDS)
        self._keep_seconds = KEEP_SECONDS
        self._outwards = False
        self._most_bytes: int | None = None
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def outwards(cls, most: int, *, connect_seconds: float, answer_seconds: float, most_bytes: int | None = None) -> Self:
        """To the world's servers: through the proxies that the environment names. `answer_seconds`: for a place among `most`, for
        the request to leave, and then for every part of the answer. `most_bytes`: of an answer; a longer one counts as none.
        """
        made = cls(most)
        made._most_bytes = most_bytes
        made._timeout = aiohttp.ClientTimeout(
            total=connect_seconds + 3 * answer_seconds,
            connect=answer_seconds,
            sock_connect=connect_seconds,
            sock_read=answer_seconds,
        )
        made._keep_seconds = KEEP_OUTWARDS_SECONDS
        made._outwards = True
        return made

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises NotSent or Unanswered."""
        session = self._session or self._open()
        try:
            async with session.request(
                method, url, headers=headers, data=content, params=params, allow_redirects=False
            ) as answer:
                return Answer(answer.status, await self._read(answer), answer.headers)
        except (
            aiohttp.ConnectionTimeoutError,
            aiohttp.ClientConnectorError,
            aiohttp.InvalidURL,
            aiohttp.NonHttpUrlClientError,
        ) as error:
            raise NotSent(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unanswered(type(error).__name__) from None

    async def _read(self, answer: aiohttp.ClientResponse) -> bytes:
        if self._most_bytes is None:
            return await answer.read()
        content = bytearray()
        async for part in answer.content.iter_any():
            content += part
            if len(content) > self._most_bytes:
                answer.close()
                raise Unanswered("TooLong")
        return bytes(content)

    def _open(self) -> aiohttp.ClientSession:
        """Not before there is a loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._most, keepalive_timeout=self._keep_seconds),
            timeout=self._timeout,
            trust_env=self._outwards,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("user-agent", "content-type", "accept", "accept-encoding"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - it would send PUT and DELETE twice
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
