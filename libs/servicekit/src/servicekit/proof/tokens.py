"""Random tokens. A link's says which service made it, so that the gateway asks one (decision 7)."""

import hashlib
import secrets

# The first letter of a link's token. A service that gets links gets a letter; one that was given is never given again.
MARKS = {"identity": "i", "recovery": "r", "mfa": "m", "privacy": "p", "notifier": "n"}
_SERVICES = {letter: service for service, letter in MARKS.items()}
_RANDOM = 43  # characters of 256 bits; links from before there were marks have no more


def new_token() -> str:
    """256 random bits, url-safe: 43 characters (LNK-5)."""
    return secrets.token_urlsafe(32)


def new_link_token(service: str) -> str:
    """The same behind the letter of the service that makes the link: 44 characters."""
    return MARKS[service] + new_token()


def service_of(token: str) -> str | None:
    """Who made a link. None: nobody knows by looking, it is from before there were marks, or nobody's."""
    return _SERVICES.get(token[0]) if len(token) == _RANDOM + 1 else None


def hash_token(token: str) -> bytes:
    """SHA-256 is enough for 256 random bits; sessions and flow tokens use the same."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
