"""Key files: sealing ring, callers' signing keys, keys of keyed hashes. `latchkey keys init|rotate` writes them.

    sealing/public.jwks.json    whoever seals for the notifier needs it
    sealing/private.jwks.json   the notifier alone
    callers/<name>.private.pem  that service alone
    callers/<name>.public.pem   everybody: the key that signs, and the one before it
    secrets/<name>.key          32 random bytes each

In production they are mounted as files, per service only those that it needs.
"""

import json
import os
import re
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, KeySet, OKPKey
from latchkey_contracts.topics import RETENTION_MS, SERVICES

from .clock import Clock

CALLERS = (*SERVICES, "operator")
_PUBLIC_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)
SECRETS = ("lookup", "code", "idempotency", "csrf", "flow", "device", "factor")
# A sealed envelope lies on a topic no longer than this; then its key has no use any more (decision 3).
KEEP_PRIVATE = timedelta(milliseconds=RETENTION_MS) + timedelta(days=1)


class Keys:
    """Reads key files when they are asked for, and again when they have changed. A missing one raises FileNotFoundError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._cache: dict[str, tuple[tuple[int, int], Any]] = {}

    def _load(self, name: str, parse: Any) -> Any:
        path = f"{self._directory}/{name}"
        status = os.stat(path)
        version = (status.st_mtime_ns, status.st_ino)
        cached = self._cache.get(name)
        if cached is None or cached[0] != version:
            cached = self._cache[name] = (version, parse(Path(path).read_bytes()))
        return cached[1]

    def secret(self, name: str) -> bytes:
        """32 bytes for a keyed hash or AES-256-GCM."""
        found: bytes = self._load(f"secrets/{name}.key", bytes)
        return found

    def caller_private(self, name: str) -> OKPKey:
        """The one that signs."""
        found: OKPKey = self._load(f"callers/{name}.private.pem", _import_pem)
        return found

    def caller_ring(self, name: str) -> list[OKPKey]:
        """All with which that service's signatures may be made, the newest first."""
        found: list[OKPKey] = self._load(f"callers/{name}.public.pem", _import_pems)
        return found

    def caller_public(self, name: str, kid: str) -> OKPKey | None:
        return next((key for key in self.caller_ring(name) if key.kid == kid), None)

    def sealing_current(self) -> ECKey:
        """The public key to seal with: the newest of the ring."""
        ring: list[ECKey] = self._load("sealing/public.jwks.json", _import_ring)
        return ring[-1]

    def sealing_private(self, kid: str) -> ECKey | None:
        ring: list[ECKey] = self._load("sealing/private.jwks.json", _import_ring)
        return next((key for key in ring if key.kid == kid), None)


def _import_pem(data: bytes) -> OKPKey:
    """Its `kid` is its thumbprint (RFC 7638)."""
    key = OKPKey.import_key(data)
    key.ensure_kid()
    return key


def _import_pems(data: bytes) -> list[OKPKey]:
    return [_import_pem(one) for one in _PUBLIC_PEM.findall(data)]


def _import_ring(data: bytes) -> list[Any]:
    return list(KeySet.import_key_set(json.loads(data)).keys)


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask, or a part left over, says
        file.write(data)
    part.replace(path)


def init(directory: Path, clock: Clock | None = None) -> None:
    """Makes what is missing; never changes what is there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name in SECRETS:
        if not (path := directory / "secrets" / f"{name}.key").exists():
            _write(path, secrets.token_bytes(32))
    for name in CALLERS:
        _init_caller(directory / "callers", name)
    sealing = directory / "sealing"
    if not (sealing / "private.jwks.json").exists():
        _write_ring(directory, [_new_key(clock or Clock())])
    elif not (sealing / "public.jwks.json").exists():
        _write_ring(directory, json.loads((sealing / "private.jwks.json").read_bytes())["keys"])


def _init_caller(directory: Path, name: str) -> None:
    private, public = directory / f"{name}.private.pem", directory / f"{name}.public.pem"
    if not private.exists():
        _rotate_caller(directory, name)
    elif not public.exists():
        _write(public, _import_pem(private.read_bytes()).as_pem(private=False), 0o644)


def _rotate_caller(directory: Path, name: str) -> None:
    """Everybody may know the new key before anything is signed with it; the one before verifies until the next rotation."""
    private, public = directory / f"{name}.private.pem", directory / f"{name}.public.pem"
    fresh, before = OKPKey.generate_key("Ed25519"), b""
    if private.exists():  # whatever a crash left in the ring, what signs must go on verifying
        before = _import_pem(private.read_bytes()).as_pem(private=False)
    elif public.exists():
        before = _PUBLIC_PEM.findall(public.read_bytes())[0]
    _write(public, fresh.as_pem(private=False) + before, 0o644)
    _write(private, fresh.as_pem(private=True))


def rotate(directory: Path, clock: Clock) -> str:
    """Adds a sealing key that is used from now on; destroys private keys that no record on a topic can need. Answers its kid.

    Every caller signs with a key of its own that is new, too. Raises FileNotFoundError, with nothing written, where no keys are.
    """
    ring = json.loads((directory / "sealing" / "private.jwks.json").read_bytes())["keys"]
    for name in CALLERS:
        _rotate_caller(directory / "callers", name)
    now = clock.now()
    superseded = [one["created_at"] for one in ring[1:]] + [now.isoformat()]
    kept = [one for one, replaced in zip(ring, superseded, strict=True) if datetime.fromisoformat(replaced) + KEEP_PRIVATE > now]
    fresh = _new_key(clock)
    _write_ring(directory, [*kept, fresh])
    return str(fresh["kid"])


def _new_key(clock: Clock) -> dict[str, Any]:
    now = clock.now()
    kid = f"{now:%Y%m%d}-{secrets.token_hex(4)}"
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "enc"})
    return {**key.as_dict(private=True), "kid": kid, "use": "enc", "created_at": now.isoformat()}


def _write_ring(directory: Path, ring: list[dict[str, Any]]) -> None:
    public = [{name: value for name, value in one.items() if name != "d"} for one in ring]
    _write(directory / "sealing" / "private.jwks.json", json.dumps({"keys": ring}).encode())
    _write(directory / "sealing" / "public.jwks.json", json.dumps({"keys": public}).encode(), 0o644)
