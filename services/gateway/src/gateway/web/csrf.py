"""State changes only from our own pages or from API clients (SES-8)."""

import hmac
from urllib.parse import urlsplit

from servicekit.errors import CrossSiteRequest
from servicekit.web.http import header
from starlette.types import Scope

from .visitor import Visitor

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LENGTH = 64  # of a keyed hash in hex


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


def surely_ours(scope: Scope, origin: str) -> bool:
    """The browser itself says that a page of ours sent this; where it says nothing, only the form's token can."""
    site, said = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    return site == "same-origin" or (said is not None and same_origin(said, origin))


def form_token(key: bytes, visitor: Visitor) -> str:
    """Of which browser the page is, and whom it showed signed in.

    Bound to the flow cookie, which outlives sessions: a page still works when its session has ended meanwhile.
    """
    return _mac(key, "form", visitor.flow_token or "") + _seen(key, visitor)


def check_form(key: bytes, visitor: Visitor, given: str | None) -> None:
    """Raises CrossSiteRequest for a form that wasn't made for this browser."""
    if not visitor.flow_token or not _same(_mac(key, "form", visitor.flow_token), (given or "")[:_LENGTH]):
        raise CrossSiteRequest


def as_shown(key: bytes, visitor: Visitor, given: str | None) -> bool:
    """Whoever was signed in when the page was made is so now, or still nobody is."""
    return _same(_seen(key, visitor), (given or "")[_LENGTH:])


def _seen(key: bytes, visitor: Visitor) -> str:
    session = visitor.session.id if visitor.session else ""
    return _mac(key, "seen", f"{visitor.flow_token or ''}\0{session}")


def _mac(key: bytes, what: str, of: str) -> str:
    return hmac.new(key, f"{what}\0{of}".encode(), "sha256").hexdigest()


def _same(expected: str, shown: str) -> bool:
    # As bytes: of two texts compare_digest takes ASCII only.
    return hmac.compare_digest(expected.encode(), shown.encode(errors="replace"))
