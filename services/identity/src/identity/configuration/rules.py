"""What a configuration must satisfy beyond the shape of its fields; every problem at once, with path and reason."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from latchkey_contracts import brand, templates
from latchkey_contracts.configuration import (
    RESERVED_SLUGS,
    Application,
    Document,
    IdentityStore,
    NotificationPolicy,
    SelfServicePolicy,
)
from pydantic import BaseModel, ValidationError

from .reasons import reason

# Easy to say on the phone and to tell apart (R31, E31): letters and single dashes.
_SPEAKABLE = re.compile(r"^(?=.{3,24}$)[a-z]+(-[a-z]+)*$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
Item = TypeVar("Item", bound=BaseModel)


@dataclass
class Known:
    """What has been applied already, by name; a document may refer to it."""

    stores: Mapping[str, IdentityStore] = field(default_factory=dict)
    policies: Mapping[str, SelfServicePolicy] = field(default_factory=dict)
    applications: Mapping[str, Application] = field(default_factory=dict)
    notifications: Mapping[str, NotificationPolicy] = field(default_factory=dict)


@dataclass
class Checked:
    """`errors`, `warnings`: (JSON pointer, reason). The document is there only when there is no error."""

    document: Document | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)


def check(document: Any, known: Known) -> Checked:
    checked = Checked()
    parsed = None
    try:
        parsed = Document.model_validate(document)
    except ValidationError as error:
        checked.errors += [("/" + "/".join(str(part) for part in one["loc"]), reason(one)) for one in error.errors()]
    checked.errors += [(path, "contains a control character") for path in _with_control_characters(document, "")]
    # What is whole is looked at even if something else is broken, so that one run tells everything.
    stores = dict(_whole(document, "identity_stores", IdentityStore))
    policies = dict(_whole(document, "self_service_policies", SelfServicePolicy))
    notifications = dict(_whole(document, "notification_policies", NotificationPolicy))
    applications = dict(_whole(document, "applications", Application))
    _unique(checked, "/identity_stores", (one.name for one in stores.values()))
    _unique(checked, "/self_service_policies", (one.name for one in policies.values()))
    _unique(checked, "/notification_policies", (one.name for one in notifications.values()))
    _unique(checked, "/applications", (one.slug for one in applications.values()))
    for path, store in stores.items():
        _check_store(checked, path, store)
    for path, notification in notifications.items():
        _check_notification(checked, path, notification)
    for path, application in applications.items():
        _check_application(checked, path, application)
    _check_friendly_urls(checked, applications, known)
    _check_references(checked, document, "identity_stores", "store", known.stores)
    _check_references(checked, document, "self_service_policies", "self_service_policy", known.policies)
    # The one that applications have by default need not be written.
    _check_references(checked, document, "notification_policies", "notification_policy", {"Default", *known.notifications})
    _check_pairs(checked, stores, policies, applications, known)
    if not checked.errors:
        checked.document = parsed
    return checked


def _items(document: Any, section: str) -> list[Any]:
    items = document.get(section) if isinstance(document, dict) else None
    return items if isinstance(items, list) else []


def _whole(document: Any, section: str, model: type[Item]) -> Iterator[tuple[str, Item]]:
    """The items of a section whose fields are all right, by their path."""
    for index, item in enumerate(_items(document, section)):
        try:
            yield f"/{section}/{index}", model.model_validate(item)
        except ValidationError:
            continue


def _with_control_characters(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str) and _CONTROL.search(value):
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from _with_control_characters(part, f"{path}/{name}")


def _unique(checked: Checked, path: str, names: Iterable[str]) -> None:
    checked.errors += [(path, f"{name} stands here {count} times") for name, count in Counter(names).items() if count > 1]


def _check_store(checked: Checked, path: str, store: IdentityStore) -> None:
    if not any(one.use == "required" for one in store.used().values()):
        checked.errors.append((f"{path}/identifiers", "at least one identifier must be required"))
    if "phone" in store.used() and not any(one.use == "required" for one in (store.identifiers.email, store.identifiers.phone)):
        checked.errors.append(
            (f"{path}/identifiers/phone", "require email or phone, so that every account has one that is proven")
        )
    if store.password.min_length_with_second_factor > store.password.min_length:
        above = f"is above min_length, {store.password.min_length}"
        checked.errors.append((f"{path}/password/min_length_with_second_factor", above))
    _unique(checked, f"{path}/attributes", (one.name for one in store.attributes))
    for index, attribute in enumerate(store.attributes):
        if attribute.type == "select" and not attribute.options:
            checked.errors.append((f"{path}/attributes/{index}/options", "a select needs options"))


def _check_notification(checked: Checked, path: str, policy: NotificationPolicy) -> None:
    """An operator's texts say what they must and nothing that could be code (WEB-14); security notices stay on (NOT-3)."""
    for name, setting in policy.templates.items():
        where = f"{path}/templates/{name}"
        template = templates.TEMPLATES.get(name)
        if template is None:
            checked.errors.append((where, f"there is no template {name}; there are {', '.join(sorted(templates.TEMPLATES))}"))
            continue
        if template.essential and not setting.enabled:
            checked.errors.append((f"{where}/enabled", f"{name} can't be switched off"))
        for language, text in setting.texts.items():
            parts = {part: said for part, said in text.model_dump().items() if said is not None}
            if ("text" in parts) != ("html" in parts):
                checked.errors.append((f"{where}/texts/{language}", "text and html go together"))
            for part, said in parts.items():
                if templates.PARTS[part] not in template.channels:
                    checked.errors.append((f"{where}/texts/{language}/{part}", f"{name} is not sent by {templates.PARTS[part]}"))
                    continue
                checked.errors += [(f"{where}/texts/{language}/{part}", why) for why in templates.problems(name, part, said)]


def _check_application(checked: Checked, path: str, application: Application) -> None:
    if application.slug in RESERVED_SLUGS:
        checked.errors.append((f"{path}/slug", f"{application.slug} is reserved"))
    if application.default_language not in application.languages:
        checked.errors.append((f"{path}/default_language", f"{application.default_language} is not among the languages"))
    try:
        ZoneInfo(application.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        checked.errors.append((f"{path}/timezone", f"{application.timezone} is not a time zone, as in Europe/Berlin"))
    for index, url in enumerate(application.return_urls):
        if (problem := return_url_problem(url)) is not None:
            checked.errors.append((f"{path}/return_urls/{index}", problem))
    checked.errors += [(f"{path}/brand{one.path}", one.message) for one in brand.check(application.brand)]
    _unique(checked, f"{path}/consents", (one.id for one in application.consents))
    for index, consent in enumerate(application.consents):
        missing = [one for one in application.languages if one not in consent.text or one not in consent.title]
        if missing:
            checked.errors.append((f"{path}/consents/{index}", f"no title or text in {', '.join(missing)}"))


def _check_friendly_urls(checked: Checked, applications: Mapping[str, Application], known: Known) -> None:
    mine = {one.slug for one in applications.values()}
    owners = {url: slug for slug, one in known.applications.items() if slug not in mine for url in one.friendly_urls}
    for path, application in applications.items():
        for index, url in enumerate(application.friendly_urls):
            where = f"{path}/friendly_urls/{index}"
            if not _SPEAKABLE.fullmatch(url):
                checked.errors.append((where, f"{url}: 3 to 24 small letters, with single dashes between words"))
            if url in owners:
                checked.errors.append((where, f"{url} belongs to {owners[url]} already"))
            owners[url] = application.slug


def _check_references(checked: Checked, document: Any, section: str, setting: str, known: Iterable[str]) -> None:
    """A broken store or policy is told itself, not again by every application that refers to it."""
    names = {*known, *(str(item.get("name")) for item in _items(document, section) if isinstance(item, dict))}
    for index, item in enumerate(_items(document, "applications")):
        name = item.get(setting, "Default") if isinstance(item, dict) else None
        if isinstance(name, str) and name not in names:
            checked.errors.append((f"/applications/{index}/{setting}", f"there is no {setting.replace('_', ' ')} {name}"))


def _check_pairs(
    checked: Checked,
    stores: Mapping[str, IdentityStore],
    policies: Mapping[str, SelfServicePolicy],
    applications: Mapping[str, Application],
    known: Known,
) -> None:
    """Every application with its store and policy as they will be, also one that this document does not mention."""
    all_stores = {**known.stores, **{one.name: one for one in stores.values()}}
    all_policies = {**known.policies, **{one.name: one for one in policies.values()}}
    mentioned = {one.slug: path for path, one in applications.items()}
    everything = {**known.applications, **{one.slug: one for one in applications.values()}}
    for slug, application in everything.items():
        store, policy = all_stores.get(application.store), all_policies.get(application.self_service_policy)
        if store is not None and policy is not None:
            _check_pair(checked, f"{mentioned.get(slug, f'/applications/{slug}')}/self_service_policy", store, policy)


def _check_pair(checked: Checked, path: str, store: IdentityStore, policy: SelfServicePolicy) -> None:
    if not store.verifiable:
        lacks = f"the store {store.name} has no e-mail or phone identifier"
        if policy.registration.activation:
            checked.warnings.append((path, f"registration.activation is ignored: {lacks} (R8)"))
        else:
            checked.errors.append((path, f"registration.activation can't be off in {policy.name}: {lacks}"))
    if policy.username_reminder.enabled and store.identifiers.username.use == "hidden":
        checked.warnings.append((path, f"username_reminder is not offered: the store {store.name} has no username (R13)"))


def return_url_problem(url: str) -> str | None:
    """Registered once and compared exactly, so only what browsers agree on (WEB-12)."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return f"{url} is not a URL"
    if (
        parts.scheme not in {"https", "http"}
        or not host
        or parts.username is not None
        or parts.fragment
        or re.search(r"[\\\s]", url)
    ):
        return f"{url}: must be https://host/path without user, fragment, space or backslash"
    if parts.scheme == "http" and host not in {"localhost", "127.0.0.1"}:
        return f"{url}: must be https"
    return None
