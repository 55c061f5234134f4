"""What a provider's answer proves: the code is turned into a person, by its own documents and keys, which are kept for a while.

Its tokens end here: nothing of them is stored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from latchkey_contracts.configuration import SocialProvider
from latchkey_contracts.http.social import SocialCallback
from servicekit.clock import Clock
from servicekit.errors import SocialDenied

from identity.linked.rules import Newcomer

from . import claims, protocol
from .protocol import Endpoints, Expected, Secrets, Wrong
from .remote import Remote, refused, unavailable

KEEP = timedelta(hours=1)
# Somebody who sends unknown keys makes us ask this often at most.
KEYS_AGAIN = timedelta(seconds=10)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Kept(Generic[T]):
    found: T
    at: datetime


class Providers:
    """`secrets_dir`: where the files are that the configuration names."""

    def __init__(self, remote: Remote, clock: Clock, secrets_dir: Path) -> None:
        self._remote = remote
        self._clock = clock
        self._secrets = secrets_dir
        self._endpoints: dict[str, _Kept[Endpoints]] = {}
        self._keys: dict[str, _Kept[KeySet]] = {}

    async def endpoints(self, provider: SocialProvider) -> Endpoints:
        """Raises ProviderUnavailable."""
        if not provider.known.openid:
            return protocol.fixed(provider)
        name, now = f"{provider.identified_by} {' '.join(provider.origins)}", self._clock.now()
        kept = self._endpoints.get(name)
        if kept is not None and timedelta() <= now - kept.at < KEEP:
            return kept.found
        url = f"{provider.identified_by.rstrip('/')}/.well-known/openid-configuration"
        document = await self._remote.ask(provider, "discovery", "GET", url)
        try:
            found = protocol.read_discovery(document, provider)
        except Wrong as error:
            raise unavailable(provider, "discovery", str(error)) from None
        self._endpoints[name] = _Kept(found, now)
        return found

    async def prove(
        self, provider: SocialProvider, answer: SocialCallback, secrets: Secrets, redirect_uri: str, fresh_since: datetime | None
    ) -> Newcomer:
        """Who came back. Raises SocialDenied, SocialRefused, ProviderUnavailable."""
        endpoints = await self.endpoints(provider)
        try:
            protocol.check_iss(endpoints, answer.iss)
        except Wrong as error:
            raise refused(provider, "answer", str(error)) from None
        if answer.error is not None or not answer.code:
            raise _denied(provider, answer.error)
        headers, body = protocol.token_request(
            provider, endpoints, self._secret(provider), code=answer.code, verifier=secrets.verifier, redirect_uri=redirect_uri
        )
        tokens = await self._remote.ask(provider, "token", "POST", endpoints.token, headers=headers, content=body)
        access = tokens.get("access_token") if isinstance(tokens, dict) else None
        if not isinstance(access, str) or not access.isascii() or not access.isprintable():
            raise refused(provider, "token", "access_token")
        if not provider.known.openid:
            return await self._by_userinfo(provider, endpoints, access)
        expected = Expected(secrets.nonce, access, self._clock.now(), fresh_since)
        return await self._by_id_token(provider, endpoints, tokens.get("id_token"), expected, answer.user)

    async def _by_id_token(
        self, provider: SocialProvider, endpoints: Endpoints, token: Any, expected: Expected, user: str | None
    ) -> Newcomer:
        if not isinstance(token, str) or not token.isascii():
            raise refused(provider, "id_token", "missing")
        try:
            keys = await self._keys_for(provider, endpoints, protocol.key_of(token))
            found = dict(protocol.read_id_token(token, keys, provider, endpoints, expected))
        except Wrong as error:
            raise refused(provider, "id_token", str(error)) from None
        if "email" not in found and endpoints.userinfo is not None:
            found |= await self._more(provider, endpoints.userinfo, expected.access_token, found["sub"])
        return claims.of_openid(provider, found, user)

    async def _more(self, provider: SocialProvider, url: str, access: str, subject: str) -> dict[str, Any]:
        """Core §5.3.2: of the very same person, or nothing of it counts."""
        more = await self._remote.ask(provider, "userinfo", "GET", url, headers={"authorization": f"Bearer {access}"})
        if not isinstance(more, dict) or more.get("sub") != subject:
            raise refused(provider, "userinfo", "sub")
        return {name: more[name] for name in ("email", "email_verified", "given_name", "family_name", "name") if name in more}

    async def _by_userinfo(self, provider: SocialProvider, endpoints: Endpoints, access: str) -> Newcomer:
        bearer = {"authorization": f"Bearer {access}"}
        user = await self._remote.ask(provider, "userinfo", "GET", str(endpoints.userinfo), headers=bearer)
        if endpoints.emails is not None:
            emails = await self._remote.ask(provider, "emails", "GET", endpoints.emails, headers=bearer)
            found = claims.of_github(provider, user, emails)
        else:
            found = claims.of_facebook(provider, user)
        if found is None:
            raise refused(provider, "userinfo", "id")
        return found

    async def _keys_for(self, provider: SocialProvider, endpoints: Endpoints, kid: str | None) -> KeySet:
        """Asked for anew where they have changed (Core §10.1.1)."""
        url, now = str(endpoints.jwks), self._clock.now()
        kept = self._keys.get(url)
        age = now - kept.at if kept is not None else KEEP
        if kept is not None and timedelta() <= age < KEEP and (_has(kept.found, kid) or age < KEYS_AGAIN):
            return kept.found
        document = await self._remote.ask(provider, "keys", "GET", url)
        try:
            found = _import(document)
        except (JoseError, ValueError, KeyError, TypeError, AttributeError):
            raise unavailable(provider, "keys", "not_understood") from None
        self._keys[url] = _Kept(found, now)
        return found

    def _secret(self, provider: SocialProvider) -> str:
        """Read each time, so that a new one needs no restart. Raises ProviderUnavailable."""
        try:
            text = (self._secrets / provider.client_secret_file).read_text().strip()
            return protocol.apple_secret(provider, text, self._clock.now()) if provider.template == "apple" else text
        except (OSError, UnicodeDecodeError, Wrong) as error:
            raise unavailable(provider, "client_secret_file", type(error).__name__) from None


def _denied(provider: SocialProvider, error: str | None) -> Exception:
    if error in {"access_denied", "user_cancelled_authorize", "user_cancelled_login", "consent_required", "login_required"}:
        return SocialDenied(provider=provider.name)
    if error in {"temporarily_unavailable", "server_error"}:
        return unavailable(provider, "answer", error)
    return refused(provider, "answer", "error" if error is not None else "code")


def _import(document: Any) -> KeySet:
    """What we don't know of theirs hides none of the others."""
    found = []
    for one in document["keys"]:
        try:
            found += KeySet.import_key_set({"keys": [one]}).keys
        except (JoseError, ValueError, KeyError, TypeError):
            continue
    return KeySet(found)


def _has(keys: KeySet, kid: str | None) -> bool:
    return kid is None or any(one.kid == kid for one in keys.keys)
