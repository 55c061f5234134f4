"""Signatures of the HTTPS provider's requests and of its callbacks, as Standard Webhooks say (standardwebhooks.com, v1)."""

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ValidationError

from .base import Callback, Forged, Receipt

TOLERANCE_SECONDS = 300.0  # how far a timestamp may be from our clock
PREFIX = "whsec_"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")  # what isn't is no time, and may be more than a float holds


def key_of(secret: str) -> bytes:
    """The bytes behind whsec_<base64>. Raises ValueError."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("is not whsec_<base64>") from None
    if len(key) < 24:
        raise ValueError("is shorter than 24 bytes")
    return key


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{_signature(key, message_id, str(timestamp), body)}",
    }


def verify(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raises Forged."""
    try:
        message_id, timestamp, given = (headers[name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature"))
    except KeyError:
        raise Forged("not signed") from None
    if _TIMESTAMP.fullmatch(timestamp) is None:
        raise Forged("not signed")
    if abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        raise Forged("its time is not ours")
    expected = f"v1,{_signature(key, message_id, timestamp, body)}"
    if not any(hmac.compare_digest(expected.encode(), part.encode()) for part in given.split(" ")):
        raise Forged("the signature is wrong")


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    return base64.b64encode(hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, sha256)).decode()


class _Told(BaseModel):
    """What a callback's body says (docs/operations.md, "A provider of your own")."""

    message_id: UUID
    state: Literal["accepted", "delivered", "failed", "bounced", "complained"]
    reason: str | None = None


def receipts(key: bytes | None, callback: Callback, now: float) -> list[Receipt]:
    """One object or a list of them. Raises Forged."""
    if key is None:
        raise Forged("this provider has no secret for callbacks")
    verify(key, callback.headers, callback.body, now)
    try:
        document: Any = json.loads(callback.body)
        told = [_Told.model_validate(one) for one in (document if isinstance(document, list) else [document])]
    except (ValueError, ValidationError):
        raise Forged("the body is not understood") from None
    return [Receipt(one.message_id, one.state, (one.reason or "")[:200] or None) for one in told]
