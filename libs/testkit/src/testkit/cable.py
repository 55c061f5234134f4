"""A wire to PostgreSQL that can be cut, and held so that nothing moves."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Cable:
    """Plug it first; `dsn` leads through it."""

    def __init__(self, dsn: str) -> None:
        self._target = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self.port = 0

    @property
    def dsn(self) -> str:
        user = self._target.netloc.rsplit("@", 1)[0]
        return urlunsplit(self._target._replace(netloc=f"{user}@127.0.0.1:{self.port}"))

    async def plug(self) -> None:
        self._flowing.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self._flowing.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def hold(self) -> None:
        self._flowing.clear()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near, far = writer, None
        with contextlib.suppress(OSError):
            far_reader, far = await asyncio.open_connection(self._target.hostname, self._target.port)
            self._writers |= {near, far}
            await asyncio.gather(self._pump(reader, far), self._pump(far_reader, near))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
