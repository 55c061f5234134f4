"""Who asks: the short-lived signed token with which one service calls another (API-3).

It is a JWT (RFC 7519) signed with Ed25519 (RFC 8037, under its name of RFC 9864), with our own claims below `caller`.

Services never see cookies. The gateway says who the customer is and which browser asked; every service has a key of its own.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Request
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jwt import JWTClaimsRegistry

from servicekit.clock import Clock
from servicekit.errors import CallerNotAllowed, SessionRequired
from servicekit.ids import random_id
from servicekit.keys import CALLERS, Keys

HEADER = "latchkey-caller"
LIFETIME = 30  # seconds
SKEW = 30  # seconds between two clocks (REL-15)
ALGORITHM, TYPE = "Ed25519", "caller+jwt"
_JWS = jws.JWSRegistry(algorithms=[ALGORITHM])  # whatever the header says, no other is asked
# How long a signed token serves for further reads of the very same caller; well within its life at the receiver.
REUSE_SECONDS = 10
_KEPT = 2048  # tokens at most, on either side
_UUIDS = ("session_id", "account_id", "device_account_id")
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Caller:
    """`flow` is the hex SHA-256 of the flow token: "the browser that asked" (docs/openapi.json).

    `device` is the id of a browser in which somebody has signed in to `device_account_id` before (BRF-3), whoever uses it now.
    `new_device`: the id that it will have if somebody else signs in, told where a device can be trusted.
    `asn`: the autonomous system of the asking network, where the gateway's operator has mounted a file of them.
    `idempotency_key` is already scoped by the gateway (caller, method, path); `fingerprint` stands for the body.
    `authenticated_at`: when the customer last proved who they are in this session, and by which `methods` (RFC 8176 `amr`); with a
    session only. `step_up`: a grant for this very call (STP-2), as the customer sent it. `if_match`: the version that was seen (RFC 9110).
    `application`: where that session was begun.
    """

    service: str
    ip: str | None = None
    asn: int | None = None
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
    new_device: str | None = None
    authenticated_at: datetime | None = None
    methods: tuple[str, ...] = ()
    step_up: str | None = None
    if_match: str | None = None
    application: str | None = None

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


class _Recent(Generic[K, V]):
    """The newest of what was made; the oldest goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._kept.get(key)

    def put(self, key: K, value: V) -> None:
        self._kept.pop(key, None)
        self._kept[key] = value
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)


class Signer:
    """Signs with the service's newest key; each token is for one audience."""

    def __init__(self, service: str, keys: Keys, clock: Clock) -> None:
        self.service = service
        self._keys = keys
        self._clock = clock
        self._recent: _Recent[tuple[Caller, str, str], tuple[int, str]] = _Recent()

    def sign(self, caller: Caller, audience: str) -> str:
        """A token of its own, for one call."""
        key = self._keys.caller_private(self.service)
        return self._signed(caller, audience, key, int(self._clock.now().timestamp()))

    def sign_read(self, caller: Caller, audience: str) -> str:
        """For a call that changes nothing: one token says the same of the same caller for REUSE_SECONDS. A signature, and above all
        its check at the other end, cost more than the rest of a read.
        """
        key, now = self._keys.caller_private(self.service), int(self._clock.now().timestamp())
        name = (caller, audience, str(key.kid))
        found = self._recent.get(name)
        if found is not None and 0 <= now - found[0] < REUSE_SECONDS:
            return found[1]
        token = self._signed(caller, audience, key, now)
        self._recent.put(name, (now, token))
        return token

    def _signed(self, caller: Caller, audience: str, key: OKPKey, now: int) -> str:
        said = {
            name: _plain(value)
            for name in Caller.__slots__
            if name != "service" and (value := getattr(caller, name)) not in (None, False, ())
        }
        claims = {
            "iss": self.service,
            "aud": audience,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(random_id()),
            "caller": said,
        }
        return jws.serialize_compact({"alg": ALGORITHM, "typ": TYPE, "kid": key.kid}, orjson.dumps(claims), key, registry=_JWS)


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    return value.isoformat() if isinstance(value, datetime) else value


class Verifier:
    """At the receiving end. Of reads it remembers which tokens it has checked; each is still held against its life and against the
    keys that count now, as at first sight.
    """

    def __init__(self, audience: str, keys: Keys, clock: Clock) -> None:
        self._audience, self._keys, self._clock = audience, keys, clock
        self._recent: _Recent[str, _Checked] = _Recent()

    def __call__(self, token: str, *, reads: bool) -> Caller:
        """`reads`: the call changes nothing. Raises CallerNotAllowed without saying why."""
        if not reads:
            return verify(token, self._audience, self._keys, self._clock)
        found = self._recent.get(token)
        if found is not None and self._still_counts(found):
            return found.caller
        caller = verify(token, self._audience, self._keys, self._clock)
        if (checked := _checked(token, caller)) is not None:
            self._recent.put(token, checked)
        return caller

    def _still_counts(self, found: "_Checked") -> bool:
        now = int(self._clock.now().timestamp())
        try:
            known = self._keys.caller_public(found.caller.service, found.kid) is not None
        except OSError:
            return False
        return known and found.issued_at - SKEW <= now <= found.expires_at + SKEW


@dataclass(frozen=True, slots=True)
class _Checked:
    caller: Caller
    kid: str
    issued_at: int
    expires_at: int


def _checked(token: str, caller: Caller) -> _Checked | None:
    """Of one that was found right; None for a former release's."""
    if token.count(".") != 2:
        return None
    signed = jws.extract_compact(token.encode(), registry=_JWS)
    claims = orjson.loads(signed.payload or b"")
    return _Checked(caller, str(signed.headers()["kid"]), int(claims["iat"]), int(claims["exp"]))


def verify(token: str, audience: str, keys: Keys, clock: Clock) -> Caller:
    """Raises CallerNotAllowed without saying why."""
    try:
        if token.count(".") == 1:
            return _former(token, audience, keys, clock)
        signed = jws.extract_compact(token.encode(), registry=_JWS)
        claims = orjson.loads(signed.payload or b"")
        header, issuer = signed.headers(), claims["iss"]
        key = keys.caller_public(issuer, header["kid"]) if issuer in CALLERS else None
        if key is None or header["typ"] != TYPE or not jws.validate_compact(signed, key, registry=_JWS):
            raise CallerNotAllowed
        once = {"essential": True}
        right = {"aud": {"essential": True, "value": audience}, "iat": once, "exp": once, "jti": once}
        JWTClaimsRegistry(int(clock.now().timestamp()), SKEW, **right).validate(claims)  # type: ignore[arg-type]  # plain dicts
        return _read(issuer, claims["caller"])
    except (JoseError, ValueError, KeyError, TypeError, OSError):
        raise CallerNotAllowed from None


def _read(service: str, said: dict[str, Any]) -> Caller:
    """A newer gateway may say more than this release knows (REL-14). Raises ValueError or TypeError."""
    found: dict[str, Any] = {name: value for name, value in dict(said).items() if name in Caller.__slots__ and name != "service"}
    found |= {name: UUID(str(found[name])) for name in _UUIDS if name in found}
    if "authenticated_at" in found:
        found["authenticated_at"] = datetime.fromisoformat(found["authenticated_at"])
    if "methods" in found:
        found["methods"] = tuple(str(one) for one in found["methods"])
    return Caller(service, **found)


def _former(token: str, audience: str, keys: Keys, clock: Clock) -> Caller:
    """As the release before signed, while its processes are being replaced: hex of a JSON payload and of its signature.

    To be removed in the next release.
    """
    payload, signature = (bytes.fromhex(one) for one in token.split("."))
    claims = orjson.loads(payload)
    service = claims["service"]
    if service not in CALLERS or claims["aud"] != audience or claims["exp"] < clock.now().timestamp() - SKEW:
        raise CallerNotAllowed
    if not any(_JWS.get_alg(ALGORITHM).verify(payload, signature, key) for key in keys.caller_ring(service)):
        raise CallerNotAllowed
    return _read(service, claims)


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
