"""What the stand-ins tell later, over real HTTP to the address that they were given."""

import asyncio
import json
import logging
from collections.abc import Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from servicekit.clock import Clock

from . import signatures

log = logging.getLogger(__name__)
RETRIES = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds between tries: the product may be starting, or a test has killed it


class Callbacks:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)
        self._running: set[asyncio.Task[None]] = set()

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on after the answer was given."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a stand-in broke", exc_info=error)

    async def form(
        self, url: str, parameters: Mapping[str, str], auth_token: str, *, method: str = "POST"
    ) -> httpx.Response | None:
        """As Twilio asks: signed. None: nobody answered."""
        if method == "GET":
            full = str(httpx.URL(url).copy_merge_params(dict(parameters)))
            return await self._tried("GET", full, {"x-twilio-signature": signatures.twilio(auth_token, full, {})})
        signed = {"x-twilio-signature": signatures.twilio(auth_token, url, parameters)}
        return await self._tried("POST", url, signed, data=dict(parameters))

    async def document(self, url: str, key: bytes, document: Mapping[str, Any]) -> None:
        """A receipt as Standard Webhooks say; the same id on every try."""
        body, identifier = json.dumps(document).encode(), f"msg_{uuid4().hex}"
        headers = {
            "content-type": "application/json",
            **signatures.webhook(key, identifier, int(self._clock.now().timestamp()), body),
        }
        await self._tried("POST", url, headers, content=body)

    async def _tried(self, method: str, url: str, headers: dict[str, str], **content: Any) -> httpx.Response | None:
        for wait in (*RETRIES, None):
            try:
                answer = await self._http.request(method, url, headers=headers, **content)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                said = type(error).__name__
            else:
                if answer.status_code < 500:
                    if answer.status_code >= 300:
                        log.warning("a callback was answered with %s", answer.status_code)
                    return answer
                said = str(answer.status_code)
            if wait is None:
                log.warning("a callback found nobody: %s", said)
                return None
            await asyncio.sleep(wait)
        return None


def message_of(callback_url: str) -> str | None:
    """The product's own id of a message: it stands in the address for receipts."""
    found = parse_qs(urlsplit(callback_url).query).get("message")
    return found[0] if found else None
