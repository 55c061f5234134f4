"""What a configuration must satisfy beyond the shape of its fields; every problem at once, with path and reason."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from latchkey_contracts.configuration import (
    AccessPolicy,
    Application,
    Document,
    IdentityStore,
    NotificationPolicy,
    SelfServicePolicy,
)
from pydantic import BaseModel, ValidationError
from servicekit.spoken import skeleton

from . import access_rules, item_rules, social_rules
from .findings import Checked, Known
from .reasons import reason

# Easy to say on the phone and to tell apart (R31, E31): letters and single dashes.
_SPEAKABLE = re.compile(r"^(?=.{3,24}$)[a-z]+(-[a-z]+)*$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
Item = TypeVar("Item", bound=BaseModel)


def check(
    document: Any, known: Known | None, able: access_rules.Able | None = None, here: social_rules.Surroundings | None = None
) -> Checked:
    """`known`: None before anybody can be asked; then what it refers to may be there or not. `able`: which access rules can be decided.
    `here`: what this instance has.
    """
    checked, asked, known = Checked(), known is not None, known or Known()
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
    access = dict(_whole(document, "access_policies", AccessPolicy))
    applications = dict(_whole(document, "applications", Application))
    checked.unique("/identity_stores", (store.name for store in stores.values()))
    checked.unique("/self_service_policies", (policy.name for policy in policies.values()))
    checked.unique("/notification_policies", (notification.name for notification in notifications.values()))
    checked.unique("/access_policies", (policy.name for policy in access.values()))
    checked.unique("/applications", (application.slug for application in applications.values()))
    _check_items(checked, stores, notifications, applications, here)
    access_rules.check_policies(checked, access, able)
    _check_friendly_urls(checked, applications, known)
    if asked:
        _check_references(checked, document, "identity_stores", "store", known.stores)
        _check_references(checked, document, "self_service_policies", "self_service_policy", known.policies)
        # The one that applications have by default need not be written.
        _check_references(checked, document, "notification_policies", "notification_policy", {"Default", *known.notifications})
        _check_references(checked, document, "access_policies", "access_policy", {"Default", *known.access})
    _check_pairs(checked, stores, policies, applications, known)
    access_rules.check_applications(checked, access, notifications, stores, applications, known)
    _check_first_text(checked, stores, policies, notifications, applications, known)
    if not checked.errors:
        checked.document = parsed
    return checked


def _check_items(
    checked: Checked,
    stores: Mapping[str, IdentityStore],
    notifications: Mapping[str, NotificationPolicy],
    applications: Mapping[str, Application],
    here: social_rules.Surroundings | None,
) -> None:
    """Each by itself."""
    for path, store in stores.items():
        item_rules.check_store(checked, path, store)
    for path, notification in notifications.items():
        item_rules.check_notification(checked, path, notification)
    for path, application in applications.items():
        item_rules.check_application(checked, path, application)
        social_rules.check_social(checked, path, application, here)


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


def _check_friendly_urls(checked: Checked, applications: Mapping[str, Application], known: Known) -> None:
    """Easy to say, and of different applications never taken for each other; one that was given up stays its application's own."""
    mine = {application.slug for application in applications.values()}
    others = [application for slug, application in known.applications.items() if slug not in mine]
    owners = {skeleton(url): (url, one.slug) for one in others for _, url in _urls(one)}
    for path, application in applications.items():
        seen: set[str] = set()
        for place, url in _urls(application):
            where = f"{path}/{place}"
            if not _SPEAKABLE.fullmatch(url):
                checked.errors.append((where, f"{url}: 3 to 24 small letters, with single dashes between words"))
                continue
            theirs, owner = owners.get(skeleton(url), ("", application.slug))
            if owner != application.slug:
                like = "belongs" if theirs == url else f"is taken for {theirs}, which belongs"
                checked.errors.append((where, f"{url} {like} to {owner} already"))
            if url in seen:
                checked.errors.append((where, f"{url} stands here twice"))
            seen.add(url)
        owners.update({skeleton(url): (url, application.slug) for _, url in _urls(application) if skeleton(url) not in owners})


def _urls(application: Application) -> list[tuple[str, str]]:
    """With their places."""
    both = {"friendly_urls": application.friendly_urls, "disabled_urls": application.disabled_urls}
    return [(f"{name}/{index}", url) for name, urls in both.items() for index, url in enumerate(urls)]


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
    all_stores = {**known.stores, **{store.name: store for store in stores.values()}}
    all_policies = {**known.policies, **{policy.name: policy for policy in policies.values()}}
    mentioned = {application.slug: path for path, application in applications.items()}
    everything = {**known.applications, **{application.slug: application for application in applications.values()}}
    for slug, application in everything.items():
        store, policy = all_stores.get(application.store), all_policies.get(application.self_service_policy)
        if store is not None and policy is not None:
            _check_pair(checked, f"{mentioned.get(slug, f'/applications/{slug}')}/self_service_policy", store, policy)
    _check_mixed_activation(checked, everything, all_policies, mentioned)


def _check_mixed_activation(
    checked: Checked,
    applications: Mapping[str, Application],
    policies: Mapping[str, SelfServicePolicy],
    mentioned: Mapping[str, str],
) -> None:
    """What an application without activation costs beside one of the same store that has it."""
    asks: dict[str, list[str]] = {}
    for slug, application in applications.items():
        policy = policies.get(application.self_service_policy)
        if policy is not None and policy.registration.enabled and policy.registration.activation:
            asks.setdefault(application.store, []).append(slug)
    for slug, one in applications.items():
        policy = policies.get(one.self_service_policy)
        if policy is None or not policy.registration.enabled or policy.registration.activation or one.store not in asks:
            continue
        why = (
            f"registration.activation is off in {policy.name}, and on for {', '.join(sorted(asks[one.store]))} of the same store "
            f"{one.store}: whoever proves an address takes it from the account that was opened here with it, and an account left "
            "without any is disabled (REG-3)"
        )
        checked.warnings.append((f"{mentioned.get(slug, f'/applications/{slug}')}/self_service_policy", why))


def _check_pair(checked: Checked, path: str, store: IdentityStore, policy: SelfServicePolicy) -> None:
    if not store.verifiable:
        lacks = f"the store {store.name} has no e-mail or phone identifier"
        if policy.registration.activation:
            checked.warnings.append((path, f"registration.activation is ignored: {lacks} (R8)"))
        else:
            checked.errors.append((path, f"registration.activation can't be off in {policy.name}: {lacks}"))
    if policy.username_reminder.enabled and store.identifiers.username.use == "hidden":
        checked.warnings.append((path, f"username_reminder is not offered: the store {store.name} has no username (R13)"))


def _check_first_text(
    checked: Checked,
    stores: Mapping[str, IdentityStore],
    policies: Mapping[str, SelfServicePolicy],
    notifications: Mapping[str, NotificationPolicy],
    applications: Mapping[str, Application],
    known: Known,
) -> None:
    """Where an account may begin with a phone alone, its first text goes to a stranger's number (FRD-6)."""
    all_stores = {**known.stores, **{store.name: store for store in stores.values()}}
    all_policies = {**known.policies, **{policy.name: policy for policy in policies.values()}}
    all_notifications = {**known.notifications, **{notification.name: notification for notification in notifications.values()}}
    for path, application in applications.items():
        store, policy = all_stores.get(application.store), all_policies.get(application.self_service_policy)
        if store is None or policy is None or not policy.registration.activation:
            continue
        used = store.used()
        if "phone" not in used or ("email" in used and used["email"].use == "required"):
            continue
        notification = all_notifications.get(application.notification_policy, NotificationPolicy(name="Default"))
        if not notification.spending.strangers.enabled:
            lacks = f"spending.strangers is not enabled in {notification.name}, so that no number is texted before it is proven (FRD-6)"
            checked.warnings.append((f"{path}/notification_policy", f"nobody can begin with a phone: {lacks}"))
