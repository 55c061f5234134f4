"""Who asks: the short-lived signed token with which one service calls another (design.md §3.8, API-3).

Services never see cookies. The gateway says who the customer is and which browser asked; every service has a key of its own.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidSignature
from fastapi import Depends, Request

from .clock import Clock
from .errors import CallerNotAllowed, SessionRequired
from .keys import CALLERS, Keys

HEADER = "latchkey-caller"
LIFETIME = timedelta(seconds=30)
SKEW = timedelta(seconds=30)  # REL-15


@dataclass(frozen=True, slots=True)
class Caller:
    """`flow` is the hex SHA-256 of the flow token: "the browser that asked" (api.md §1).

    `device` is the id of a browser in which somebody has signed in to `device_account_id` before (BRF-3), whoever uses it now.
    `idempotency_key` is already scoped by the gateway (caller, method, path); `fingerprint` stands for the body.
    """

    service: str
    ip: str | None = None
    user_agent: str | None = None
    flow: str | None = None
    session_id: UUID | None = None
    account_id: UUID | None = None
    language: str | None = None
    api_client: bool = False
    idempotency_key: str | None = None
    fingerprint: str | None = None
    device: str | None = None
    device_account_id: UUID | None = None

    @property
    def browser(self) -> bytes | None:
        return bytes.fromhex(self.flow) if self.flow else None

    def known_device(self, account_id: UUID | None) -> str | None:
        """This browser's id, if that account was signed in to in it before."""
        return self.device if account_id is not None and account_id == self.device_account_id else None

    def account(self) -> tuple[UUID, UUID]:
        """Account and session of a signed-in customer, or 401."""
        if self.account_id is None or self.session_id is None:
            raise SessionRequired
        return self.account_id, self.session_id


class Signer:
    """Compact on purpose: hex of a JSON payload, a dot, hex of its Ed25519 signature (RFC 8032); made for one audience."""

    def __init__(self, service: str, keys: Keys, clock: Clock) -> None:
        self.service = service
        self._keys = keys
        self._clock = clock

    def sign(self, caller: Caller, audience: str) -> str:
        claims: dict[str, Any] = {
            name: str(value) if isinstance(value, UUID) else value
            for name in Caller.__slots__
            if (value := getattr(caller, name)) not in {None, False}
        }
        claims |= {"service": self.service, "aud": audience, "exp": (self._clock.now() + LIFETIME).timestamp()}
        payload = orjson.dumps(claims)
        signature: bytes = self._keys.caller_private(self.service).sign(payload)
        return f"{payload.hex()}.{signature.hex()}"


def verify(token: str, audience: str, keys: Keys, clock: Clock) -> Caller:
    """Raises CallerNotAllowed without saying why."""
    try:
        payload_hex, signature = token.split(".")
        payload = bytes.fromhex(payload_hex)
        claims = orjson.loads(payload)
        if claims["service"] not in CALLERS or claims.pop("aud") != audience:
            raise CallerNotAllowed
        keys.caller_public(claims["service"]).verify(bytes.fromhex(signature), payload)
        if claims.pop("exp") < (clock.now() - SKEW).timestamp():
            raise CallerNotAllowed
        for name in ("session_id", "account_id", "device_account_id"):
            if name in claims:
                claims[name] = UUID(claims[name])
        # A newer gateway may say more than this release knows (REL-14).
        return Caller(**{name: claims[name] for name in Caller.__slots__ if name in claims})
    except (ValueError, KeyError, TypeError, InvalidSignature, OSError):
        raise CallerNotAllowed from None


async def _caller(request: Request) -> Caller:  # async: FastAPI runs plain functions in a thread, for many times the price
    found: Caller = request.scope["latchkey.caller"]
    return found


CallerDep = Annotated[Caller, Depends(_caller)]


def allow(*services: str) -> Any:
    """A route dependency: only these services may call here."""

    async def check(caller: CallerDep) -> None:
        if caller.service not in services:
            raise CallerNotAllowed

    return Depends(check)
