"""State changes only from our own pages or from API clients (SES-8)."""

import hmac
from urllib.parse import urlsplit

from servicekit.errors import CrossSiteRequest
from servicekit.http import header
from starlette.types import Scope

from .visitor import Visitor

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def same_origin(origin: str, ours: str) -> bool:
    """What is no origin at all isn't ours."""
    other = urlsplit(ours)
    try:
        one = urlsplit(origin)
        return (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)
    except ValueError:
        return False


def check(scope: Scope, visitor: Visitor, origin: str) -> None:
    """Raises CrossSiteRequest. A form's own token is checked where the form is read."""
    if scope["method"] in SAFE or visitor.api:
        return
    site, said = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    json = scope["path"].startswith("/v1/")
    if site is not None and site != "same-origin":
        raise CrossSiteRequest
    if said is not None and not same_origin(said, origin) and not (said == "null" and (site is not None or not json)):
        # Our pages' Referrer-Policy makes browsers say "null" for their own forms. Sec-Fetch-Site then speaks for them; where a
        # browser has none of that, a form is left to its token, which is bound to a SameSite cookie. JSON has no token.
        raise CrossSiteRequest
    if site is None and said is None:
        raise CrossSiteRequest
    if json and header(scope, b"latchkey-client") != "web":
        raise CrossSiteRequest


def form_token(key: bytes, visitor: Visitor) -> str:
    """Bound to the session, before sign-in to the flow cookie."""
    holder = visitor.session_token or visitor.flow_token or ""
    return hmac.new(key, f"form\0{holder}".encode(), "sha256").hexdigest()


def check_form(key: bytes, visitor: Visitor, given: str | None) -> None:
    # As bytes: of two texts compare_digest takes ASCII only.
    expected, shown = form_token(key, visitor).encode(), (given or "").encode(errors="replace")
    if not (visitor.session_token or visitor.flow_token) or not hmac.compare_digest(expected, shown):
        raise CrossSiteRequest
