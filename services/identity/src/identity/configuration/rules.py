"""What a configuration must satisfy beyond the shape of its fields; every problem at once, with path and reason."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from latchkey_contracts import brand
from latchkey_contracts.configuration import RESERVED_SLUGS, Application, Document, IdentityStore, SelfServicePolicy
from pydantic import ValidationError

# Easy to say on the phone and to tell apart (R31, E31): letters and single dashes.
_SPEAKABLE = frozenset("abcdefghijklmnopqrstuvwxyz-")


@dataclass
class Checked:
    document: Document | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


def _reason(one: Any) -> str:
    """Pydantic's words, with range and value for a setting out of range (product.md §3)."""
    text = str(one["msg"]).removeprefix("Value error, ")
    given = one.get("input")
    return f"{text}; here: {given}" if isinstance(given, str | int | float) and not isinstance(given, bool) else text


def check(document: Any, stores: dict[str, IdentityStore], policies: dict[str, SelfServicePolicy]) -> Checked:
    """`stores` and `policies` are those that exist already; the document may refer to them."""
    try:
        parsed = Document.model_validate(document)
    except ValidationError as error:
        found = [("/" + "/".join(str(part) for part in one["loc"]), _reason(one)) for one in error.errors(include_url=False)]
        return Checked(errors=found)
    checked = Checked(parsed)
    stores = {**stores, **{one.name: one for one in parsed.identity_stores}}
    policies = {**policies, **{one.name: one for one in parsed.self_service_policies}}
    _unique(checked, "/identity_stores", [one.name for one in parsed.identity_stores])
    _unique(checked, "/self_service_policies", [one.name for one in parsed.self_service_policies])
    _unique(checked, "/applications", [one.slug for one in parsed.applications])
    _unique(checked, "/applications/*/friendly_urls", [url for one in parsed.applications for url in one.friendly_urls])
    for index, store in enumerate(parsed.identity_stores):
        _check_store(checked, f"/identity_stores/{index}", store)
    for index, application in enumerate(parsed.applications):
        _check_application(checked, f"/applications/{index}", application, stores, policies)
    return checked


def _unique(checked: Checked, path: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            checked.errors.append((path, f"{name} stands here twice"))
        seen.add(name)


def _check_store(checked: Checked, path: str, store: IdentityStore) -> None:
    if not any(one.use == "required" for one in store.used().values()):
        checked.errors.append((f"{path}/identifiers", "at least one identifier must be required"))
    if "phone" in store.used() and store.identifiers.email.use != "required":
        checked.errors.append((f"{path}/identifiers/phone", "activation by text message is not available yet; require email, too"))
    _unique(checked, f"{path}/attributes", [one.name for one in store.attributes])
    for index, attribute in enumerate(store.attributes):
        if attribute.type == "select" and not attribute.options:
            checked.errors.append((f"{path}/attributes/{index}/options", "a select needs options"))


def _check_application(
    checked: Checked, path: str, application: Application, stores: dict[str, IdentityStore], policies: dict[str, SelfServicePolicy]
) -> None:
    if application.slug in RESERVED_SLUGS:
        checked.errors.append((f"{path}/slug", f"{application.slug} is reserved"))
    if application.default_language not in application.languages:
        checked.errors.append((f"{path}/default_language", "is not among the languages"))
    try:
        ZoneInfo(application.timezone)
    except (ZoneInfoNotFoundError, ValueError):
        checked.errors.append((f"{path}/timezone", "is not a time zone"))
    for index, url in enumerate(application.return_urls):
        if (problem := return_url_problem(url)) is not None:
            checked.errors.append((f"{path}/return_urls/{index}", problem))
    for index, url in enumerate(application.friendly_urls):
        if not 3 <= len(url) <= 24 or set(url) - _SPEAKABLE or url[0] == "-" or url[-1] == "-" or "--" in url:
            checked.errors.append((f"{path}/friendly_urls/{index}", "3 to 24 small letters, with single dashes between words"))
    checked.errors += [(f"{path}/brand{one.path}", one.message) for one in brand.check(application.brand)]
    for index, consent in enumerate(application.consents):
        missing = [language for language in application.languages if language not in consent.text or language not in consent.title]
        if missing:
            checked.errors.append((f"{path}/consents/{index}", f"no title or text in {', '.join(missing)}"))
    store, policy = stores.get(application.store), policies.get(application.self_service_policy)
    if store is None:
        checked.errors.append((f"{path}/store", f"there is no identity store {application.store}"))
    if policy is None:
        checked.errors.append((f"{path}/self_service_policy", f"there is no self-service policy {application.self_service_policy}"))
    if store is not None and policy is not None:
        _check_together(checked, path, store, policy)


def _check_together(checked: Checked, path: str, store: IdentityStore, policy: SelfServicePolicy) -> None:
    if not store.verifiable and policy.registration.activation:
        reason = f"registration.activation is ignored: the store {store.name} has no e-mail or phone identifier (R8)"
        checked.warnings.append((f"{path}/self_service_policy", reason))
    if policy.username_reminder.enabled and store.identifiers.username.use == "hidden":
        reason = f"username_reminder is not offered: the store {store.name} has no username (R13)"
        checked.warnings.append((f"{path}/self_service_policy", reason))


def return_url_problem(url: str) -> str | None:
    """Registered once and compared exactly, so only what browsers agree on (WEB-12)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"https", "http"} or not host or parts.username or parts.fragment or "\\" in url:
        return "must be https://host/path without user, fragment or backslash"
    if parts.scheme == "http" and host not in {"localhost", "127.0.0.1"}:
        return "must be https"
    return None
