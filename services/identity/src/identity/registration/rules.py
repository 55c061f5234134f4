"""What a registration may contain, and what its waiting page may say. Pure functions."""

from collections.abc import Mapping
from typing import Any

from latchkey_contracts.configuration import Application, IdentityStore
from latchkey_contracts.http.registration import ConsentDecision
from servicekit import numbers
from servicekit.errors import FieldError
from servicekit.process.configuration import NOT_SPOKEN, Resolved

from identity.accounts.rules import Identifier
from identity.accounts.values import attribute_problem

from .states import Status

# What may become of an attempt. `complete` begins as that: activation is off, and nothing is stored.
FOLLOWS: Mapping[Status, frozenset[Status]] = {
    "check_your_messages": frozenset({"password", "activated", "ended"}),
    "password": frozenset({"activated", "ended"}),
    "activated": frozenset(),
    "complete": frozenset(),
    "ended": frozenset(),
}


def may_follow(now: Status, then: Status) -> bool:
    """Whether an attempt may come from one state to the other."""
    return then in FOLLOWS[now]


def recipient_of(identifiers: list[Identifier]) -> Identifier | None:
    """Where the activation message goes: the e-mail address given as an identifier (R6), else the phone (D2).

    Where an address is given nothing but that mailbox proves: a phone's code must never activate an account that carries
    somebody else's address (REG-3).
    """
    return next((identifier for kind in ("email", "phone") for identifier in identifiers if identifier.kind == kind), None)


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


def check_rest(
    profile: dict[str, Any],
    consents: list[ConsentDecision],
    language: str | None,
    app: Resolved,
    recipient: Identifier | None,
) -> list[FieldError]:
    """What is alike however the account is going to be signed in to."""
    errors: list[FieldError] = []
    if recipient is not None and recipient.kind == "phone" and app.policy.registration.activation:
        errors += numbers.closed(recipient.canonical, app.notification, "/identifiers/phone")
    errors += check_profile(profile, app.store)
    errors += check_consents(consents, app.application)
    if language is not None and app.speaks(language) is None:
        errors.append(NOT_SPOKEN)
    return errors


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
