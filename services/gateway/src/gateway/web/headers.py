"""Security headers on every answer: pages, JSON, errors, redirects (WEB-10, WEB-11)."""

import secrets
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PERMISSIONS = (
    b"camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
    b"publickey-credentials-get=(self), publickey-credentials-create=(self), otp-credentials=(self)"
)
_FIXED = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", _PERMISSIONS),
    (b"x-frame-options", b"DENY"),
)  # fmt: skip
HSTS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def policy(nonce: str) -> bytes:
    """Per answer; scripts by nonce, everything else from our own origin, nothing inline."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ).encode()


class SecurityHeaders:
    """Static files may be kept; everything else is nobody's but the visitor's. `inbox` pages bring a policy of their own."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._fixed: Iterable[tuple[bytes, bytes]] = (*_FIXED, HSTS) if secure else _FIXED

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = scope["latchkey.nonce"] = secrets.token_urlsafe(16)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [*self._fixed]
                if b"content-security-policy" not in present:
                    added.append((b"content-security-policy", policy(nonce)))
                if b"cache-control" not in present:
                    added.append((b"cache-control", b"no-store"))
                if not scope["path"].startswith(("/v1/", "/static/")):
                    added.append((b"x-robots-tag", b"noindex"))
                message["headers"] = [*(one for one in message["headers"] if one[0].lower() != b"server"), *added]
            await send(message)

        await self._app(scope, receive, answer)
