"""An authenticator in software: makes passkeys and proves them as a browser hands them on (WebAuthn, attestation "none", ES256).

Every lie that a test wants told is a named argument.
"""

import base64
import json
import secrets
import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED = 0x01, 0x04, 0x08, 0x10, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Credential:
    """`count`: how often it was used; a synced one stays at 0."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    synced: bool = False
    count: int = 0

    @property
    def cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})


class Authenticator:
    """One device, in a browser at `origin`."""

    def __init__(self, origin: str, *, synced: bool = False) -> None:
        self.origin, self.synced = origin, synced
        self.held: list[Credential] = []

    def create(self, options: dict[str, Any], **lies: Any) -> dict[str, Any]:
        """`RegistrationResponseJSON`. Refuses, as a real one, where it holds one of `excludeCredentials`."""
        excluded = {one["id"] for one in options["excludeCredentials"]}
        if excluded & {b64(one.id) for one in self.held}:
            raise LookupError("InvalidStateError")
        made = lies.pop("credential", None) or Credential(
            options["rp"]["id"], unb64(options["user"]["id"]), synced=self.synced, count=0 if self.synced else 1
        )
        self.held.append(made)
        client = self._client("webauthn.create", options["challenge"], lies)
        attested = bytes(16) + struct.pack(">H", len(made.id)) + made.id + made.cose
        data = self._data(made, ATTESTED, lies) + attested
        response = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
            "transports": ["internal"],
        }
        return {**self._head(made), "response": response}

    def get(self, options: dict[str, Any], **lies: Any) -> dict[str, Any]:
        """`AuthenticationResponseJSON`, by the newest of those that will do."""
        allowed = {one["id"] for one in options["allowCredentials"]}
        usable = [one for one in self.held if one.rp_id == options["rpId"] and (not allowed or b64(one.id) in allowed)]
        made = lies.pop("credential", None) or usable[-1]
        made.count += 0 if made.synced else 1
        client = self._client("webauthn.get", options["challenge"], lies)
        data = self._data(made, 0, lies)
        signature = made.key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(data),
            "signature": b64(signature),
            "userHandle": b64(made.user_handle),
        }
        return {**self._head(made), "response": response}

    def _client(self, kind: str, challenge: str, lies: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps({**told, **{name: lies[name] for name in lies if name in told}}).encode()

    @staticmethod
    def _data(made: Credential, more: int, lies: dict[str, Any]) -> bytes:
        flags = more | (PRESENT if lies.get("present", True) else 0) | (VERIFIED if lies.get("verified", True) else 0)
        flags |= ELIGIBLE | BACKED_UP if made.synced else 0
        return (
            sha256(lies.get("rp_id", made.rp_id).encode()).digest()
            + bytes([flags])
            + struct.pack(">I", lies.get("count", made.count))
        )

    @staticmethod
    def _head(made: Credential) -> dict[str, Any]:
        return {"id": b64(made.id), "rawId": b64(made.id), "type": "public-key", "clientExtensionResults": {}}
