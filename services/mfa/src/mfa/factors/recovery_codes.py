"""Saved recovery codes: ten of 80 random bits, each good for one sign-in (MFA-5, MFA-6).

What is stored is Argon2id of a code under the salt of its set, and of that an HMAC with a key outside of the database. One salt for a set, so
that one typed code costs one Argon2id, whichever of the ten it is.
"""

import asyncio
import base64
import hmac
import secrets

from argon2.low_level import Type, hash_secret_raw
from servicekit.keys import Keys

COUNT = 10
BYTES = 10  # 80 bits: 16 characters of Base32
LENGTH = 16
SALT_BYTES = 16
MEMORY_KIB, PASSES = 19456, 2  # OWASP's least (PWD-5)
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
# People write 0 for O and 1 for I or L; neither figure is in the alphabet.
_MEANT = str.maketrans({"0": "O", "1": "I"})
_AT_ONCE = asyncio.Semaphore(2)


def new_codes() -> list[str]:
    return [base64.b32encode(secrets.token_bytes(BYTES)).decode() for _ in range(COUNT)]


def new_salt() -> bytes:
    return secrets.token_bytes(SALT_BYTES)


def read(typed: str) -> str | None:
    """As it was shown; None: no recovery code looks like this."""
    text = typed.upper().translate(_MEANT)
    return text if len(text) == LENGTH and set(text) <= _ALPHABET else None


async def hashed(keys: Keys, code: str, salt: bytes) -> bytes:
    """Of one code; at most two at a time, so that guesses don't take the machine."""
    async with _AT_ONCE:
        slow = await asyncio.to_thread(
            hash_secret_raw,
            code.encode(),
            salt,
            time_cost=PASSES,
            memory_cost=MEMORY_KIB,
            parallelism=1,
            hash_len=32,
            type=Type.ID,
        )
    return hmac.digest(keys.secret("factor"), b"recovery_code\0" + slow, "sha256")
