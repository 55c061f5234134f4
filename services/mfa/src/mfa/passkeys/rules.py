"""WebAuthn as far as it needs no database: challenges, what a browser is asked, and whether its answer holds (MFA-2).

A challenge is kept nowhere. It is an HMAC over what it is for and a window of time, so it is bound to that flow or factor, and lives for
150 to 300 s. It proves something once, for a flow moves on with its proof.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from latchkey_contracts.http.passkeys import Asserted, Registered
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm
from webauthn.helpers.structs import CredentialDeviceType

from .states import Known, New

WINDOW_SECONDS = 150
TIMEOUT_MS = 120_000  # what a browser gives its user; shorter than any challenge lives
ALGORITHMS = [Algorithm.ECDSA_SHA_256, Algorithm.EDDSA, Algorithm.RSASSA_PKCS1_v1_5_SHA_256]
LONGEST_ID = 1023  # bytes, as the standard has it
# RFC 8176: a key that stays in its device, and one that may be synced, which is held by software then (C1: never AAL3).
DEVICE_BOUND, SYNCED = "hwk", "swk"
Refused = Literal["wrong", "user_not_verified", "sign_count_back"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where the browser is. `rp_id`: the host, to which a passkey is bound."""

    origin: str

    @property
    def rp_id(self) -> str:
        return urlsplit(self.origin).hostname or ""


@dataclass(frozen=True, slots=True)
class Proof:
    sign_count: int
    backed_up: bool
    method: str


class Challenges:
    """`what` of a challenge says for what it is: a factor that is added, or a flow and whose browser or session has it."""

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"webauthn_challenge", "sha256")

    def current(self, what: bytes, now: datetime) -> bytes:
        return self._made(what, _window(now))

    def accepted(self, what: bytes, now: datetime) -> tuple[bytes, bytes]:
        """This window's, and the one's before."""
        return self._made(what, _window(now)), self._made(what, _window(now) - 1)

    def _made(self, what: bytes, window: int) -> bytes:
        return hmac.digest(self._key, what + b"\0" + str(window).encode(), "sha256")


def _window(now: datetime) -> int:
    return int(now.timestamp()) // WINDOW_SECONDS


def creation(site: Site, brand: str, challenge: bytes, handle: bytes, account: str, held: Sequence[Known]) -> dict[str, Any]:
    """`PublicKeyCredentialCreationOptionsJSON`. `account`: its owner's name for it, which stays in the browser."""
    return {
        "rp": {"id": site.rp_id, "name": brand},
        "user": {"id": bytes_to_base64url(handle), "name": account, "displayName": account},
        "challenge": bytes_to_base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": int(one)} for one in ALGORITHMS],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": [_described(one) for one in held],
        "authenticatorSelection": {"residentKey": "required", "requireResidentKey": True, "userVerification": "required"},
        "attestation": "none",
    }


def request(site: Site, challenge: bytes, held: Sequence[Known]) -> dict[str, Any]:
    """`PublicKeyCredentialRequestOptionsJSON`; without any held, whichever the browser finds (MFA-3)."""
    return {
        "rpId": site.rp_id,
        "challenge": bytes_to_base64url(challenge),
        "timeout": TIMEOUT_MS,
        "userVerification": "required",
        "allowCredentials": [_described(one) for one in held],
    }


def registered(site: Site, challenges: Sequence[bytes], answer: Registered) -> New | Refused:
    """Whoever made it isn't looked at: no attestation was asked for."""
    try:
        given = parse_client_data_json(base64url_to_bytes(answer.response.clientDataJSON))
        found = verify_registration_response(
            credential=answer.model_dump(mode="json"),
            expected_challenge=_meant(challenges, given.challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            supported_pub_key_algs=ALGORITHMS,
        )
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes make of a parser, they are no passkey
        return "wrong"
    if given.cross_origin or not 0 < len(found.credential_id) <= LONGEST_ID:
        return "wrong"
    if not found.user_verified:
        return "user_not_verified"
    return New(
        credential_id=found.credential_id,
        public_key=found.credential_public_key,
        sign_count=found.sign_count,
        aaguid=UUID(found.aaguid),
        transports=tuple(dict.fromkeys(answer.response.transports)),
        backup_eligible=found.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=found.credential_backed_up,
    )


def asserted(site: Site, challenges: Sequence[bytes], answer: Asserted, *, public_key: bytes, sign_count: int) -> Proof | Refused:
    """Signature, origin, relying party, presence; then verification of the user, and the count, which no copy can know."""
    try:
        given = parse_client_data_json(base64url_to_bytes(answer.response.clientDataJSON))
        found = verify_authentication_response(
            credential=answer.model_dump(mode="json"),
            expected_challenge=_meant(challenges, given.challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,  # looked at below, once the signature is known to be right
        )
    except Exception:  # noqa: BLE001 - as above
        return "wrong"
    if given.cross_origin:
        return "wrong"
    if not found.user_verified:
        return "user_not_verified"
    if (found.new_sign_count or sign_count) and found.new_sign_count <= sign_count:
        return "sign_count_back"
    synced = found.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return Proof(found.new_sign_count, found.credential_backed_up, SYNCED if synced else DEVICE_BOUND)


def _described(one: Known) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "public-key", "id": bytes_to_base64url(one.credential_id)}
    return {**shown, "transports": list(one.transports)} if one.transports else shown


def _meant(challenges: Sequence[bytes], given: bytes) -> bytes:
    """The accepted one that was signed; where none was, any, which the verification then misses."""
    return next((one for one in challenges if hmac.compare_digest(one, given)), challenges[0])


def raw_id(answer: Registered | Asserted) -> bytes | None:
    """None: it can't be read."""
    return _bytes(answer.rawId)


def user_handle(answer: Asserted) -> bytes | None:
    return _bytes(answer.response.userHandle) if answer.response.userHandle is not None else None


def _bytes(text: str) -> bytes | None:
    try:
        return base64url_to_bytes(text)
    except ValueError:
        return None
