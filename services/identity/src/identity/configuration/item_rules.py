"""What one store, notification policy or application must satisfy, whatever else there is."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from latchkey_contracts import templates
from latchkey_contracts.brand import SupportTexts
from latchkey_contracts.configuration import (
    RESERVED_ATTRIBUTES,
    RESERVED_SLUGS,
    Application,
    Attribute,
    IdentityStore,
    NotificationPolicy,
)
from servicekit import brands, own_texts

from .findings import Checked

_COUNTRY = re.compile(r"\+[1-9][0-9]{0,3}|[A-Z]{2}")
_SHORTEST = {"date": 10, "phone": 16, "email": 64}  # max_length below it keeps right answers out


def check_store(checked: Checked, path: str, store: IdentityStore) -> None:
    if not any(one.use == "required" for one in store.used().values()):
        checked.errors.append((f"{path}/identifiers", "at least one identifier must be required"))
    if "phone" in store.used() and not any(one.use == "required" for one in (store.identifiers.email, store.identifiers.phone)):
        checked.errors.append(
            (f"{path}/identifiers/phone", "require email or phone, so that every account has one that is proven")
        )
    if store.password.min_length_with_second_factor > store.password.min_length:
        above = f"is above min_length, {store.password.min_length}"
        checked.errors.append((f"{path}/password/min_length_with_second_factor", above))
    checked.unique(f"{path}/attributes", (attribute.name for attribute in store.attributes))
    for index, attribute in enumerate(store.attributes):
        checked.errors += [(f"{path}/attributes/{index}/{part}", why) for part, why in _attribute_problems(attribute)]
        if attribute.required and attribute.in_portal != "editable" and attribute.at_registration != "shown":
            why = "nobody is asked for it: it is neither shown at registration nor editable in the portal"
            checked.warnings.append((f"{path}/attributes/{index}/required", why))


def _attribute_problems(attribute: Attribute) -> Iterator[tuple[str, str]]:
    """What would keep customers from ever filling it in."""
    if attribute.name in RESERVED_ATTRIBUTES:
        yield "name", f"{attribute.name} is a field of our own pages; choose another name"
    for language, said in attribute.label.items():
        if not said.strip():
            yield f"label/{language}", "must not be blank"
    shortest = _SHORTEST.get(attribute.type, 1)
    if attribute.max_length < shortest:
        yield "max_length", f"is too little: a {attribute.type} has up to {shortest} characters"
    if attribute.type == "address" and attribute.at_registration == "shown":
        yield (
            "at_registration",
            "an address has more fields than a registration; a required one is asked for at the first sign-in",
        )
    options = attribute.options or []
    if attribute.type == "select" and not options:
        yield "options", "a select needs options"
    for number, option in enumerate(options):
        if not option.strip() or option != option.strip():
            yield f"options/{number}", "must not be blank, nor begin or end with one"
        if len(option) > attribute.max_length:
            yield f"options/{number}", f"is longer than max_length, {attribute.max_length}"
        if options.index(option) != number:
            yield f"options/{number}", "stands here twice"


def check_notification(checked: Checked, path: str, policy: NotificationPolicy) -> None:
    """An operator's texts say what they must and nothing that could be code (WEB-14); security notices stay on (NOT-3)."""
    for kind, channel in (("sms", policy.sms), ("voice", policy.voice)):
        strange = [country for country in channel.prices if not _COUNTRY.fullmatch(country)]
        why = "must be a dial code as +49 or a region as DE; no other is ever looked up"
        checked.errors += [(f"{path}/{kind}/prices/{country}", why) for country in strange]
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
                checked.errors += [(f"{where}/texts/{language}/{part}", why) for why in own_texts.problems(name, part, said)]


def check_application(checked: Checked, path: str, application: Application) -> None:
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
    checked.errors += [(f"{path}/brand{refused.path}", refused.message) for refused in brands.check(application.brand)]
    if isinstance(texts := application.brand.support_text, SupportTexts) and (
        missing := [language for language in application.languages if getattr(texts, language) is None]
    ):
        checked.errors.append((f"{path}/brand/support_text", f"no text in {', '.join(missing)}"))
    checked.unique(f"{path}/consents", (consent.id for consent in application.consents))
    for index, consent in enumerate(application.consents):
        missing = [
            language for language in application.languages if language not in consent.text or language not in consent.title
        ]
        if missing:
            checked.errors.append((f"{path}/consents/{index}", f"no title or text in {', '.join(missing)}"))


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
