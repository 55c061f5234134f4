"""Connections that lead to applications in this very process, by their origin: the whole protocol without sockets."""

from collections.abc import Mapping

import httpx
from servicekit.web.transport import Answer, NotSent
from starlette.types import ASGIApp


class Wire:
    """A `servicekit.web.transport.Transport`. Who isn't among `hosts` can't be reached; `asked`: what was, in its order."""

    def __init__(self, hosts: Mapping[str, ASGIApp]) -> None:
        self.hosts = dict(hosts)
        self.asked: list[str] = []

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        self.asked.append(f"{method} {url}")
        app = next((one for origin, one in self.hosts.items() if url.startswith(f"{origin}/")), None)
        if app is None:
            raise NotSent("ClientConnectorError")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app)) as client:
            answer = await client.request(method, url, headers=dict(headers), content=content, params=params)
        return Answer(answer.status_code, answer.content, answer.headers)

    async def close(self) -> None:
        pass
