"""Signing in with an account elsewhere: the buttons, the way back, and the account of somebody new (docs/flows/social-sign-in.md)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http import apps
from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.http.social import SocialAnswer, SocialCallback
from pydantic import TypeAdapter, ValidationError
from servicekit import errors
from servicekit.errors import ServiceError
from servicekit.web.http import JSONResponse
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.api.service import Gateway
from gateway.web.sealed import seal, unseal
from gateway.web.visitor import APP, Visitor, cookie_name

from . import i18n
from .away import Return, out, returning
from .fields import read_form
from .offers import TO
from .sign_in import CARRIED, NEXT, begins, elsewhere, step
from .sign_up import registration_of, waiting
from .visit import Visit, VisitDep
from .words import LABELS

routes = APIRouter()
# In front of the API's own routes of these addresses: browsers are answered with pages.
callbacks = APIRouter(include_in_schema=False)
# What a provider's answer may have in it; anything else is dropped unread.
_SAID = ("state", "code", "error", "iss", "user")
_HANDLE_SECONDS = 60
_JOINED: TypeAdapter[SignInFlow | RegistrationFlow] = TypeAdapter(SignInFlow | RegistrationFlow)
# A way back that is none of this browser's, or was gone before.
_OVER = (errors.NotFound, errors.FlowEnded, errors.StepMissing, errors.MalformedRequest)


@routes.post("/{app}/sign-in/social")
async def leave(visit: VisitDep) -> Response:
    """A press on "Continue with ...": a sign-in begins, and the browser goes to the provider."""
    page = "sign-up" if visit.request.query_params.get("from") == "sign-up" else "sign-in"
    carried = visit.query(*CARRIED)
    fields = await visit.form(lambda _fields: f"{visit.base}/{page}{carried}")
    flow = await visit.start(visit.api("sign-ins"), begins(visit), SignInFlow)
    path = visit.api(f"sign-ins/{flow.id}/social")
    return await out(visit, path, fields.get("provider", ""), Return(query=carried))


@routes.get("/{app}/sign-in/social")
async def begin_again(visit: VisitDep) -> Response:
    return visit.instead(f"{visit.base}/sign-in")


# --- the way back -----------------------------------------------------------------------------------------------------


@callbacks.get("/v1/callbacks/social/{provider}")
async def back(request: Request, provider: str) -> Response:
    """In the window that asked: the flow cookie comes along, for it is a navigation (SameSite=Lax)."""
    gateway: Gateway = request.app.state.gateway
    visitor: Visitor = request.scope["latchkey.visitor"]
    if visitor.api:
        return await _told(gateway, request, visitor, provider)
    try:
        found = await _ask(gateway, request, visitor, provider)
    except ServiceError as error:
        return _troubled(gateway, request, visitor, error)
    return await _go_on(gateway, request, visitor, found)


@callbacks.post("/v1/callbacks/social/{provider}")
async def back_by_form(request: Request, provider: str) -> Response:
    """From another site (form_post), so no cookie of ours comes with it: handed on, sealed, to the same address as a navigation of our own. It
    opens nothing by itself, and its state counts once.
    """
    gateway: Gateway = request.app.state.gateway
    form = await read_form(request)
    said = {name: form[name] for name in _SAID if name in form}
    kept = {"at": gateway.clock.now().timestamp(), "said": said}
    handle = seal(gateway.keys.secret("csrf"), f"social {provider}", kept)
    return RedirectResponse(f"{request.url.path}?handle={handle}", 303)


def _said(gateway: Gateway, request: Request, provider: str) -> SocialCallback:
    """Raises MalformedRequest."""
    given: dict[str, Any] = {name: request.query_params[name] for name in _SAID if name in request.query_params}
    if (handle := request.query_params.get("handle")) is not None:
        kept = unseal(gateway.keys.secret("csrf"), f"social {provider}", handle)
        passed = gateway.clock.now().timestamp() - kept["at"] if kept is not None else -1
        if not 0 <= passed <= _HANDLE_SECONDS:
            raise errors.FlowEnded
        given = kept["said"]
    try:
        return SocialCallback.model_validate(given)
    except ValidationError:
        raise errors.MalformedRequest from None


async def _ask(gateway: Gateway, request: Request, visitor: Visitor, provider: str) -> SocialAnswer:
    said = _said(gateway, request, provider)
    path = f"/v1/callbacks/social/{provider}"
    found = await gateway.go_on(request, visitor, path, said.model_dump(mode="json", exclude_none=True))
    return SocialAnswer.model_validate(found)


async def _told(gateway: Gateway, request: Request, visitor: Visitor, provider: str) -> Response:
    """For API clients, which take the provider's redirect out of their own browser window."""
    found = await _ask(gateway, request, visitor, provider)
    answer = found.model_dump(mode="json")
    if found.sign_in is not None:
        answer["sign_in"] = await gateway.finish(visitor, answer["sign_in"])
        answer["sign_in"].pop("typed", None)
    return JSONResponse(answer)


async def _go_on(gateway: Gateway, request: Request, visitor: Visitor, found: SocialAnswer) -> Response:
    visit = Visit(request, gateway, visitor, gateway.configuration.application(found.application))
    back = returning(visit)
    if found.linked is not None:
        return visit.again(page=f"{visit.base}/account/security", values={"provider": found.linked.label}, done="linked")
    if found.step_up is not None:
        return visit.again(page=_own(visit, back.page), values=back.values)
    flow = await visit.taken(found.sign_in.model_dump(mode="json") if found.sign_in else {}, SignInFlow)
    return visit.to(onward(visit, flow, back.query))


def onward(visit: Visit, flow: SignInFlow, carried: str) -> str:
    """`carried`: with its question mark."""
    if flow.newcomer is not None and "registration" in flow.next:
        return f"{visit.base}/sign-in/{flow.id}/account{carried}"
    if flow.status in NEXT:
        return f"{visit.base}/sign-in/{flow.id}/{NEXT[flow.status]}{carried}"
    if flow.status == "ended":
        return f"{visit.base}/sign-in/{flow.id}/password{carried}"
    wanted = next((TO[name] for name in TO if f"to={name}" in carried.lstrip("?").split("&")), "/account")
    return flow.return_to or f"{visit.base}{wanted}"


def _own(visit: Visit, page: str) -> str:
    """Sealed by us; of another application it is none."""
    return page if page.startswith(f"{visit.base}/account/") else f"{visit.base}/account/security"


def _troubled(gateway: Gateway, request: Request, visitor: Visitor, error: ServiceError) -> Response:
    """Told where it began; nothing was done."""
    slug = error.extra.get("application") or visitor.cookies.get(cookie_name(APP, secure=gateway.settings.secure))
    if not gateway.configuration.knows(slug):
        slug = next(iter(gateway.configuration.slugs()), None)
    if slug is None:
        raise error
    visit = Visit(request, gateway, visitor, gateway.configuration.application(slug))
    back = returning(visit)
    if error.extra.get("purpose") in {"link", "step_up"}:
        page = back.page if error.extra["purpose"] == "step_up" else ""
        return visit.again(error, page=_own(visit, page), values=back.values)
    if isinstance(error, _OVER):
        if visit.visitor.session is not None and visit.signed_in:
            return visit.to(f"{visit.base}/account")  # back, or reload, after it had worked
        flow = error.extra.get("flow_id")
        if flow is not None:
            return visit.to(f"{visit.base}/sign-in/{flow}/password{back.query}")  # which says where it stands
        return visit.again(errors.FlowEnded(), page=f"{visit.base}/sign-in{back.query}", values={})
    return visit.again(error, page=f"{visit.base}/sign-in{back.query}", values={})


# --- somebody new -----------------------------------------------------------------------------------------------------


@routes.get("/{app}/sign-in/{flow}/account")
async def ask(visit: VisitDep, flow: UUID) -> Response:
    """What a registration asks, as far as the provider hasn't said it."""
    found = await visit.flow(visit.api(f"sign-ins/{flow}"), SignInFlow)
    if found is None or found.newcomer is None:
        return elsewhere(visit, found)
    who = found.newcomer
    description = await visit.read(visit.api(), apps.Application)
    gettext = i18n.catalogue(visit.language).gettext
    given = {**who.profile, **({"email": who.email} if who.email else {})}
    return visit.page(
        "social_account.html",
        flow=flow,
        who=who,
        provider=label(visit, who.provider),
        description=description,
        labels={kind: gettext(text) for kind, text in LABELS.items()},
        values={**given, **visit.before.values},
        query=visit.query(*CARRIED).removeprefix("?"),
    )


@routes.post("/{app}/sign-in/{flow}/account")
async def join(visit: VisitDep, flow: UUID) -> Response:
    fields = await visit.form()
    found = await visit.flow(visit.api(f"sign-ins/{flow}"), SignInFlow)
    if found is None or found.newcomer is None:
        return visit.to(step(visit, flow, "password"))
    body = registration_of(await visit.read(visit.api(), apps.Application), fields, visit.language)
    body.pop("password", None)
    if found.newcomer.email_proven:
        body["identifiers"].pop("email", None)
    try:
        answer = await visit.start(visit.api(f"sign-ins/{flow}/registration"), body, _JOINED)
    except errors.UsernameTaken:
        raise errors.ValidationFailed([errors.FieldError("/username", "username_taken", "")]) from None
    except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
        return visit.to(step(visit, flow, "password"))
    if isinstance(answer, RegistrationFlow):
        return visit.to(waiting(visit, answer.id))
    return visit.to(onward(visit, answer, visit.query(*CARRIED)))


def label(visit: Visit, provider: str | None) -> str:
    return next((one.said for one in visit.application.social if one.name == provider), provider or "")
