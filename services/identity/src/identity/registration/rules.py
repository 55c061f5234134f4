"""What a registration may contain, and what its waiting page may say. Pure functions."""

import re
from datetime import date
from typing import Any

from latchkey_contracts.configuration import Application, Attribute, IdentityStore
from latchkey_contracts.http.registration import ConsentDecision
from servicekit.errors import FieldError

from identity.accounts.rules import Identifier, canonical_email, canonical_phone

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def recipient_of(identifiers: list[Identifier]) -> Identifier | None:
    """Where the activation message goes: the e-mail address given as an identifier (R6), else the phone (D2).

    Where an address is given nothing but that mailbox proves: a phone's code must never activate an account that carries
    somebody else's address (REG-3).
    """
    return next((one for kind in ("email", "phone") for one in identifiers if one.kind == kind), None)


def check_profile(given: dict[str, Any], store: IdentityStore) -> list[FieldError]:
    """Only what the store asks for at registration, in its form (REG-7)."""
    shown = {one.name: one for one in store.attributes if one.at_registration == "shown"}
    errors = [
        FieldError(f"/profile/{name}", "unknown_field", "This application doesn't ask for it")
        for name in given
        if name not in shown
    ]
    for name, attribute in shown.items():
        value = given.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if attribute.required:
                errors.append(FieldError(f"/profile/{name}", "required", "This is needed"))
        elif (problem := _attribute_problem(value, attribute)) is not None:
            errors.append(FieldError(f"/profile/{name}", "not_this_form", problem))
    return errors


def _attribute_problem(value: object, attribute: Attribute) -> str | None:
    if attribute.type == "checkbox":
        return None if isinstance(value, bool) else "This is yes or no"
    if attribute.type == "list":
        fine = (
            isinstance(value, list)
            and len(value) <= 50
            and all(isinstance(one, str) and len(one) <= attribute.max_length for one in value)
        )
        return (
            None
            if fine and isinstance(value, list) and not any(_CONTROL.search(one) for one in value)
            else "This is a list of short texts"
        )
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
            date.fromisoformat(value)
        elif attribute.type == "email":
            canonical_email(value)
        elif attribute.type == "phone":
            canonical_phone(value)
        elif attribute.type == "select" and value not in (attribute.options or []):
            return "This is not one of the choices"
    except ValueError:
        return f"This is not a {attribute.type}"
    return None


def check_consents(given: list[ConsentDecision], application: Application) -> list[FieldError]:
    """Each about a text in use; mandatory ones must be given."""
    known = {one.id: one for one in application.consents}
    errors = []
    for index, one in enumerate(given):
        if one.id not in known or known[one.id].version != one.version:
            errors.append(FieldError(f"/consents/{index}", "not_an_option", "This text is not in use"))
    accepted = {one.id for one in given if one.given}
    missing = [consent.id for consent in application.consents if consent.mandatory and consent.id not in accepted]
    return errors + [FieldError("/consents", "required", f"{consent_id} is needed for the contract") for consent_id in missing]


def clean_profile(given: dict[str, Any]) -> dict[str, Any]:
    stripped = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
    return {name: value for name, value in stripped.items() if value is not None and value != ""}
