"""What a customer sees and may change of the profile (R32, R34). Pure functions."""

from typing import Any

from latchkey_contracts.configuration import Application, IdentityStore
from servicekit.errors import FieldError

from identity.accounts import values


def shown(profile: dict[str, Any], store: IdentityStore) -> dict[str, Any]:
    """In the store's order; what it hides or no longer has is nobody's to see here."""
    hidden = {one.name for one in store.attributes if one.in_portal == "hidden"}
    return {name: value for name, value in values.current(profile, store).items() if name not in hidden}


def check(given: dict[str, Any], store: IdentityStore) -> list[FieldError]:
    """Only what the portal lets its customers edit, in its form."""
    known = {one.name: one for one in store.attributes if one.in_portal != "hidden"}
    errors = []
    for name, value in given.items():
        field, attribute = f"/profile/{name}", known.get(name)
        if attribute is None:
            errors.append(FieldError(field, "unknown_field", "This application doesn't ask for it"))
        elif attribute.in_portal != "editable":
            errors.append(FieldError(field, "not_editable", "This can't be changed here"))
        else:
            errors += values.problems(value, attribute)
    return errors


def check_language(language: str, application: Application) -> list[FieldError]:
    fine = language in application.languages
    return [] if fine else [FieldError("/language", "not_an_option", "This application doesn't speak it")]


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of the attributes that differ."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
