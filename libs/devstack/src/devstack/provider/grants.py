"""What the provider has handed out and not yet taken back; in memory, for as long as it runs."""

import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

CODE_SECONDS = 60


@dataclass(frozen=True)
class Asked:
    """An authorization request that may be answered."""

    client_id: str
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    nonce: str | None
    form_post: bool


@dataclass(frozen=True)
class Granted:
    """`claims`: of the person; `auth_time`: when it was asked who that is."""

    asked: Asked
    claims: dict[str, Any]
    auth_time: int


@dataclass
class Grants:
    _codes: dict[str, Granted] = field(default_factory=dict)
    _tokens: dict[str, Granted] = field(default_factory=dict)

    def code(self, granted: Granted) -> str:
        code = secrets.token_urlsafe(32)
        self._codes[code] = granted
        return code

    def redeem(self, code: str, *, client_id: str, redirect_uri: str, verifier: str, now: int) -> Granted | None:
        """Once, by whom it was made for, and with what only they can know (RFC 7636 §4.6)."""
        granted = self._codes.pop(code, None)
        if granted is None or now - granted.auth_time > CODE_SECONDS:
            return None
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        mine = (granted.asked.client_id, granted.asked.redirect_uri) == (client_id, redirect_uri)
        return granted if mine and hmac.compare_digest(challenge, granted.asked.challenge) else None

    def token(self, granted: Granted) -> str:
        token = secrets.token_urlsafe(32)
        self._tokens[token] = granted
        return token

    def of(self, token: str) -> Granted | None:
        return self._tokens.get(token)
