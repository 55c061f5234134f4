"""Passkeys by the pages: signing in without name and password, naming a new one, and the offer to make one (MFA-3, D12).

The browser's part is static/passkeys.js; what it answers comes as a field of an ordinary form.
"""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.factors import Factor, Factors
from latchkey_contracts.http.passkeys import PasskeyOffer
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit import errors
from starlette.responses import Response

from .acts import NOTHING, acting, inside, way
from .fields import credential_of, required
from .offers import onward_of
from .sign_in import CARRIED, arrived, elsewhere, step
from .visit import Visit, VisitDep

routes = APIRouter()


@routes.post("/{app}/sign-in/{flow}/passkey")
async def sign_in(visit: VisitDep, flow: UUID) -> Response:
    """From the page of the name, of the password or of the second step; what goes wrong is told there."""
    fields = await visit.form(lambda found: _came_from(visit, flow, found))
    body = {"credential": credential_of(fields), "trust_device": fields.get("trust_device") == "on"}
    try:
        answer = await visit.go_on(visit.api(f"sign-ins/{flow}/passkey"), body, SignInFlow, peer="mfa")
    except errors.NotFound:
        return elsewhere(visit, None)
    except errors.StepMissing:
        return visit.again()  # the page says where it stands
    return arrived(visit, answer)


def _came_from(visit: Visit, flow: UUID, fields: Mapping[str, str]) -> str:
    if fields.get("from") in {"password", "code"}:
        return step(visit, flow, fields["from"])
    return f"{visit.base}/sign-in{visit.query(*CARRIED)}"


# --- a new one ----------------------------------------------------------------------------------------------------------


@routes.get("/{app}/account/security/ways/{factor}/passkey")
async def ask_name(visit: VisitDep, factor: UUID) -> Response:
    inside(visit)
    found = await _mine(visit, factor)
    values = visit.before.values or {"name": found.name or ""}
    return visit.page("passkey_name.html", factor=found, values=values)


@routes.post("/{app}/account/security/ways/{factor}/passkey")
async def take_name(visit: VisitDep, factor: UUID) -> Response:
    fields = await acting(visit)
    await visit.go_on(f"/v1/me/factors/{factor}", {"name": required(fields, "name")}, Factor, method="PATCH", peer="mfa")
    return visit.to(f"{way(visit, factor)}/ready")


@routes.get("/{app}/account/security/ways/{factor}/ready")
async def ready(visit: VisitDep, factor: UUID) -> Response:
    inside(visit)
    found = await _mine(visit, factor)
    others = (await visit.read("/v1/me/factors", Factors, peer="mfa")).items
    return visit.page("passkey_done.html", factor=found, only=[one.id for one in others] == [found.id])


async def _mine(visit: Visit, factor: UUID) -> Factor:
    found = await visit.read(f"/v1/me/factors/{factor}", Factor, peer="mfa")
    if found.kind != "passkey" or found.status != "active":
        raise errors.NotFound
    return found


# --- the offer ----------------------------------------------------------------------------------------------------------


@routes.get("/{app}/account/passkey-offer")
async def offer(visit: VisitDep) -> Response:
    """Nothing waits for it: where there is nothing to offer, or nobody can say, it goes on by itself."""
    inside(visit)
    try:
        offered = (await visit.read("/v1/me/passkey-offer", PasskeyOffer, peer="mfa")).offered
    except errors.ServiceError:
        offered = False
    return (
        visit.page("passkey_offer.html", onward=onward_of(visit), here=visit.address) if offered else visit.to(onward_of(visit))
    )


@routes.post("/{app}/account/passkey-offer")
async def never_again(visit: VisitDep) -> Response:
    await acting(visit)
    await visit.go_on("/v1/me/passkey-offer", None, NOTHING, method="DELETE", peer="mfa")
    return visit.to(onward_of(visit))
