"""Connections to another service of ours, kept open (aiohttp). One call is sent once: what may be repeated says our client."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aiohttp

CONNECT_SECONDS = 1.0
POOL_SECONDS = 2.0
KEEP_SECONDS = 60.0  # shorter than the servers', so that they are never the first to close


class NotSent(Exception):
    """Nobody can have got it."""


class Unanswered(Exception):
    """It may have arrived."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes = b""


class Transport(Protocol):
    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer: ...

    async def close(self) -> None: ...


class Connections:
    """Deadlines of whole calls are the caller's; bodies are small, so they are read at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._session: aiohttp.ClientSession | None = None

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None, params: Mapping[str, str] | None
    ) -> Answer:
        """Raises NotSent or Unanswered."""
        session = self._session or self._open()
        try:
            async with session.request(
                method, url, headers=headers, data=content, params=params, allow_redirects=False
            ) as answer:
                return Answer(answer.status, await answer.read())
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise NotSent(type(error).__name__) from None
        except aiohttp.ClientError as error:
            raise Unanswered(type(error).__name__) from None

    def _open(self) -> aiohttp.ClientSession:
        """Not before there is a loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._most, keepalive_timeout=KEEP_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, connect=POOL_SECONDS, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("user-agent", "content-type", "accept", "accept-encoding"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - it would send PUT and DELETE twice
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
