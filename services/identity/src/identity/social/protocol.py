"""OpenID Connect and OAuth 2 as a client says and reads them: pure functions over Authlib's (decision 15). Nothing here speaks to anybody."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import orjson
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from latchkey_contracts.configuration import SocialProvider

# Signatures that the provider alone can make; `none` and those by a shared secret are none (RFC 8725 §3.1).
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
SKEW = 60  # seconds that another company's clock may be wrong
APPLE, APPLE_LIFETIME = "https://appleid.apple.com", timedelta(minutes=5)
TENANT = "{tenantid}"  # in the issuer that Microsoft's discovery names for all its tenants


class Wrong(Exception):
    """What came isn't what the protocol allows; says which part, and nothing of what stood there."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked what. `says_iss`: its answers name it (RFC 9207)."""

    issuer: str
    authorization: str
    token: str
    jwks: str | None = None
    userinfo: str | None = None
    emails: str | None = None
    says_iss: bool = False
    by_post: bool = False


@dataclass(frozen=True, slots=True)
class Secrets:
    """Of one way there and back. All follow from the state, which the browser alone has, and a key of ours: nothing of it is stored."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def of(cls, key: bytes, state: str) -> "Secrets":
        return cls(state, _derived(key, "nonce", state), _derived(key, "verifier", state))


def _derived(key: bytes, what: str, state: str) -> str:
    """43 characters of base64url, as RFC 7636 §4.1 wants a verifier."""
    return urlsafe_b64encode(hmac.digest(key, f"social\0{what}\0{state}".encode(), "sha256")).decode().rstrip("=")


def read_discovery(document: Any, provider: SocialProvider) -> Endpoints:
    """OpenID Connect Discovery §4.3. Raises Wrong."""
    if not isinstance(document, dict):
        raise Wrong("discovery")
    issuer = provider.identified_by
    said = document.get("issuer")
    if said != issuer and not (provider.template == "microsoft" and said == _of_all_tenants(provider)):
        raise Wrong("discovery.issuer")
    found: dict[str, str | None] = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
        url = document.get(name)
        if url is None and name == "userinfo_endpoint":
            found[name] = None
        elif not isinstance(url, str) or not is_at(url, provider):
            raise Wrong(f"discovery.{name}")
        else:
            found[name] = url
    methods = document.get("token_endpoint_auth_methods_supported")
    by_post = isinstance(methods, list) and "client_secret_basic" not in methods
    return Endpoints(
        issuer=str(said),
        authorization=str(found["authorization_endpoint"]),
        token=str(found["token_endpoint"]),
        jwks=found["jwks_uri"],
        userinfo=found["userinfo_endpoint"],
        says_iss=document.get("authorization_response_iss_parameter_supported") is True,
        by_post=by_post or provider.template == "apple",
    )


def _of_all_tenants(provider: SocialProvider) -> str:
    return provider.known.issuer.format(tenant=TENANT)


def is_at(url: str, provider: SocialProvider) -> bool:
    """Whether an address is where the operator said that this provider is; nothing else is ever asked."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" in provider.origins and not parts.fragment
    except ValueError:
        return False


def fixed(provider: SocialProvider) -> Endpoints:
    """Of plain OAuth 2."""
    known = provider.known
    return Endpoints(
        issuer=known.issuer,
        authorization=known.authorization or "",
        token=known.token or "",
        userinfo=known.userinfo,
        emails=known.emails,
        by_post=True,
    )


def authorization_url(
    provider: SocialProvider, endpoints: Endpoints, secrets: Secrets, redirect_uri: str, *, fresh: bool, language: str | None
) -> str:
    """RFC 6749 §4.1.1 with PKCE (RFC 7636). `fresh`: who it is is asked again, whoever is signed in there."""
    openid = provider.known.openid
    asked = {
        "nonce": secrets.nonce if openid else None,
        "code_challenge": create_s256_code_challenge(secrets.verifier),
        "code_challenge_method": "S256",
        "response_mode": "form_post" if provider.known.form_post else None,
        "prompt": "login" if fresh else None,
        "max_age": "0" if fresh else None,
        "ui_locales": language if openid else None,
    }
    url: str = prepare_grant_uri(
        endpoints.authorization,
        provider.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=" ".join(provider.known.scopes),
        state=secrets.state,
        **asked,
    )
    return url


def token_request(
    provider: SocialProvider, endpoints: Endpoints, secret: str, *, code: str, verifier: str, redirect_uri: str
) -> tuple[dict[str, str], bytes]:
    """Headers and body (RFC 6749 §4.1.3)."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    body = prepare_token_request("authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier)
    method = "client_secret_post" if endpoints.by_post else "client_secret_basic"
    # RFC 6749 §2.3.1: both are encoded as a form before they go into the header.
    client_id, given = (
        (provider.client_id, secret) if endpoints.by_post else (quote(provider.client_id, safe=""), quote(secret, safe=""))
    )
    _, headers, body = ClientAuth(client_id, given, method).prepare("POST", endpoints.token, headers, body)
    return headers, body.encode()


def apple_secret(provider: SocialProvider, pem: str, now: datetime) -> str:
    """What Apple takes for a secret: a JWT that says who asks, by the key from its developer pages. Raises Wrong."""
    at = int(now.timestamp())
    claims = {
        "iss": provider.team_id,
        "iat": at,
        "exp": at + int(APPLE_LIFETIME.total_seconds()),
        "aud": APPLE,
        "sub": provider.client_id,
    }
    try:
        return jwt.encode({"alg": "ES256", "kid": provider.key_id}, claims, ECKey.import_key(pem), algorithms=["ES256"])
    except (JoseError, ValueError, TypeError):
        raise Wrong("client_secret_file") from None


def key_of(token: str) -> str | None:
    """Which key it says that it is signed with. Raises Wrong."""
    try:
        head, _, _ = token.partition(".")
        header = orjson.loads(_unpadded(head))
        kid = header.get("kid")
    except (ValueError, AttributeError):
        raise Wrong("id_token") from None
    return kid if isinstance(kid, str) else None


def _unpadded(part: str) -> bytes:
    from base64 import urlsafe_b64decode

    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


@dataclass(frozen=True, slots=True)
class Expected:
    """`nonce`: of this way there and back. `not_before`: who it is must have been asked after that."""

    nonce: str
    access_token: str
    now: datetime
    not_before: datetime | None = None


def read_id_token(
    token: str, keys: KeySet, provider: SocialProvider, endpoints: Endpoints, expected: Expected
) -> Mapping[str, Any]:
    """Its claims, once all of OpenID Connect Core §3.1.3.7 holds. Raises Wrong."""
    try:
        read = jwt.decode(token, keys, algorithms=ALGORITHMS)
        issuer = _issuer(endpoints.issuer, read.claims)
        claims = CodeIDToken(
            read.claims,
            read.header,
            {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": provider.client_id}},
            {"nonce": expected.nonce, "client_id": provider.client_id, "access_token": expected.access_token},
        )
        claims.validate(now=int(expected.now.timestamp()), leeway=SKEW)
    except JoseError as error:
        claim = getattr(error, "claim", None)
        raise Wrong(f"id_token.{claim or error.error}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Wrong("id_token") from None
    subject, audience = claims["sub"], claims["aud"]
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Wrong("id_token.sub")
    # Several audiences, and one of them may be anybody's who was let in by that token before us (§3.1.3.7, 3).
    if audience not in (provider.client_id, [provider.client_id]) and claims.get("azp") != provider.client_id:
        raise Wrong("id_token.aud")
    if expected.not_before is not None and not _asked_after(claims.get("auth_time"), expected.not_before):
        raise Wrong("id_token.auth_time")
    return {**claims, "iss": issuer}


def _issuer(configured: str, claims: Mapping[str, Any]) -> str:
    """Microsoft's many tenants: each is an issuer of its own, named by its id."""
    if TENANT not in configured:
        return configured
    try:
        return configured.replace(TENANT, str(UUID(claims.get("tid", ""))))
    except (ValueError, AttributeError, TypeError):
        raise Wrong("id_token.tid") from None


def _asked_after(auth_time: Any, moment: datetime) -> bool:
    whole = isinstance(auth_time, int) and not isinstance(auth_time, bool)
    return whole and auth_time >= int(moment.timestamp()) - SKEW


def check_iss(endpoints: Endpoints, said: str | None) -> None:
    """RFC 9207: the answer names who gives it, where the provider does that. Raises Wrong."""
    if TENANT in endpoints.issuer:
        return
    if (said is None and endpoints.says_iss) or (said is not None and said != endpoints.issuer):
        raise Wrong("iss")
