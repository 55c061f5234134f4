"""Any other provider: a signed POST of JSON, any 2xx is acceptance, signed receipts come back (docs/operations.md)."""

import base64
from datetime import timedelta
from typing import Any

import orjson
from latchkey_contracts.notifier import Channel
from servicekit.clock import Clock

from . import http, signing
from .base import Call, Callback, CallStep, Mail, Message, Receipt, Text


class HttpsProvider:
    repeatable = keyed = True  # Idempotency-Key is the message's id

    def __init__(
        self,
        url: str,
        *,
        key: bytes,
        clock: Clock,
        name: str,
        channels: frozenset[Channel],
        connect_seconds: float = 2.0,
        timeout_seconds: float = 4.0,
    ) -> None:
        self.name = name
        self.channels = channels
        self._url = url
        self._key = key
        self._clock = clock
        self._http = http.client(connect_seconds, timeout_seconds)

    def written(self, message: Message) -> Message:
        return message

    async def send(self, message: Message, *, callback_url: str, expires_in: float, hurry: bool = False) -> str | None:  # noqa: ARG002 - always in a hurry
        now = self._clock.now()
        document = {
            "message_id": message.message_id,
            **_content(message),
            "to": message.to,
            "language": message.language,
            "expires_at": (now + timedelta(seconds=expires_in)).isoformat().replace("+00:00", "Z"),
            "callback_url": callback_url,
        }
        body = orjson.dumps(document)
        headers = {
            "content-type": "application/json",
            "idempotency-key": message.message_id,
            **signing.sign(self._key, message.message_id, int(now.timestamp()), body),
        }
        answer = await http.post(self._http, self._url, headers, body)
        try:
            said: Any = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            return None  # accepted all the same: the status says so
        found = said.get("id") if isinstance(said, dict) else None
        return found[:200] if isinstance(found, str) else None

    def read(self, callback: Callback) -> list[Receipt] | CallStep:
        return signing.receipts(self._key, callback, self._clock.now().timestamp())

    async def close(self) -> None:
        await self._http.close()


def _content(message: Message) -> dict[str, Any]:
    if isinstance(message, Text):
        return {"channel": "sms", "text": message.body}
    if isinstance(message, Call):
        # Whoever calls must ask for a key before it says the rest (PST-4).
        return {"channel": "voice", "prompt": message.prompt, "text": message.body}
    assert isinstance(message, Mail)  # noqa: S101 - there is no fourth
    sender = {"from": message.sender_address, "from_name": message.sender_name}
    shown = [message.picture] if message.picture is not None else []
    inline = [
        {"content_id": picture.name, "type": "image/png", "base64": base64.b64encode(picture.png).decode()} for picture in shown
    ]
    mail = {"channel": "email", "subject": message.subject, "text": message.text, "html": message.html, **sender}
    return {**mail, "inline": inline}
