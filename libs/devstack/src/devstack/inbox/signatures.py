"""How the stand-ins sign and check, written from the providers' own documents and not from the notifier's code."""

import base64
import hashlib
import hmac
from collections.abc import Mapping

TOLERANCE_SECONDS = 5 * 60


def twilio(auth_token: str, url: str, parameters: Mapping[str, str]) -> str:
    """X-Twilio-Signature ("Validating requests are coming from Twilio"): the whole URL, then names and values in the order of
    the names, all without separators; HMAC-SHA1 with the account's token, base64.
    """
    text = url
    for name in sorted(parameters):
        text += name + parameters[name]
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def webhook(key: bytes, identifier: str, seconds: int, body: bytes) -> dict[str, str]:
    """The three headers of Standard Webhooks, version 1."""
    signed = b".".join([identifier.encode(), str(seconds).encode(), body])
    value = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": identifier, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{value}"}


def is_signed(key: bytes, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    seconds = headers.get("webhook-timestamp", "")
    if not seconds.isdecimal() or abs(int(seconds) - now) > TOLERANCE_SECONDS:
        return False
    right = webhook(key, headers.get("webhook-id", ""), int(seconds), body)["webhook-signature"]
    return any(hmac.compare_digest(one.encode(), right.encode()) for one in headers.get("webhook-signature", "").split(" "))
