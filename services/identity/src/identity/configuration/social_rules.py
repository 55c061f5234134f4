"""What sign-in providers of an application must satisfy (docs/flows/social-sign-in.md)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from latchkey_contracts.configuration import Application, SocialProvider

from .findings import Checked

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?(:[0-9]{1,5})?")
# Which settings belong to one template alone, and whether it needs them.
_OWN = {"issuer": ("oidc", True), "team_id": ("apple", True), "key_id": ("apple", True)}


@dataclass(frozen=True)
class Surroundings:
    """What this instance has: where secrets are, the local run's provider, and whether plain HTTP on this machine will do."""

    secrets: Path
    local_provider: str | None = None
    development: bool = False


def check_social(checked: Checked, path: str, application: Application, here: Surroundings | None) -> None:
    """`here`: None where only the file is looked at."""
    checked.unique(f"{path}/social", (one.name for one in application.social))
    for index, one in enumerate(application.social):
        where = f"{path}/social/{index}"
        checked.errors += [(f"{where}/{part}", why) for part, why in _problems(one)]
        if one.template == "local":
            if here is not None and here.local_provider is None:
                told = f"{one.name} is offered by `make run` alone (LATCHKEY_LOCAL_PROVIDER_URL)"
                checked.warnings.append((f"{where}/template", told))
            continue
        if here is not None and not here.development and one.identified_by.startswith("http:"):
            checked.errors.append((f"{where}/issuer", f"{one.identified_by}: must be https"))
        if here is not None and (why := _unreadable(here.secrets / one.client_secret_file)) is not None:
            checked.errors.append(
                (f"{where}/client_secret_file", f"{one.client_secret_file}: {why} (LATCHKEY_SOCIAL_SECRETS_DIR)")
            )


def _problems(one: SocialProvider) -> Iterator[tuple[str, str]]:
    for setting, (owner, needed) in _OWN.items():
        given = getattr(one, setting) is not None
        if given and one.template != owner:
            yield setting, f"is a setting of {owner} alone"
        elif needed and not given and one.template == owner:
            yield setting, f"{owner} needs it"
    if one.hosts and one.template != "oidc":
        yield "hosts", "is a setting of oidc alone"
    if one.tenant != "common" and one.template != "microsoft":
        yield "tenant", "is a setting of microsoft alone"
    for number, host in enumerate(one.hosts):
        if not _HOST.fullmatch(host):
            yield f"hosts/{number}", f"{host}: must be a host's name, as in login.example.org"
    if one.issuer is not None and (why := _issuer_problem(one.issuer)) is not None:
        yield "issuer", f"{one.issuer}: {why}"
    if one.template in {"facebook", "microsoft"} and one.authoritative:
        yield "authoritative", f"{one.known.label} doesn't say whether it has verified an address"


def _issuer_problem(issuer: str) -> str | None:
    """OpenID Connect Discovery §3: it is an https address without query and fragment."""
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    strange = parts.query or parts.fragment or parts.username is not None or re.search(r"[\s\\?#{}]", issuer)
    if parts.scheme not in {"https", "http"} or not host or strange:
        return "must be https://host/path without user, query, fragment and space"
    if parts.scheme == "http" and host not in LOOPBACK:
        return "must be https"
    return None


def _unreadable(path: Path) -> str | None:
    try:
        return None if path.read_bytes().strip() else "is empty"
    except OSError as error:
        return f"can't be read: {error.strerror}"
