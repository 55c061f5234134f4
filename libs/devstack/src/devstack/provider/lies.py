"""How the provider may go wrong: one lie at a time, told to the next who asks, or to all until it is taken back."""

from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

LIES = frozenset(
    {
        "wrong_nonce", "no_nonce", "wrong_iss", "wrong_aud", "many_aud", "expired", "future", "no_sub", "alg_none", "hs256", "other_key",
        "wrong_answer_iss", "no_answer_iss", "other_state", "stale_auth_time", "no_auth_time", "bad_at_hash", "no_id_token", "nonsense", "server_error",
        "slow", "redirect", "huge", "token_refused", "other_userinfo",
    }
)  # fmt: skip
HOUR = 3600


@dataclass
class Lies:
    name: str | None = None
    once: bool = True

    def told(self, *names: str) -> bool:
        """Whether this is the lie; told once it is used up."""
        if self.name not in names:
            return False
        if self.once:
            self.name = None
        return True


def bend(lies: Lies, claims: dict[str, Any]) -> dict[str, Any]:
    """An ID token's claims as the lie wants them."""
    now = claims["iat"]
    changes: dict[str, dict[str, Any]] = {
        "wrong_nonce": {"nonce": "somebody-elses"},
        "no_nonce": {"nonce": None},
        "wrong_iss": {"iss": "https://elsewhere.example"},
        "wrong_aud": {"aud": "another-client"},
        "many_aud": {"aud": [claims["aud"], "another-client"], "azp": "another-client"},
        "expired": {"exp": now - HOUR, "iat": now - 2 * HOUR},
        "future": {"iat": now + HOUR, "exp": now + 2 * HOUR},
        "no_sub": {"sub": None},
        "stale_auth_time": {"auth_time": now - HOUR},
        "no_auth_time": {"auth_time": None},
        "bad_at_hash": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    }
    name = lies.name or ""
    if name not in changes or not lies.told(name):
        return claims
    return {claim: value for claim, value in {**claims, **changes[name]}.items() if value is not None}


def sign(lies: Lies, key: RSAKey, client_secret: str, claims: dict[str, Any]) -> str:
    """By the key that the provider publishes, unless it lies."""
    header = {"alg": "RS256", "kid": key.kid}
    if lies.told("alg_none"):
        return jwt.encode({"alg": "none"}, claims, OctKey.import_key("unused-unused-unused-unused-unused"), algorithms=["none"])
    if lies.told("hs256"):
        return jwt.encode({"alg": "HS256", "kid": key.kid}, claims, OctKey.import_key(client_secret), algorithms=["HS256"])
    if lies.told("other_key"):
        return jwt.encode(header, claims, RSAKey.generate_key(2048), algorithms=["RS256"])
    return jwt.encode(header, claims, key, algorithms=["RS256"])
