"""Accounts elsewhere that sign in here: linking and unlinking, after fresh authentication (R36, E27, D39)."""

from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.configuration import SocialProvider
from latchkey_contracts.http.social import LinkedIdentities
from servicekit import errors
from starlette.responses import Response

from .acts import LINK, UNLINK, Act, acting, can_change, inside, perform, security
from .visit import Visit, VisitDep

routes = APIRouter()


@routes.post("/{app}/account/security/identities")
async def link(visit: VisitDep) -> Response:
    fields = await acting(visit, page=security(visit))
    return await perform(visit, Act(LINK, fields.get("provider", "")))


@routes.get("/{app}/account/security/identities/{identity}/unlink")
async def ask(visit: VisitDep, identity: UUID) -> Response:
    inside(visit)
    found = await visit.read("/v1/me/linked-identities", LinkedIdentities)
    one = next((one for one in found.items if one.id == identity), None)
    if one is None:
        return visit.to(security(visit))  # in another window already
    return visit.page("unlink.html", one=one, problem=visit.told(errors.LastWayIn), can_change=can_change(visit))


@routes.post("/{app}/account/security/identities/{identity}/unlink")
async def unlink(visit: VisitDep, identity: UUID) -> Response:
    await acting(visit)
    with suppress(errors.NotFound):  # in another window already
        return await perform(visit, Act(UNLINK, str(identity)))
    return visit.to(security(visit))


def linkable(visit: Visit, linked: LinkedIdentities) -> list[SocialProvider]:
    """Those that have a button: what is linked already needs none."""
    has = {one.provider for one in linked.items}
    return [one for one in visit.application.social if one.name in linked.offered and one.name not in has]
