"""A provider's HTTP port. It can be shut, and a line can be cut in the middle: what uvicorn's own server has no means for."""

import asyncio
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState


class Port:
    def __init__(self, app: ASGIApp, port: int) -> None:
        self._config = uvicorn.Config(app, log_level="warning", lifespan="off", access_log=False, proxy_headers=False)
        self._state = ServerState()
        self._port = port
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        if self._server is None:
            made = lambda: H11Protocol(self._config, self._state, {})  # noqa: E731
            self._server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", self._port)

    def shut(self) -> None:
        """From now on connections are refused, and those that wait in somebody's pool are closed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._state.connections):
            if connection.transport is not None:
                connection.transport.abort()

    def cut(self, request: Request) -> None:
        """The line of this request goes dead, unsaid whatever would have been answered."""
        for connection in list(self._state.connections):
            if isinstance(connection, H11Protocol) and connection.client == _peer(request):
                connection.transport.abort()


def _peer(request: Request) -> Any:
    return tuple(request.client) if request.client is not None else None
