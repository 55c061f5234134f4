"""What a registration may contain, and what its waiting page may say. Pure functions."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from latchkey_contracts import typed
from latchkey_contracts.configuration import Application, Attribute, IdentityStore, SelfServicePolicy
from latchkey_contracts.http.registration import ConsentDecision
from servicekit.addresses import canonical_email, canonical_phone
from servicekit.errors import FieldError

from identity.accounts.rules import Identifier

from .states import Status

# What may become of an attempt. `complete` begins as that: activation is off, and nothing is stored.
FOLLOWS: Mapping[Status, frozenset[Status]] = {
    "check_your_messages": frozenset({"password", "activated", "ended"}),
    "password": frozenset({"activated", "ended"}),
    "activated": frozenset(),
    "complete": frozenset(),
    "ended": frozenset(),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def may_follow(now: Status, then: Status) -> bool:
    """Whether an attempt may come from one state to the other."""
    return then in FOLLOWS[now]


def recipient_of(identifiers: list[Identifier]) -> Identifier | None:
    """Where the activation message goes: the e-mail address given as an identifier (R6), else the phone (D2).

    Where an address is given nothing but that mailbox proves: a phone's code must never activate an account that carries
    somebody else's address (REG-3).
    """
    return next((identifier for kind in ("email", "phone") for identifier in identifiers if identifier.kind == kind), None)


def password_last(policy: SelfServicePolicy) -> bool:
    """Whether it is chosen once the address is proven (D33); without an activation there is no such moment."""
    return policy.password_input.defer and policy.registration.activation


def check_profile(given: dict[str, Any], store: IdentityStore) -> list[FieldError]:
    """Only what the store asks for at registration, in its form (REG-7)."""
    shown = {attribute.name: attribute for attribute in store.attributes if attribute.at_registration == "shown"}
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
        elif (problem := attribute_problem(value, attribute)) is not None:
            errors.append(FieldError(f"/profile/{name}", "not_this_form", problem))
    return errors


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


def check_consents(given: list[ConsentDecision], application: Application) -> list[FieldError]:
    """Each about a text in use; mandatory ones must be given."""
    known = {consent.id: consent for consent in application.consents}
    errors = []
    for index, decision in enumerate(given):
        if decision.id not in known or known[decision.id].version != decision.version:
            errors.append(FieldError(f"/consents/{index}", "not_an_option", "This text is not in use"))
    accepted = {decision.id for decision in given if decision.given}
    missing = [consent.id for consent in application.consents if consent.mandatory and consent.id not in accepted]
    return errors + [FieldError("/consents", "required", f"{consent_id} is needed for the contract") for consent_id in missing]


def clean_profile(given: dict[str, Any], store: IdentityStore) -> dict[str, Any]:
    """Addresses, numbers and dates as we read them; texts stay as they were written, without the blanks around them."""
    read = {attribute.name for attribute in store.attributes if attribute.type in {"email", "phone", "date"}}
    stripped = {name: _stripped(value, reads=name in read) for name, value in given.items()}
    return {name: value for name, value in stripped.items() if value is not None and value != ""}


def _stripped(value: Any, *, reads: bool) -> Any:
    if not isinstance(value, str):
        return value
    return typed.line(value) if reads else value.strip()
