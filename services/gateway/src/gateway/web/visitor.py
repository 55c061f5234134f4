"""Who is calling, as the gateway sees it: browser or API client, its tokens, its address, its language."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network

from latchkey_contracts.http.sign_in import SessionInfo
from servicekit.web.caller import Caller
from servicekit.web.http import header
from starlette.types import Scope

from .addresses import client_address
from .device import Device

SESSION, FLOW, LINK, LANGUAGE = "latchkey_session", "latchkey_flow", "latchkey_link", "latchkey_language"
DEVICE = "latchkey_device"  # see device.py
AGAIN = "latchkey_again"  # what came of the last press, for the page after it
WAITS = "latchkey_waits"  # the page on which this browser waits for a message: where its code is typed
APP = "latchkey_app"  # which application's portal this browser used last
_OURS = "latchkey_"
_TOKEN_LENGTH = range(40, 90)
_GRANT_MOST = 1000
_BLANK = " \t"


@dataclass
class Visitor:
    """`api`: no cookies, tokens in headers (docs/openapi.json), below /v1/ only. `session_token`, `flow_token` and `device_token` are
    secrets: never log them.
    """

    ip: str
    user_agent: str | None
    cookies: Mapping[str, str]
    session_token: str | None
    flow_token: str | None
    api: bool
    device_token: str | None = None
    step_up: str | None = None  # a grant, for one call
    if_match: str | None = None  # which version of it was seen, for one call
    language: str | None = None
    session: SessionInfo | None = None
    device: Device | None = None
    new_device: str | None = None  # what this browser will be named, where it signs in for the first time
    new_flow_token: str | None = None
    app: str = ""  # whose page or path was asked for
    known: bool = True  # False: its flow token was made for this very request
    asn: int | None = None  # of its network, once its limit was looked at

    @property
    def holder(self) -> str:
        """Whose an Idempotency-Key is. A newcomer's token depends on the body; whoever repeats the key with another body is the
        same caller all the same (API-4).
        """
        token = self.session_token or (self.flow_token if self.known else None)
        return token or f"{self.ip}\0{self.user_agent or ''}"

    def caller(self, *, idempotency_key: str | None = None, fingerprint: str | None = None) -> Caller:
        return Caller(
            service="gateway",
            ip=self.ip,
            asn=self.asn,
            user_agent=(self.user_agent or "")[:300] or None,
            flow=sha256(self.flow_token.encode()).hexdigest() if self.flow_token else None,
            session_id=self.session.id if self.session else None,
            account_id=self.session.account_id if self.session else None,
            language=self.language,
            api_client=self.api,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            device=self.device.id if self.device else None,
            new_device=self.new_device,
            device_account_id=self.device.account_id if self.device else None,
            authenticated_at=self.session.authenticated_at if self.session else None,
            methods=tuple(self.session.methods) if self.session else (),
            step_up=self.step_up,
            if_match=self.if_match,
            application=self.session.application if self.session else None,
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
    ours = {name: cookies.get(cookie_name(name, secure=secure)) for name in (SESSION, FLOW, DEVICE)}
    told = bool(ours[SESSION] or ours[FLOW]) or any(header(scope, name) is not None for name in (b"origin", b"sec-fetch-site"))
    api = scope["path"].startswith("/v1/") and not told
    return Visitor(
        ip=client_address(scope, proxies),
        user_agent=header(scope, b"user-agent"),
        cookies=cookies,
        session_token=_plausible(bearer if api else ours[SESSION]),
        flow_token=_plausible(flow_header if api else ours[FLOW]),
        device_token=header(scope, b"latchkey-device") if api else ours[DEVICE],
        step_up=_plausible_grant(header(scope, b"latchkey-step-up")),
        if_match=header(scope, b"if-match"),
        api=api,
    )


def _plausible_grant(text: str | None) -> str | None:
    """Of whoever calls, browser's script or API client: it proves nothing without the session that it was made for (STP-2)."""
    return text if text and len(text) <= _GRANT_MOST and text.isascii() else None


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
