"""Grants of a step-up: fresh authentication for one call of one action with one payload (STP-1, STP-2).

identity signs them (a JWS of RFC 7515 with its own key); whoever executes the action checks one at that point and notes that it is used, in
the action's own transaction.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from servicekit.db import Tx
from servicekit.errors import StepUpRequired
from servicekit.keys import Keys
from servicekit.logging import security_event

from .caller import ALGORITHM, SKEW, Caller

TYPE = "step-up+jwt"
ISSUER = "identity"
LIFETIME = timedelta(minutes=5)
_JWS = jws.JWSRegistry(algorithms=[ALGORITHM])
_USE = "INSERT INTO step_up_used (grant_id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING grant_id"
_PURGE = "DELETE FROM step_up_used WHERE expires_at < $1"


def payload_hash(payload: Mapping[str, Any] | None) -> str:
    """SHA-256 of what exactly is to be done, whatever the order of its names; hex."""
    return hashlib.sha256(orjson.dumps(dict(payload or {}), option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`id`: a second use of the same is refused. `payload`: its hash. `methods`: what was proven (RFC 8176 `amr`) at `proven_at`."""

    id: UUID
    account_id: UUID
    session_id: UUID
    action: str
    payload: str
    methods: Sequence[str]
    proven_at: datetime

    def signed(self, keys: Keys) -> str:
        """Signed anew it is the same grant."""
        key, at = keys.caller_private(ISSUER), int(self.proven_at.timestamp())
        claims = {
            "iss": ISSUER,
            "sub": str(self.account_id),
            "sid": str(self.session_id),
            "jti": str(self.id),
            "iat": at,
            "exp": at + int(LIFETIME.total_seconds()),
            "amr": list(self.methods),
            "action": self.action,
            "payload": self.payload,
        }
        return jws.serialize_compact({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, orjson.dumps(claims), key, registry=_JWS)


class StepUps:
    """At the point of execution."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def redeem(self, tx: Tx, caller: Caller, action: str, payload: Mapping[str, Any] | None = None) -> Sequence[str]:
        """Uses up the caller's grant and answers what was proven for it. Raises StepUpRequired, which says for what."""
        account_id, _ = caller.account()
        claims = self._right(caller, action, payload, tx.now)
        if claims is not None:
            until = datetime.fromtimestamp(claims["exp"] + SKEW, tx.now.tzinfo)
            if await tx.fetchval(_USE, UUID(claims["jti"]), until) is not None:
                methods: list[str] = claims["amr"]
                return methods
        if caller.step_up:
            security_event("authz_fail", "fail", account_id=str(account_id), reason="step_up", action=action)
        raise StepUpRequired(action=action, payload=dict(payload or {}))

    def check(self, caller: Caller, action: str, payload: Mapping[str, Any] | None, now: datetime) -> None:
        """That there is a right one, before work that costs; it is used up by `redeem` alone. Raises StepUpRequired."""
        if self._right(caller, action, payload, now) is None:
            raise StepUpRequired(action=action, payload=dict(payload or {}))

    def _right(self, caller: Caller, action: str, payload: Mapping[str, Any] | None, now: datetime) -> dict[str, Any] | None:
        account_id, session_id = caller.account()
        claims = self._read(caller.step_up, int(now.timestamp())) if caller.step_up else None
        wanted = (str(account_id), str(session_id), action, payload_hash(payload))
        if claims is None or (claims["sub"], claims["sid"], claims["action"], claims["payload"]) != wanted:
            return None
        return claims

    def _read(self, token: str, now: int) -> dict[str, Any] | None:
        try:
            signed = jws.extract_compact(token.encode(), registry=_JWS)
            header = signed.headers()
            key = self._keys.caller_public(ISSUER, header["kid"])
            if key is None or header["typ"] != TYPE or not jws.validate_compact(signed, key, registry=_JWS):
                return None
            claims: dict[str, Any] = orjson.loads(signed.payload or b"")
            fresh = claims["iss"] == ISSUER and claims["iat"] - SKEW <= now <= claims["exp"]
        except (JoseError, ValueError, KeyError, TypeError, OSError):
            return None
        return claims if fresh else None


async def purge(tx: Tx) -> None:
    """Called by servicekit.process.purges."""
    await tx.execute(_PURGE, tx.now)
