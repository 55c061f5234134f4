"""The signed-in customer's pages: overview, password, signing out (R33, PWD-6, PWD-9)."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from latchkey_contracts.configuration import Application
from latchkey_contracts.http.account import Me
from pydantic import TypeAdapter
from servicekit import errors
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.api.service import Gateway
from gateway.web.visitor import APP, Visitor, cookie_name

from .acts import can_change, confirm_for_password, grant_of
from .fields import twice
from .links import page_of
from .offers import offered_first
from .visit import YEAR, VisitDep

routes = APIRouter()
_NOTHING: TypeAdapter[None] = TypeAdapter(None)


@routes.get("/{app}/account")
async def overview(visit: VisitDep) -> Response:
    if not visit.signed_in:
        return visit.to(f"{visit.base}/sign-in" + ("?ended=1" if visit.ended else ""))
    me = await visit.read("/v1/me", Me)
    visit.keep(APP, visit.application.slug, YEAR)
    return visit.page(
        "home.html",
        me=me,
        website=_website(visit.application),
        done="password" if "password_set" in visit.request.query_params else None,
        can_change=can_change(visit),
    )


@routes.get("/{app}/account/security/password")
async def ask_password(visit: VisitDep) -> Response:
    if not visit.signed_in:
        return visit.to(f"{visit.base}/sign-in?to=password" + ("&ended=1" if visit.ended else ""))
    if not can_change(visit):
        raise errors.FeatureDisabled
    brand = visit.application.brand
    words = [brand.name, brand.said, visit.application.slug]
    me = await visit.read("/v1/me", Me)
    confirmed = visit.request.query_params.get("confirmed", "")
    first = me.password_changed_at is None  # of who signs in with an account elsewhere
    by_grant = me.second_factor or first
    if by_grant and await grant_of(visit, confirmed) is None:
        return visit.page("change_password.html", confirm_first=True, confirmed="", first=first)
    return visit.page(
        "change_password.html",
        minimum=visit.app.store.password.min_length,
        words=words,
        confirm_first=False,
        confirmed=confirmed if by_grant else "",
        first=first,
    )


@routes.post("/{app}/account/security/password")
async def save_password(visit: VisitDep) -> Response:
    fields = await visit.form()
    if not visit.signed_in:
        return visit.to(f"{visit.base}/sign-in?to=password&ended=1")
    if not visit.as_shown:
        return visit.again(errors.VersionConflict())  # somebody else has signed in meanwhile, in another tab
    if "confirm" in fields:
        return await confirm_for_password(visit)
    confirmed = visit.request.query_params.get("confirmed")
    body: dict[str, Any] = {
        "current_password": fields.get("current_password") if confirmed is None else None,
        "password": twice(fields, visit.app.store.password.min_length, current=confirmed is None),
        "end_other_sessions": fields.get("end_other_sessions") == "on",
    }
    try:
        grant = await grant_of(visit, confirmed) if confirmed is not None else None
        await visit.go_on("/v1/me/password", body, _NOTHING, method="PUT", grant=grant)
    except errors.StepUpRequired:
        return await confirm_for_password(visit)
    except errors.CredentialsWrong:
        wrong = errors.ValidationFailed([errors.FieldError("/current_password", "current_password_wrong", "")])
        return visit.again(wrong)
    except errors.SessionRequired:
        return visit.to(f"{visit.base}/sign-in?to=password&ended=1")
    when = visit.app.policy.passkey.promote_at.password_change
    return visit.to(offered_first(visit, f"{visit.base}/account?password_set=1", when=when))


@routes.get("/{app}/sign-out")
async def signed_out(visit: VisitDep) -> Response:
    return visit.instead(f"{visit.base}/account")


@routes.post("/{app}/sign-out")
async def sign_out(visit: VisitDep) -> Response:
    """Where a link's page asked for it, back to that page."""
    fields = await visit.form(lambda found: page_of(visit, found) if "link" in found else f"{visit.base}/account")
    if visit.visitor.session is not None and not visit.as_shown:
        return visit.again(errors.VersionConflict())
    response = visit.to(visit.address if "link" in fields else f"{visit.base}/sign-in?signed_out=1")
    await visit.gateway.sign_out(visit.request, visit.visitor, response)
    return response


@routes.get("/.well-known/change-password")
async def well_known(request: Request) -> Response:
    """PWD-9: of the application this browser last used, else of the only or first one."""
    gateway: Gateway = request.app.state.gateway
    visitor: Visitor = request.scope["latchkey.visitor"]
    slugs = gateway.configuration.slugs()
    last = visitor.cookies.get(cookie_name(APP, secure=gateway.settings.secure))
    if not slugs:
        raise errors.NotFound
    return RedirectResponse(f"/{last if last in slugs else slugs[0]}/account/security/password", 303)


def _website(application: Application) -> tuple[str, str] | None:
    url = application.brand.links.website
    return (url, urlsplit(url).hostname or url) if url else None
