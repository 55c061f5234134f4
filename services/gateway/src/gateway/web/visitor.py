"""Who is calling, as the gateway sees it: browser or API client, its tokens, its address, its language."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from latchkey_contracts.http.sign_in import SessionInfo
from servicekit.caller import Caller
from servicekit.http import header
from starlette.types import Scope

from .addresses import client_address
from .device import Device

SESSION, FLOW, LINK, LANGUAGE = "latchkey_session", "latchkey_flow", "latchkey_link", "latchkey_language"
DEVICE = "latchkey_device"  # see device.py
APP = "latchkey_app"  # which application's portal this browser used last
_DOCS = "/v1/docs"  # a page all the same
_OURS = "latchkey_"
_TOKEN_LENGTH = range(40, 90)
_BLANK = " \t"


@dataclass
class Visitor:
    """`api`: no cookies, tokens in headers (api.md §1), below /v1/ only. `session_token` and `flow_token` are secrets: never log them."""

    ip: str
    user_agent: str | None
    cookies: Mapping[str, str]
    session_token: str | None
    flow_token: str | None
    api: bool
    language: str | None = None
    session: SessionInfo | None = None
    device: Device | None = None
    new_flow_token: str | None = None

    def caller(self, *, idempotency_key: str | None = None, fingerprint: str | None = None) -> Caller:
        return Caller(
            service="gateway",
            ip=self.ip,
            user_agent=(self.user_agent or "")[:300] or None,
            flow=sha256(self.flow_token.encode()).hexdigest() if self.flow_token else None,
            session_id=self.session.id if self.session else None,
            account_id=self.session.account_id if self.session else None,
            language=self.language,
            api_client=self.api,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            device=self.device.id if self.device else None,
            device_account_id=self.device.account_id if self.device else None,
        )


def cookie_name(name: str, *, secure: bool) -> str:
    """__Host- where TLS allows it; plain names over http on localhost, in development only (SES-2)."""
    return f"__Host-{name}" if secure else name


def read_cookies(scope: Scope) -> dict[str, str]:
    """The first of each name, as it was set (RFC 6265 §5.2); what is no cookie hides none (SES-1).

    By hand: http.cookies lets a value of a sibling domain's cookie, with a space in it, pass for one of ours. Of two different
    values for a name of ours neither counts.
    """
    found: dict[str, str] = {}
    doubtful = set()
    for part in (header(scope, b"cookie") or "").split(";"):
        name, equals, value = part.partition("=")
        name, value = name.strip(_BLANK), value.strip(_BLANK)
        if not equals or not name:
            continue
        if found.setdefault(name, value) != value and name.removeprefix("__Host-").startswith(_OURS):
            doubtful.add(name)
    for name in doubtful:
        del found[name]
    return found


def _plausible(token: str | None) -> str | None:
    """What can't be one of our tokens is none; client-made values are hashed and never found anyway (SES-1)."""
    return token if token and len(token) in _TOKEN_LENGTH and token.isascii() else None


def read_visitor(scope: Scope, *, proxies: Sequence[IPv4Network | IPv6Network], secure: bool) -> Visitor:
    cookies = read_cookies(scope)
    authorization = header(scope, b"authorization") or ""
    bearer = authorization[7:].strip() if authorization[:7].lower() == "bearer " else None
    flow_header = header(scope, b"latchkey-flow")
    ours = {name: cookies.get(cookie_name(name, secure=secure)) for name in (SESSION, FLOW)}
    told = any(ours.values()) or any(header(scope, name) is not None for name in (b"origin", b"sec-fetch-site"))
    # A browser without Fetch Metadata tells nothing of itself with its first page, and needs its flow cookie then.
    api = scope["path"].startswith("/v1/") and scope["path"] != _DOCS and not told
    return Visitor(
        ip=client_address(scope, proxies),
        user_agent=header(scope, b"user-agent"),
        cookies=cookies,
        session_token=_plausible(bearer if api else ours[SESSION]),
        flow_token=_plausible(flow_header if api else ours[FLOW]),
        api=api,
    )


def make_flow_token(key: bytes, idempotency: str | None, visitor: Visitor, body: bytes) -> str:
    """256 bits; for a request repeated with its Idempotency-Key the same ones, so that its stored answer fits.

    Address and user agent go in, so that two strangers with one weak key don't share a token.
    """
    if idempotency is None:
        return secrets.token_urlsafe(32)
    return hmac.new(
        key,
        b"\0".join(
            (
                idempotency.encode("latin-1", "replace"),
                visitor.ip.encode(),
                (visitor.user_agent or "").encode("latin-1", "replace"),
                body,
            )
        ),
        sha256,
    ).hexdigest()
