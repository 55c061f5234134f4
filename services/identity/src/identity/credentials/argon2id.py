"""Argon2id (RFC 9106) by the fastest implementation that is installed, in the PHC string form that argon2-cffi reads and writes.

The wheel of argon2-cffi is compiled for any x86-64; libsodium (PyNaCl) chooses SSSE3, AVX2 or AVX-512 as it runs and computes the
same for one lane, a third faster where it finds them. Which one serves is measured as the process starts, after both have
given a known answer, and told in the log.
"""

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import nacl.bindings as sodium
from argon2.exceptions import HashingError, InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret_raw, verify_secret
from nacl.exceptions import CryptoError
from servicekit.logging import get_logger

log = get_logger("identity.credentials")

SALT_BYTES = sodium.crypto_pwhash_SALTBYTES  # 16, which is also what argon2-cffi takes
HASH_BYTES = 32
VERSION = 19
# password, salt, passes, KiB; answers HASH_BYTES. Both release the GIL.
Derive = Callable[[bytes, bytes, int, int], bytes]


def _argon2_cffi(password: bytes, salt: bytes, passes: int, memory_kib: int) -> bytes:
    return hash_secret_raw(password, salt, passes, memory_kib, 1, HASH_BYTES, Type.ID)


def _libsodium(password: bytes, salt: bytes, passes: int, memory_kib: int) -> bytes:
    return sodium.crypto_pwhash_alg(HASH_BYTES, password, salt, passes, memory_kib * 1024, sodium.crypto_pwhash_ALG_ARGON2ID13)


IMPLEMENTATIONS: dict[str, Derive] = {"libsodium": _libsodium, "argon2-cffi": _argon2_cffi}
# By argon2-cffi 25.1; the first one also by the reference program, Debian's `argon2`: password, salt, passes, KiB, hash.
KNOWN = (
    (b"password", b"somesalt12345678", 2, 64, "d1dd9f4bfa15a408c1ae553f4c84aa83d73afcdb94a3b5b597e8eb201489b96b"),
    ("Zürich 🦦".encode(), bytes(range(16)), 3, 1024, "785a37a2dda60ac33d5036703bc39c6ac81be9f9132275d027b47a509655b23d"),
)


def gives_known_answers(derive: Derive) -> bool:
    try:
        return all(derive(password, salt, passes, kib).hex() == wanted for password, salt, passes, kib, wanted in KNOWN)
    except (CryptoError, HashingError):
        return False


def fastest(passes: int, memory_kib: int, implementations: dict[str, Derive] | None = None) -> tuple[str, Derive]:
    """Raises RuntimeError if none computes what it should: nobody may be locked out, or let in, by a broken library."""
    good = {name: one for name, one in (implementations or IMPLEMENTATIONS).items() if gives_known_answers(one)}
    if not good:
        raise RuntimeError("no implementation of Argon2id gives the known answers")
    took = {name: min(_seconds(one, passes, memory_kib) for _ in range(3)) for name, one in good.items()}
    name = min(took, key=took.__getitem__)
    log.info("argon2id.chosen", implementation=name, milliseconds={one: round(s * 1000, 1) for one, s in took.items()})
    return name, good[name]


def _seconds(derive: Derive, passes: int, memory_kib: int) -> float:
    began = time.thread_time()
    derive(b"how long does it take", b"\0" * SALT_BYTES, passes, memory_kib)
    return time.thread_time() - began


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a stored string of ours says. Strings of other systems may have more lanes or another salt: `verify_secret` reads those."""

    passes: int
    memory_kib: int
    salt: bytes
    hash: bytes


def parse(stored: str) -> Parsed | None:
    """`$argon2id$v=19$m=19456,t=2,p=1$salt$hash`, base64 without padding; None for anything that isn't exactly of this form."""
    try:
        empty, kind, version, parameters, salt, hashed = stored.split("$")
        memory, passes, lanes = (int(value) for value in _values(parameters, ("m", "t", "p")))
        found = Parsed(passes, memory, _decode(salt), _decode(hashed))
    except ValueError:
        return None
    ours = empty == "" and kind == "argon2id" and version == f"v={VERSION}" and lanes == 1
    return found if ours and len(found.salt) == SALT_BYTES and len(found.hash) == HASH_BYTES else None


def _values(parameters: str, names: Sequence[str]) -> list[str]:
    pairs = [one.partition("=") for one in parameters.split(",")]
    if [name for name, _, _ in pairs] != list(names):
        raise ValueError("not these parameters")
    return [value for _, _, value in pairs]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode()


class Argon2id:
    """`memory_kib`, `passes`: for new hashes. One lane: more only hurt under load."""

    def __init__(self, *, memory_kib: int, passes: int) -> None:
        self.memory_kib, self.passes = memory_kib, passes
        self.implementation, self._derive = fastest(passes, memory_kib)

    def hash(self, password: str) -> str:
        salt = secrets.token_bytes(SALT_BYTES)
        hashed = self._derive(password.encode(), salt, self.passes, self.memory_kib)
        return f"$argon2id$v={VERSION}$m={self.memory_kib},t={self.passes},p=1${_encode(salt)}${_encode(hashed)}"

    def verify(self, stored: str, password: str) -> bool:
        """By the parameters that are stored with the hash; what is no hash matches nothing."""
        found = parse(stored)
        try:
            if found is None:
                return verify_secret(stored.encode(), password.encode(), Type.ID)
            hashed = self._derive(password.encode(), found.salt, found.passes, found.memory_kib)
        except (VerificationError, InvalidHashError, HashingError, CryptoError):
            return False
        return hmac.compare_digest(hashed, found.hash)

    def outdated(self, stored: str) -> bool:
        """Made with other parameters than today's."""
        found = parse(stored)
        return found is None or (found.passes, found.memory_kib) != (self.passes, self.memory_kib)
