"""What a sign-in still has to add, as the factors of its account are now (D32)."""

from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.factors import FactorKind
from servicekit.db import Conn, Tx
from servicekit.errors import NotFound
from servicekit.process.configuration import Configuration, Resolved
from servicekit.proof import same_browser
from servicekit.web.caller import Caller

from mfa.factors import rules
from mfa.factors import store as factors
from mfa.factors.store import Factor

from . import store
from .store import Required


async def note(tx: Tx, asked: AccessQuestion, caller: Caller, has: list[Factor], *, wanted: bool) -> None:
    """This sign-in needs a factor added."""
    had = [one.id for one in has if one.active]
    one = Required(asked.flow_id, asked.account_id, asked.application, caller.browser, wanted, had, asked.expires_at)
    await store.put(tx, one)


async def due(conn: Conn, app: Resolved, found: Required) -> list[FactorKind] | None:
    """What may be added, one of these; empty: it was. None: a factor was added elsewhere meanwhile, so this sign-in is over."""
    active = [one for one in await factors.of(conn, found.account_id) if one.active]
    if any(one.kind in rules.ALONE and one.id not in found.had and one.flow_id != found.flow_id for one in active):
        return None
    return rules.missing(app, {one.kind for one in active if rules.enabled(app.access, one.kind)}, wanted=found.wanted)


async def state(conn: Conn, configuration: Configuration, flow_id: UUID, caller: Caller) -> AccessState | None:
    """Of a sign-in for which no factor was asked; None: it needs none added. Raises NotFound for any browser but the one that asked."""
    found = await store.get(conn, flow_id)
    if found is None:
        return None
    if not same_browser(found.browser, caller.browser):
        raise NotFound
    return with_due(AccessState(decision="allow"), await due(conn, configuration.application(found.application), found))


async def after(conn: Conn, app: Resolved, flow_id: UUID, proven: AccessState) -> AccessState:
    """Of one whose factor is proven: what is still to be added."""
    found = await store.get(conn, flow_id)
    return proven if found is None else with_due(proven, await due(conn, app, found))


def with_due(one: AccessState, left: list[FactorKind] | None) -> AccessState:
    return AccessState(decision="ended") if left is None else one.model_copy(update={"enrol": left})
