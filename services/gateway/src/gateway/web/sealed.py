"""What a browser keeps for us and can neither read nor change: the link that a page is about, what was typed before a redirect."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


def seal(key: bytes, purpose: str, content: Any) -> str:
    """AES-256-GCM under a key of its own; opens for the same purpose only. URL-safe, without padding: a cookie's value as it stands."""
    nonce = secrets.token_bytes(_NONCE)
    sealed = AESGCM(_own(key)).encrypt(nonce, orjson.dumps(content), purpose.encode())
    return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")


def unseal(key: bytes, purpose: str, text: str | None) -> Any:
    """None for whatever this product hasn't sealed for this purpose, or under a key that has gone."""
    try:
        data = urlsafe_b64decode((text or "") + "==")
        return orjson.loads(AESGCM(_own(key)).decrypt(data[:_NONCE], data[_NONCE:], purpose.encode()))
    except (ValueError, InvalidTag):
        return None


def _own(key: bytes) -> bytes:
    """Of the key of form tokens, so that deployments need no further file."""
    return hmac.digest(key, b"sealed for a browser", "sha256")
