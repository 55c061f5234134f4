"""httpx over aiohttp's connections: httpx's own pool walks through all requests in flight for each of them, which costs most
just when a peer is slow.
"""

import aiohttp
import httpx

CONNECT_SECONDS = 1.0
POOL_SECONDS = 2.0
KEEP_SECONDS = 60.0  # shorter than the servers', so that they are never the first to close


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Errors come as httpx's. Deadlines of whole calls are the caller's; bodies are small, so they are read at once."""

    def __init__(self, connections: int) -> None:
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        session = self._session or self._open()
        try:
            async with session.request(
                request.method,
                str(request.url),
                data=request.content or None,
                headers=request.headers.multi_items(),
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx.ConnectTimeout(type(error).__name__) from None
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(type(error).__name__) from None
        except aiohttp.ClientError as error:
            raise httpx.ReadError(type(error).__name__) from None
        return httpx.Response(answer.status, headers=answer.raw_headers, content=content)

    def _open(self) -> aiohttp.ClientSession:
        """Not before there is a loop."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, connect=POOL_SECONDS, sock_connect=CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("user-agent", "content-type"),
        )
        self._session._retry_connection = False  # noqa: SLF001 - it would send PUT and DELETE twice; what may be repeated says our client
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
