"""What stands between a right password and a session (D32): what was noted with the account, and what its store requires by now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from latchkey_contracts.configuration import Attribute
from latchkey_contracts.http.apps import AttributeField
from latchkey_contracts.http.sign_in import Action
from servicekit.db import Conn
from servicekit.errors import FieldError
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from identity.accounts import store as accounts
from identity.accounts import values
from identity.accounts.store import Standing


@dataclass(frozen=True, slots=True)
class Due:
    """`attributes`: with the action `profile`, in the customer's language."""

    actions: Sequence[Action] = ()
    attributes: list[AttributeField] = field(default_factory=list)


NOTHING = Due()


async def due(conn: Conn, app: Resolved, account_id: UUID, caller: Caller) -> Due:
    return of(await accounts.standing(conn, account_id), app, caller)


def of(standing: Standing, app: Resolved, caller: Caller) -> Due:
    actions: list[Action] = list(standing.required)
    if "username" not in actions and not standing.named and app.store.identifiers.username.use == "required":
        actions.append("username")
    attributes = missing(standing.profile, app)
    if attributes:
        actions.append("profile")
    said = caller.language or app.application.default_language
    return Due(actions, [values.asked(app.application, said, one) for one in attributes])


def missing(profile: dict[str, Any], app: Resolved) -> list[Attribute]:
    """Required, and not there in the type of now (E20). What its owner could give nowhere else is nobody's to be kept out for."""
    portal = app.policy.personal_information.enabled
    there = values.current(profile, app.store)
    return [
        one
        for one in app.store.attributes
        if one.required and one.name not in there and (one.at_registration == "shown" or (portal and one.in_portal == "editable"))
    ]


def check(given: dict[str, Any], asked: list[Attribute]) -> list[FieldError]:
    """All of them at once, and nothing else."""
    names = {one.name for one in asked}
    strange = [FieldError(f"/profile/{name}", "unknown_field", "This isn't asked for") for name in given if name not in names]
    return strange + [problem for one in asked for problem in values.problems(given.get(one.name), one)]
