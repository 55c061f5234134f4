"""Asking providers: where the operator said that they are, in good time, and never more than fits (SSRF; REL-16)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from latchkey_contracts.configuration import SocialProvider
from servicekit.errors import ProviderUnavailable, SocialRefused
from servicekit.logging import get_logger
from servicekit.web.transport import Connections, NotSent, Transport, Unanswered

from .protocol import is_at

MOST_AT_ONCE = 50
CONNECT_SECONDS, ANSWER_SECONDS, WHOLE_SECONDS = 3.0, 5.0, 8.0
MOST_BYTES = 256 * 1024
AGENT = "Latchkey"
log = get_logger(__name__)


def connections() -> Transport:
    return Connections.outwards(
        MOST_AT_ONCE, connect_seconds=CONNECT_SECONDS, answer_seconds=ANSWER_SECONDS, most_bytes=MOST_BYTES
    )


class Remote:
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def ask(
        self,
        provider: SocialProvider,
        what: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Any:
        """The document that it answers. `what`: for the log. Raises ProviderUnavailable; SocialRefused where it says no."""
        if not is_at(url, provider):
            raise unavailable(provider, what, "not_configured")
        asked = {"accept": "application/json", "user-agent": AGENT, **(headers or {})}
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                answer = await self._transport.send(method, url, asked, content, None)
        except (NotSent, Unanswered, TimeoutError) as error:
            raise unavailable(provider, what, str(error) or "TimeoutError") from None
        if answer.status >= 500 or answer.status in {408, 425, 429} or 300 <= answer.status < 400:
            raise unavailable(provider, what, f"status_{answer.status}")
        if answer.status >= 400:
            raise refused(provider, what, f"status_{answer.status}")
        try:
            return orjson.loads(answer.content)
        except ValueError:
            raise unavailable(provider, what, "no_json") from None


def unavailable(provider: SocialProvider, what: str, why: str) -> ProviderUnavailable:
    log.warning("social.provider_unavailable", provider=provider.name, what=what, why=why)
    return ProviderUnavailable(provider=provider.name)


def refused(provider: SocialProvider, what: str, why: str) -> SocialRefused:
    log.warning("social.answer_refused", provider=provider.name, what=what, why=why)
    return SocialRefused(provider=provider.name)
