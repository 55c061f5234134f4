"""What is kept encrypted in a database: AES-256-GCM with a key outside of it (MFA-4, API-4)."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .keys import Keys

_NONCE = 12  # bytes, in front of the text


class Unreadable(Exception):
    """Another key wrote it, or it belongs to another row."""


class AtRest:
    def __init__(self, keys: Keys, key: str) -> None:
        """`key`: the name of the key file."""
        self._keys = keys
        self._key = key

    def encrypt(self, text: bytes, row: bytes) -> bytes:
        """`row`: whose it is; in another row it can't be read."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._keys.secret(self._key)).encrypt(nonce, text, row)

    def decrypt(self, stored: bytes, row: bytes) -> bytes:
        """Raises Unreadable."""
        try:
            return AESGCM(self._keys.secret(self._key)).decrypt(stored[:_NONCE], stored[_NONCE:], row)
        except InvalidTag:
            raise Unreadable from None
