"""E-mail, phone and username of the account: changed, added, made the first, removed; and the page that waits for a confirmation (R35, D20, D21)."""

import math
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.account import Me
from latchkey_contracts.http.contact_change import ContactChangeFlow, OwnIdentifier, OwnIdentifiers
from pydantic import TypeAdapter
from servicekit import errors
from starlette.responses import Response

from .acts import Act, acting, inside, perform
from .contact_acts import CHANGE, CHANGES, DROP, FIRST, IDENTIFIERS, KINDS, MORE, personal, shown
from .fields import required
from .visit import Visit, VisitDep
from .ways import code_of

routes = APIRouter()
_NOTHING: TypeAdapter[None] = TypeAdapter(None)
_TOLD = (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.TooManyRequests)


@routes.get("/{app}/account/personal/contacts/{kind}")
async def ask(visit: VisitDep, kind: str) -> Response:
    """Another one in the place of the first, or with `more` one beside it."""
    _inside(visit)
    found = await visit.read(IDENTIFIERS, OwnIdentifiers)
    first = next((one for one in found.items if one.kind == kind and one.primary), None)
    more = "more" in visit.request.query_params
    if kind not in KINDS or not (kind in found.addable if more or first is None else first.changeable):
        raise errors.NotFound
    me = await visit.read("/v1/me", Me)
    asks_old = kind != "username" and not me.second_factor and any(one.verified for one in found.items)
    action = f"{personal(visit)}/contacts/{kind}" + ("?more=1" if more else "")
    return visit.page(
        "contact_edit.html",
        kind=kind,
        first=None if more else first,
        action=action,
        asks_old=asks_old,
        factor_days=_factor_days(visit),
    )


@routes.post("/{app}/account/personal/contacts/{kind}")
async def begin(visit: VisitDep, kind: str) -> Response:
    fields = await acting(visit, "personal")
    if kind not in KINDS:
        raise errors.NotFound
    more = "more" in visit.request.query_params
    return await perform(visit, Act((MORE if more else CHANGE) + kind, required(fields, "value")))


@routes.post("/{app}/account/personal/identifiers/{one}/first")
async def make_first(visit: VisitDep, one: UUID) -> Response:
    await acting(visit, "personal", page=personal(visit))
    return await perform(visit, Act(FIRST, factor=one))


@routes.get("/{app}/account/personal/identifiers/{one}/remove")
async def ask_removal(visit: VisitDep, one: UUID) -> Response:
    _inside(visit)
    found = await _one(visit, one)
    if found is None:
        return visit.to(personal(visit))  # in another window already
    return visit.page("contact_remove.html", one=found, problem=visit.told(errors.NotAllowedByPolicy))


@routes.post("/{app}/account/personal/identifiers/{one}/remove")
async def remove(visit: VisitDep, one: UUID) -> Response:
    await acting(visit, "personal")
    return await perform(visit, Act(DROP, factor=one))


@routes.get("/{app}/account/personal/changes/{change}")
async def wait(visit: VisitDep, change: UUID) -> Response:
    """One message after the other: the code from the new address, then the yes from the old one; links do in any order."""
    _inside(visit)
    try:
        flow = await visit.read(f"{CHANGES}/{change}", ContactChangeFlow)
    except errors.NotFound:
        return visit.again(page=personal(visit), values={}, done="contact_over")
    if flow.status != "check_your_messages":
        return shown(visit, flow)
    policy = visit.app.policy
    return visit.page(
        "contact_wait.html",
        flow=flow,
        sent="sent" in visit.request.query_params,
        action=f"{personal(visit)}/changes/{change}",
        code_minutes=int(policy.registration.passcode_lifetime.total_seconds() // 60),
        factor_days=_factor_days(visit),
        **_pressed(visit, flow),
    )


@routes.post("/{app}/account/personal/changes/{change}")
async def go_on(visit: VisitDep, change: UUID) -> Response:
    """A code, another message, or the end of it; by the button pressed."""
    fields = await acting(visit, "personal")
    path = f"{CHANGES}/{change}"
    source = "old" if fields.get("source") == "old" else "new"
    try:
        if "cancel" in fields:
            await visit.go_on(path, None, _NOTHING, method="DELETE")
            return visit.again(page=personal(visit), values={}, done="contact_cancelled")
        if "resend" in fields:
            await visit.go_on(f"{path}/resend", {"source": source}, ContactChangeFlow)
            return visit.to(f"{personal(visit)}/changes/{change}?sent=1")
        flow = await visit.go_on(f"{path}/code", {"code": code_of(fields), "source": source}, ContactChangeFlow)
    except (errors.FlowEnded, errors.NotFound):
        return visit.to(f"{personal(visit)}/changes/{change}")  # which says where it stands
    return shown(visit, flow)


def _pressed(visit: Visit, flow: ContactChangeFlow) -> dict[str, Any]:
    """`asked`: the message whose code is asked for now. In seconds: `wait` until it can be sent again, `ago` since it is as far as it is."""
    problem = visit.told(*_TOLD)
    asked = flow if not flow.confirmed else flow.approval
    resend, delivery = (asked.resend, asked.delivery) if asked is not None else (None, None)
    wait = resend.retry_after_seconds if resend else 0
    if isinstance(problem, errors.TooManyRequests):
        wait = max(wait, math.ceil(problem.extra["retry_after_seconds"]))
    spacing = max(int(visit.app.policy.resend.spacing.total_seconds()), wait)
    ago = max(int((visit.gateway.clock.now() - delivery.at).total_seconds()), 0) if delivery else 0
    return {"problem": problem, "wait": wait, "spacing": spacing, "ago": ago, "resend": resend, "delivery": delivery}


def _factor_days(visit: Visit) -> int:
    """How old a second factor must be to speak for the owner alone."""
    return math.ceil(visit.app.policy.contact_change.revert_lifetime.total_seconds() / 86400)


async def _one(visit: Visit, one: UUID) -> OwnIdentifier | None:
    found = await visit.read(IDENTIFIERS, OwnIdentifiers)
    return next((own for own in found.items if own.id == one), None)


def _inside(visit: Visit) -> None:
    inside(visit, "personal")
    if not visit.app.policy.personal_information.enabled:
        raise errors.FeatureDisabled
