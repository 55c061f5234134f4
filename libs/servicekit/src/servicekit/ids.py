"""Identifiers: time-ordered ones for events, random ones for everything a stranger may see (ENU-3)."""

import os
import time
from uuid import UUID, uuid4


def uuid7() -> UUID:
    """UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, 74 random bits. PostgreSQL 17 can't make them itself."""
    value = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds & 0xFFFFFFFFFFFF) << 80
    number |= 0x7 << 76
    number |= ((value >> 62) & 0xFFF) << 64
    number |= 0b10 << 62
    number |= value & 0x3FFFFFFFFFFFFFFF
    return UUID(int=number)


def random_id() -> UUID:
    """UUIDv4 with 122 random bits: tells nobody when or after whom it was made."""
    return uuid4()
