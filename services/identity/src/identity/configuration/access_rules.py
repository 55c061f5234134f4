"""What an access policy must satisfy: its rules can be decided, and somebody can still sign in."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Literal, TypeAlias

from latchkey_contracts import ways
from latchkey_contracts.configuration import AccessPolicy, Application, Factor, IdentityStore, NotificationPolicy, Rule
from latchkey_contracts.http.access import Abilities

from .findings import Checked, Known

# What mfa can decide; or that it doesn't answer.
Able: TypeAlias = Abilities | Literal["nobody"]
_MINUTES = 24 * 60


def needs_places(document: Any) -> bool:
    """Whether any rule asks where an address is; of a document that may be anything."""
    policies = document.get("access_policies") if isinstance(document, dict) else None
    found = [
        rule.get("when")
        for policy in (policies if isinstance(policies, list) else [])
        if isinstance(policy, dict) and isinstance(policy.get("rules"), list)
        for rule in policy["rules"]
        if isinstance(rule, dict)
    ]
    return any(isinstance(when, dict) and {"countries", "improbable_travel"} & set(when) for when in found)


def check_policies(checked: Checked, policies: Mapping[str, AccessPolicy], able: Able | None) -> None:
    for path, policy in policies.items():
        for number, rule in enumerate(policy.rules):
            if able is not None and (why := _undecidable(rule, able)) is not None:
                checked.errors.append((f"{path}/rules/{number}", f"{rule.name} can't be decided: {why}"))
        if (everybody := _denied(policy.rules)) is not None:
            checked.errors.append((f"{path}/rules", f"nobody could sign in: {everybody}"))


def check_applications(
    checked: Checked,
    policies: Mapping[str, AccessPolicy],
    notifications: Mapping[str, NotificationPolicy],
    stores: Mapping[str, IdentityStore],
    applications: Mapping[str, Application],
    known: Known,
) -> None:
    """Every application with its policies as they will be, also one that this document does not mention."""
    all_policies = {**known.access, **{one.name: one for one in policies.values()}}
    all_notifications = {**known.notifications, **{one.name: one for one in notifications.values()}}
    all_stores = {**known.stores, **{one.name: one for one in stores.values()}}
    mentioned = {application.slug: path for path, application in applications.items()}
    everything = {**known.applications, **{application.slug: application for application in applications.values()}}
    for slug, application in everything.items():
        policy = all_policies.get(application.access_policy, AccessPolicy(name=application.access_policy))
        notification = all_notifications.get(application.notification_policy, NotificationPolicy(name="Default"))
        path = f"{mentioned.get(slug, f'/applications/{slug}')}/access_policy"
        checked.errors += [(path, f"nobody could sign in: {why}") for why in _impossible(policy, notification)]
        if policy.factor_first and (store := all_stores.get(application.store)) is not None:
            checked.errors += [(path, f"nobody could sign in: {why}") for why in _unreached(policy, notification, store)]


def addable(policy: AccessPolicy, notification: NotificationPolicy) -> list[str]:
    """The kinds of factors that a customer can add."""
    closed = set() if notification.email.enabled else {"email"}
    if not (notification.sms.enabled and notification.sms.countries):
        closed.add("phone")
    kinds = {name: getattr(policy, name) for name in type(policy).model_fields}
    return [name for name, kind in kinds.items() if isinstance(kind, Factor) and kind.enabled and name not in closed]


def _impossible(policy: AccessPolicy, notification: NotificationPolicy) -> list[str]:
    can = addable(policy, notification)
    found = [
        f"{kind} is mandatory in {policy.name}, and {notification.name} sends nothing to it"
        for kind in policy.mandatory
        if kind not in can
    ]
    if policy.second_factor.required and not set(can) - {"recovery_codes"}:
        found.append(f"second_factor.required in {policy.name}, and no kind of factor can be added")
    return found


def _unreached(policy: AccessPolicy, notification: NotificationPolicy, store: IdentityStore) -> list[str]:
    """Of a workflow that begins with a code or link: nobody has a factor before the first sign-in, so a proven address must do."""
    open_ways = {one.kind for one in ways.generic(policy, notification)}
    if not open_ways:
        return [f"workflow {policy.workflow} in {policy.name} begins with a code or link, and {notification.name} sends none"]
    if not open_ways & set(store.used()):
        reached = " or ".join(sorted(open_ways))
        return [
            f"workflow {policy.workflow} in {policy.name} begins with a message by {reached}, and {store.name} has no such identifier"
        ]
    return []


def _undecidable(rule: Rule, able: Able) -> str | None:
    if not rule.when.places:
        return None
    if able == "nobody":
        return "mfa doesn't answer, and it alone knows whether it has a database of places"
    if rule.when.countries is not None and not able.countries:
        return "mfa has no database of places (LATCHKEY_PLACE_DATABASE)"
    if rule.when.improbable_travel is not None and not able.coordinates:
        return "mfa has no database of places with coordinates (LATCHKEY_PLACE_DATABASE), as those of cities have"
    return None


def _denied(rules: Sequence[Rule]) -> str | None:
    """Why the rules that deny on one condition alone leave nobody; None: they leave somebody. Rules on several conditions always do."""
    alone = [rule for rule in rules if rule.effect == "deny" and len(rule.when.given) == 1]
    networks = [network for rule in alone for network in rule.when.networks or ()]
    if _everywhere(networks):
        return f"{_names(alone, 'networks')} deny every network"
    if {rule.when.new_device for rule in alone} >= {True, False}:
        return f"{_names(alone, 'new_device')} deny new devices and known ones"
    if any(rule.when.new_device is True for rule in alone):
        return f"{_names(alone, 'new_device')} deny every new device, and a device is known only after a sign-in"
    if {rule.when.improbable_travel for rule in alone} >= {True, False}:
        return f"{_names(alone, 'improbable_travel')} deny travel that is improbable and any other"
    denied: set[int] = set()
    for rule in alone:
        if rule.when.between is not None:
            first, last = (one.hour * 60 + one.minute for one in rule.times())
            denied |= {minute % _MINUTES for minute in range(first, last if first < last else last + _MINUTES)}
    return f"{_names(alone, 'between')} deny every minute of the day" if len(denied) == _MINUTES else None


def _everywhere(networks: Sequence[str]) -> bool:
    parsed = [ip_network(one) for one in networks]
    four = list(collapse_addresses(one for one in parsed if isinstance(one, IPv4Network)))
    six = list(collapse_addresses(one for one in parsed if isinstance(one, IPv6Network)))
    return four == [IPv4Network("0.0.0.0/0")] and six == [IPv6Network("::/0")]


def _names(rules: Sequence[Rule], condition: str) -> str:
    return " and ".join(rule.name for rule in rules if condition in rule.when.given)
