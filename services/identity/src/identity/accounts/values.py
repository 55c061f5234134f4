"""Values of the profile: what is wrong with one, how it is stored, and what it is by now.

An attribute's type may change after values were written (E20). They stay as they are, and are read as the type of now wherever that loses
nothing; one that doesn't fit is shown to nobody and counts as missing. So the type may change back. Pure functions.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from latchkey_contracts import typed
from latchkey_contracts.configuration import Application, Attribute, IdentityStore
from latchkey_contracts.http import apps
from servicekit import postal
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.errors import FieldError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_WORDS = {True: "yes", False: "no"}
_ANY_LENGTH = 10_000  # a value isn't lost because the store wants shorter ones now


def asked(application: Application, language: str, attribute: Attribute) -> apps.AttributeField:
    """As a client is told of it."""
    return apps.AttributeField(
        name=attribute.name,
        type=attribute.type,
        label=application.readable(language, attribute.label),
        required=attribute.required,
        options=[{"value": option, "label": option} for option in attribute.options] if attribute.options else None,
    )


def blank(value: Any, attribute: Attribute) -> bool:
    if attribute.type == "address":
        return postal.blank(value)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def problems(value: Any, attribute: Attribute) -> list[FieldError]:
    """Of one that somebody gives, blank or not."""
    at = f"/profile/{attribute.name}"
    if attribute.type == "address" and value:
        return [] if blank(value, attribute) and not attribute.required else postal.check(value, at)
    if blank(value, attribute):
        return [FieldError(at, "required", "This is needed")] if attribute.required else []
    why = attribute_problem(value, attribute)
    return [] if why is None else [FieldError(at, "not_this_form", why)]


def attribute_problem(value: object, attribute: Attribute) -> str | None:
    """What is wrong with a value that isn't blank."""
    if attribute.type == "checkbox":
        return None if isinstance(value, bool) else "This is yes or no"
    if attribute.type == "list":
        fine = (
            isinstance(value, list)
            and len(value) <= 50
            and all(isinstance(text, str) and len(text) <= attribute.max_length for text in value)
        )
        return (
            None
            if fine and isinstance(value, list) and not any(_CONTROL.search(text) for text in value)
            else "This is a list of short texts"
        )
    if attribute.type == "address":
        return "An address isn't asked for here"
    if not isinstance(value, str):
        return "This is a text"
    if len(value) > attribute.max_length:
        return f"Use at most {attribute.max_length} characters"
    if _CONTROL.search(value):
        return "This contains a control character"
    return _typed_problem(value, attribute)


def _typed_problem(value: str, attribute: Attribute) -> str | None:
    try:
        if attribute.type == "date":
            date.fromisoformat(typed.line(value))
        elif attribute.type == "email":
            canonical_email(value)
        elif attribute.type == "phone":
            canonical_phone(value)
        elif attribute.type == "select" and value not in (attribute.options or []):
            return "This is not one of the choices"
    except ValueError:
        return f"This is not a {attribute.type}"
    return None


def put(stored: Mapping[str, Any], given: Mapping[str, Any], store: IdentityStore) -> dict[str, Any]:
    """What is stored once these are given, all of which are right; a blank one is taken out, whatever isn't given stays as it is."""
    kept = {name: value for name, value in stored.items() if name not in given}
    attributes = {one.name: one for one in store.attributes}
    filled = {name: value for name, value in given.items() if not blank(value, attributes[name])}
    addresses = {name: postal.clean(value) for name, value in filled.items() if attributes[name].type == "address"}
    return {**kept, **clean_profile({**filled, **addresses}, store)}


def clean_profile(given: dict[str, Any], store: IdentityStore) -> dict[str, Any]:
    """Addresses, numbers and dates as we read them; texts stay as they were written, without the blanks around them."""
    read = {attribute.name for attribute in store.attributes if attribute.type in {"email", "phone", "date"}}
    stripped = {name: _stripped(value, reads=name in read) for name, value in given.items()}
    return {name: value for name, value in stripped.items() if value is not None and value != ""}


def _stripped(value: Any, *, reads: bool) -> Any:
    if not isinstance(value, str):
        return value
    return typed.line(value) if reads else value.strip()


def current(profile: Mapping[str, Any], store: IdentityStore) -> dict[str, Any]:
    """In the store's order and types."""
    found = {one.name: _as_now(profile.get(one.name), one) for one in store.attributes}
    return {name: value for name, value in found.items() if value is not None}


def _as_now(value: Any, attribute: Attribute) -> Any:
    """None: there is none, or none that fits."""
    for one in (value, _converted(value, attribute.type)):
        if not blank(one, attribute) and _fits(one, attribute):
            return date.fromisoformat(typed.line(one)).isoformat() if attribute.type == "date" else one
    return None


def _fits(value: Any, attribute: Attribute) -> bool:
    if attribute.type == "address":
        return postal.fits(value)
    return attribute_problem(value, attribute.model_copy(update={"max_length": _ANY_LENGTH})) is None


def _converted(value: Any, kind: str) -> Any:
    """Only what can be said in the other type as well; None for all else."""
    if kind == "checkbox":
        return next((flag for flag, word in _WORDS.items() if isinstance(value, str) and value.strip().lower() == word), None)
    if kind == "list":
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else None
    if isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    return None
