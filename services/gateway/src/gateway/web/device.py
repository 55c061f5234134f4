"""The browser or API client in which somebody has signed in to an account before: its wrong passwords are counted apart (BRF-3).

A token that nobody else can make: account and a random id under a keyed hash. It opens nothing by itself, and stays when the session ends.
Browsers keep it in a cookie, API clients where they like, and send it as `Latchkey-Device`.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

SECONDS = 180 * 24 * 3600  # of the cookie, from each sign-in
_ID, _SIZE = 16, 16 + 16 + 32


@dataclass(frozen=True, slots=True)
class Device:
    """`id`: 16 bytes in hex that nobody can guess."""

    id: str
    account_id: UUID


def remembered(key: bytes, account_id: UUID, token: str, before: Device | None) -> Device:
    """What this browser is from now on; for the same account the same, so that it can't shed its count by signing in.

    `token`: of its flows, or of its session where it has none. A new one is made of that, so that an answer that is given again is the
    same (API-4), and that it is known before there is a session (`named`).
    """
    if before is not None and before.account_id == account_id:
        return before
    return Device(named(key, token), account_id)


def named(key: bytes, token: str) -> str:
    """The id that a browser with this token will have."""
    return hmac.digest(key, f"device\0{token}".encode(), "sha256")[:_ID].hex()


def write(key: bytes, device: Device) -> str:
    content = device.account_id.bytes + bytes.fromhex(device.id)
    # Without padding: a value with "=" would be quoted, and cookies are read as they stand.
    return urlsafe_b64encode(content + _sign(key, content)).decode().rstrip("=")


def read(key: bytes, token: str | None) -> Device | None:
    """None for whatever this product hasn't made."""
    try:
        data = urlsafe_b64decode((token or "") + "==")
    except ValueError:
        return None
    content, signature = data[:-32], data[-32:]
    if len(data) != _SIZE or not hmac.compare_digest(_sign(key, content), signature):
        return None
    return Device(content[16:].hex(), UUID(bytes=content[:16]))


def _sign(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")
