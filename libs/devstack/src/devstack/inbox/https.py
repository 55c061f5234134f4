"""A stand-in for a provider of the generic kind: signed JSON in, an id out, signed receipts later (docs/operations.md)."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from servicekit.clock import Clock
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from devstack import providers

from . import signatures
from .callbacks import Callbacks
from .faults import Faults
from .lines import Port
from .store import Message, Store
from .twilio import RECEIPT_SECONDS

_BEFORE = {"temporary": 503, "permanent": 400, "server_error": 500, "unsubscribed": 400}
_UNANSWERED = {"busy": "busy", "no_answer": "no answer", "undelivered": "failed"}


class HttpsStandIn:
    def __init__(
        self, provider: Mapping[str, Any], store: Store, faults: Faults, callbacks: Callbacks, clock: Clock, port: int
    ) -> None:
        self._name, self._key = provider["name"], providers.key_of(provider)
        self._channels = providers.channels(provider)
        self._store, self._faults, self._callbacks, self._clock = store, faults, callbacks, clock
        self.port = Port(Starlette(routes=[Route("/messages", self._take, methods=["POST"])]), port)

    async def _take(self, request: Request) -> Response:
        body = await request.body()
        if not signatures.is_signed(self._key, request.headers, body, self._clock.now().timestamp()):
            return JSONResponse({"error": "the signature is wrong"}, 401)
        document = _read(body)
        key = request.headers.get("idempotency-key")
        if document is None or document["channel"] not in self._channels or not key:
            return JSONResponse({"error": "the document or the idempotency key is not understood"}, 400)
        fault = self._faults.take(document["channel"], self._name)
        if fault in _BEFORE:
            return JSONResponse({"error": fault}, _BEFORE[fault])
        if fault == "time_out":
            await asyncio.sleep(3600)
        message = self._store.keyed(self._name, key)
        if message is None:
            message = self._keep(document, key, fault)
            if fault != "no_receipt":
                self._callbacks.later(self._tell(message, document["callback_url"], fault))
        if fault == "cut":
            self.port.cut(request)
        if fault == "accepted_500":
            return JSONResponse({"error": fault}, 500)
        return JSONResponse({"id": message.headers["sid"]}, 202)

    def _keep(self, document: dict[str, str], key: str, fault: str | None) -> Message:
        text, state = document["text"], "accepted"
        if document["channel"] == "voice":
            text, state = self._call(document, fault)
        return self._store.add(
            channel=document["channel"],
            to=document["to"],
            subject=document.get("subject"),
            text=text,
            html=document.get("html"),
            headers={"provider": self._name, "sid": f"msg-{secrets.token_hex(12)}", "idempotency_key": key},
            message_id=document["message_id"],
            state=state,
        )

    def _call(self, document: dict[str, str], fault: str | None) -> tuple[str, str]:
        """Transcript and state: it asks for a key, and only then says the rest (PST-4)."""
        if fault in _UNANSWERED:
            return f"[{_UNANSWERED[fault]}]", _UNANSWERED[fault]
        if fault == "answering_machine" or self._faults.machine(self._name):
            return f"[answering machine]\n{document['prompt']}\n[no key pressed]", "answering machine"
        return f"{document['prompt']}\n[1 pressed]\n{document['text']}", "answered"

    async def _tell(self, message: Message, url: str, fault: str | None) -> None:
        reason = message.state if message.channel == "voice" and message.state != "answered" else None
        if fault == "undelivered":
            reason = "unreachable"
        last = {"state": "failed", "reason": reason} if reason else {"state": "delivered"}
        for told in ({"state": "accepted"}, last):
            await asyncio.sleep(RECEIPT_SECONDS)
            if told is last and message.channel == "sms":
                self._store.became(message.id, "undelivered" if reason else "delivered")
            await self._callbacks.document(url, self._key, {"message_id": message.message_id, **told})


def _read(body: bytes) -> dict[str, str] | None:
    """None: not what was agreed."""
    try:
        document = json.loads(body)
    except ValueError:
        return None
    wanted = {"message_id", "channel", "to", "language", "text", "expires_at", "callback_url"}
    if not isinstance(document, dict) or not wanted <= set(document):
        return None
    if document["channel"] == "voice" and "prompt" not in document:
        return None
    return document if all(isinstance(value, str) for name, value in document.items() if name != "inline") else None
