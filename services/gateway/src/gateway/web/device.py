"""The browser in which somebody has signed in to an account before: its wrong passwords are counted apart (BRF-3).

A cookie that nobody else can make: account and a random id under a keyed hash. It opens nothing, and stays when the session ends.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

SECONDS = 180 * 24 * 3600  # from each sign-in
_ID, _SIZE = 16, 16 + 16 + 32


@dataclass(frozen=True, slots=True)
class Device:
    """`id`: 16 random bytes in hex."""

    id: str
    account_id: UUID


def remembered(account_id: UUID, before: Device | None) -> Device:
    """What this browser is from now on; for the same account the same, so that it can't shed its count by signing in."""
    return before if before is not None and before.account_id == account_id else Device(secrets.token_hex(_ID), account_id)


def write(key: bytes, device: Device) -> str:
    content = device.account_id.bytes + bytes.fromhex(device.id)
    # Without padding: a value with "=" would be quoted, and cookies are read as they stand.
    return urlsafe_b64encode(content + _sign(key, content)).decode().rstrip("=")


def read(key: bytes, cookie: str | None) -> Device | None:
    """None for whatever this product hasn't made."""
    try:
        data = urlsafe_b64decode((cookie or "") + "==")
    except ValueError:
        return None
    content, signature = data[:-32], data[-32:]
    if len(data) != _SIZE or not hmac.compare_digest(_sign(key, content), signature):
        return None
    return Device(content[16:].hex(), UUID(bytes=content[:16]))


def _sign(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")
