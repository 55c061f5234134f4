"""What a provider says of a person, and what of it is believed (REG-5). Pure functions."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from latchkey_contracts.configuration import SocialProvider
from servicekit.addresses import canonical_email

from identity.linked.rules import Newcomer

_MOST = 100  # characters of a name


def of_openid(provider: SocialProvider, claims: Mapping[str, Any], user: str | None) -> Newcomer:
    """`claims`: of a checked ID token, or with what the userinfo endpoint adds. `user`: what Apple sends beside it, once."""
    given, family = _name(claims, user)
    email = _email(claims.get("email"))
    return Newcomer(
        provider=provider.name,
        issuer=claims["iss"],
        subject=claims["sub"],
        email=email,
        proven=email is not None and provider.authoritative and _verified(provider, claims),
        given_name=given,
        family_name=family,
        shown=email or _line(claims.get("preferred_username")) or _line(claims.get("name")),
    )


def of_github(provider: SocialProvider, user: Any, emails: Any) -> Newcomer | None:
    """By the number of the account, which stays when its name changes. None: nothing that could be understood."""
    subject = _number(user)
    if subject is None:
        return None
    known: Sequence[Any] = emails if isinstance(emails, list) else []
    main = next((one for one in known if isinstance(one, dict) and one.get("primary") is True), None)
    email = _email(main.get("email")) if main is not None else None
    given, _, family = (_line(user.get("name")) or "").rpartition(" ")
    return Newcomer(
        provider=provider.name,
        issuer=provider.identified_by,
        subject=subject,
        email=email,
        proven=email is not None and provider.authoritative and main is not None and main.get("verified") is True,
        given_name=given or family or None,
        family_name=family if given else None,
        shown=_line(user.get("login")) or email,
    )


def of_facebook(provider: SocialProvider, user: Any) -> Newcomer | None:
    """It doesn't say whether it has verified the address, so that is never believed."""
    subject = user.get("id") if isinstance(user, dict) else None
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        return None
    email = _email(user.get("email"))
    return Newcomer(
        provider=provider.name,
        issuer=provider.identified_by,
        subject=subject,
        email=email,
        given_name=_line(user.get("first_name")),
        family_name=_line(user.get("last_name")),
        shown=email or _line(user.get("name")),
    )


def _verified(provider: SocialProvider, claims: Mapping[str, Any]) -> bool:
    """Apple writes it as a text. Google's word counts for its own addresses alone: anybody else's may have changed hands since."""
    said = claims.get("email_verified")
    if said is not True and said != "true":
        return False
    if provider.template != "google":
        return True
    return str(claims["email"]).lower().endswith("@gmail.com") or bool(claims.get("hd"))


def _name(claims: Mapping[str, Any], user: str | None) -> tuple[str | None, str | None]:
    given, family = _line(claims.get("given_name")), _line(claims.get("family_name"))
    if given is None and user is not None:
        with contextlib.suppress(ValueError, AttributeError):
            name = orjson.loads(user).get("name") or {}
            given, family = _line(name.get("firstName")), _line(name.get("lastName"))
    return given, family


def _number(user: Any) -> str | None:
    number = user.get("id") if isinstance(user, dict) else None
    return str(number) if isinstance(number, int) and not isinstance(number, bool) else None


def _email(value: Any) -> str | None:
    """None for whatever couldn't be registered here."""
    try:
        return value.strip() if isinstance(value, str) and canonical_email(value) else None
    except ValueError:
        return None


def _line(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    text = "".join(one if one.isprintable() else " " for one in value).strip()
    return text[:_MOST] or None
