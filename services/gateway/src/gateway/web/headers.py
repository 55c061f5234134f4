"""Security headers on every answer: pages, JSON, errors, redirects (WEB-10, WEB-11)."""

import re
import secrets
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOST = re.compile(r"[a-z0-9.-]+")  # anything else could begin another directive
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


KEPT = "public, max-age=31536000, immutable"  # for what has its content's hash in its address
_TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"


def origins(urls: Iterable[str]) -> list[str]:
    """Where these lead, each once, as a policy may name it."""
    found = set()
    for parts in map(urlsplit, urls):
        try:
            host = (parts.hostname or "").encode("idna").decode()
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            continue
        if _HOST.fullmatch(host):
            found.add(f"{parts.scheme}://{host}{port}")
    return sorted(found)


def policy(nonce: str, targets: Iterable[str] = (), *, trusted_types: bool = True) -> bytes:
    """Per answer; scripts by nonce, everything else from our own origin, nothing inline.

    `targets`: origins where a form may lead, beside ours. Browsers hold a redirect after a form against it, too.
    `trusted_types` false is for the API's documentation alone: its viewer writes markup, out of our own document.
    """
    forms = " ".join(("'self'", *targets))
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}' 'strict-dynamic'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action {forms}; base-uri 'none'; object-src 'none'; "
        f"frame-ancestors 'none'{_TRUSTED_TYPES if trusted_types else ''}"
    ).encode()


class SecurityHeaders:
    """Static files may be kept; everything else is nobody's but the visitor's. The local inbox's pages
    bring a policy of their own, and who may frame them.
    """

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
                added = [one for one in self._fixed if one[0] not in present]
                if b"content-security-policy" not in present:
                    added.append((b"content-security-policy", policy(nonce, scope.get("latchkey.form_targets", ()))))
                if b"cache-control" not in present:
                    added.append((b"cache-control", b"no-store"))
                if not scope["path"].startswith(("/v1/", "/static/")):
                    added.append((b"x-robots-tag", b"noindex"))
                message["headers"] = [*(one for one in message["headers"] if one[0].lower() != b"server"), *added]
            await send(message)

        await self._app(scope, receive, answer)
