"""Sign-in attempts: how they begin, whose they are, and what is told of them."""

from collections.abc import Sequence
from uuid import UUID

from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.factors import FactorKind
from latchkey_contracts.http.sign_in import Needed, SignInFlow, SignInRequest
from latchkey_contracts.http.sign_in import Newcomer as SignInNewcomer
from servicekit.db import Conn
from servicekit.errors import NotFound
from servicekit.ids import random_id
from servicekit.process.configuration import Resolved
from servicekit.proof import same_browser
from servicekit.web.caller import Caller

from . import store
from .due import NOTHING, Due
from .store import Attempt


def begun(conn: Conn, app: Resolved, body: SignInRequest, caller: Caller) -> Attempt:
    return Attempt(
        id=random_id(),
        store_id=app.store.id,
        application=app.application.slug,
        identifier=body.identifier,
        browser=caller.browser,
        status="needs_factor" if app.access.factor_first else "password",
        return_to=body.return_to,
        created_at=conn.now,
        expires_at=conn.now + app.policy.sign_in.attempt_lifetime,
    )


async def mine(conn: Conn, slug: str, flow_id: UUID, caller: Caller) -> Attempt:
    """Raises NotFound for any browser but the one that began it."""
    attempt = await store.get(conn, flow_id)
    if attempt is None or attempt.application != slug or not same_browser(attempt.browser, caller.browser):
        raise NotFound
    return attempt


def view(
    conn: Conn, attempt: Attempt, what: Due = NOTHING, *, over: bool = False, enrol: Sequence[FactorKind] = ()
) -> SignInFlow:
    """`what`: what it still waits for, if its proof stands; with none, and no factor to add, it can't go on. `over`: whatever it waits
    for. `enrol`: what may be added, where that is known.
    """
    status = attempt.status
    if status in {"password", "needs_factor", "needs_action"} and (over or attempt.expires_at <= conn.now):
        status = "ended"
    due: list[Needed] = ["factor"] if attempt.factor_due else []
    needed: list[Needed] = [*what.actions, *due]
    if status == "needs_action" and not needed:
        status = "ended"
    steps = [*(["action"] if what.actions else []), *(["factors"] if attempt.factor_due else [])]
    following = {"password": ["password"], "needs_action": steps}.get(status, [])
    return SignInFlow(
        id=attempt.id,
        status=status,
        expires_at=attempt.expires_at,
        next=following,
        actions=needed if status == "needs_action" else [],
        attributes=what.attributes if status == "needs_action" else [],
        enrol=list(enrol) if status == "needs_action" else [],
        typed=attempt.identifier,
        return_to=attempt.return_to if status == "complete" else None,
    )


def with_passkey(app: Resolved, attempt: Attempt, flow: SignInFlow) -> SignInFlow:
    """Instead of name and password, where the application takes one and nobody's is proven yet: said to everybody alike (ENU-1)."""
    if attempt.account_id is not None or flow.status not in {"password", "needs_factor"} or not app.access.passkey.enabled:
        return flow
    return flow.model_copy(update={"next": [*flow.next, "passkey"]})


def first_ways(app: Resolved, attempt: Attempt, flow: SignInFlow) -> SignInFlow:
    """All that may stand in for name and password."""
    return with_social(app, attempt, with_passkey(app, attempt, flow))


def with_social(app: Resolved, attempt: Attempt, flow: SignInFlow) -> SignInFlow:
    """The same of accounts elsewhere; and whom one of them has named in this attempt."""
    if attempt.account_id is not None or flow.status not in {"password", "needs_factor"} or not app.application.social:
        return flow
    who, following = attempt.newcomer, [*flow.next, "social"]
    if who is None:
        return flow.model_copy(update={"next": following})
    if who.leads == "links":
        return flow.model_copy(update={"next": following, "links": who.provider})
    asked = {one.name for one in app.store.attributes if one.at_registration == "shown"}
    said = {"given_name": who.given_name, "family_name": who.family_name}
    newcomer = SignInNewcomer(
        provider=who.provider,
        email=who.email if "email" in app.store.used() else None,
        email_proven=who.proven and "email" in app.store.used(),
        profile={name: value for name, value in said.items() if value is not None and name in asked},
    )
    return flow.model_copy(update={"next": [*following, "registration"], "newcomer": newcomer})


def with_challenge(flow: SignInFlow, access: AccessState) -> SignInFlow:
    """While it waits for a factor: which there are, and what became of what was sent."""
    return flow.model_copy(update={**access.told, "link_ended": access.link_ended})
