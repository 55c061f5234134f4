"""The keyed hash of an address. The key lies outside of the database, so that a list of addresses can't be tried against it."""

import hmac
from hashlib import sha256

from latchkey_contracts.notifier import Channel


def fingerprint(key: bytes, channel: Channel, to: str) -> bytes:
    """The same for all spellings of one address; SMS and voice share a number but not a list."""
    return hmac.digest(key, f"suppression/{channel}/{to.strip().casefold()}".encode(), sha256)
