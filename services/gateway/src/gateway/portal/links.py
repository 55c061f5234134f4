"""The page behind a link: looking consumes nothing, one press does (LNK-1, 2, 4, 8, E4).

The token leaves the address for a sealed cookie of this very link, and every form carries it sealed: two links in two tabs stay
two, and a press is for the link whose page was seen.
"""

import hmac
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from latchkey_contracts import typed
from latchkey_contracts.http.account import Me
from latchkey_contracts.http.contact_change import Reverted
from latchkey_contracts.http.links import ConfirmedElsewhere, LinkDone, LinkFlow, LinkInfo
from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.http.sign_in import SignInFlow
from pydantic import TypeAdapter
from servicekit import errors
from servicekit.masks import mask
from starlette.responses import Response

from gateway.web.sealed import seal, unseal
from gateway.web.visitor import LINK, cookie_name

from . import purposes
from .sign_in import arrived, refused
from .visit import Visit, VisitDep

routes = APIRouter()
LINK_SECONDS = 600
MOST_LINKS = 5  # that one browser keeps at a time
_STATE_ERRORS = (
    errors.LinkOtherBrowser,
    errors.LinkUsed,
    errors.LinkExpired,
    errors.LinkSuperseded,
    errors.LinkEnded,
    errors.LinkMalformed,
)
_ANSWER: TypeAdapter[LinkFlow | ConfirmedElsewhere | LinkDone] = TypeAdapter(LinkFlow | ConfirmedElsewhere | LinkDone)
_RENEWED: TypeAdapter[LinkFlow] = TypeAdapter(LinkFlow)


@routes.get("/{app}/l/renew")
async def renewed(visit: VisitDep) -> Response:
    return visit.instead(f"{visit.base}/l")


@routes.get("/{app}/l/{token}")
async def open_link(visit: VisitDep, token: str) -> Response:
    """Reading, not consuming."""
    kept = token[:200] if token.isascii() and token.isprintable() else "-"
    prefix = cookie_name(f"{LINK}_", secure=visit.gateway.settings.secure)
    older = [name for name in visit.visitor.cookies if name.startswith(prefix)]  # browsers send the oldest first (RFC 6265 §5.4)
    response = visit.to(_keep(visit, kept))
    for name in older[: max(len(older) - MOST_LINKS + 1, 0)]:
        visit.gateway.drop_cookie(response, name.removeprefix("__Host-"))
    return response


@routes.get("/{app}/l")
async def landing(visit: VisitDep) -> Response:
    """One page per state, each with a next step (E4); signed in as somebody else one must choose first (LNK-4)."""
    done = purposes.DONE.get(visit.before.done or "")
    if done is not None:
        said = visit.before.values
        locked = "locked" in said
        return visit.page(done, name=said.get("name"), by_phone=False, asked_from=said.get("from"), locked=locked)
    if visit.told(errors.MatchWrong):
        return visit.page("link_wrong.html", problem=visit.before.problem)
    link = visit.request.query_params.get("link", "")
    sealed = visit.cookie(f"{LINK}_{link}") if link else None
    token = _unsealed(visit, sealed)
    if token is None:
        return visit.page("link_gone.html", 410, minutes=LINK_SECONDS // 60, trouble=None)
    info = await visit.go_on(visit.api("links/inspect"), {"token": token}, LinkInfo)
    info = info.model_copy(update={"renewable": purposes.renewable(info, can_reset=visit.can_reset)})
    early = visit.told(errors.TooManyRequests)
    if early is not None and info.state in {"expired", "superseded", "other_browser"} and info.renewable:
        return _too_early(visit, info, sealed, early)
    if (
        info.state in {"valid", "other_browser"}
        and visit.visitor.session is not None
        and not info.own
        and purposes.of(info.purpose).personal
    ):
        return visit.page("link_signed_in.html", info=info, link=sealed, who=await _who(visit))
    template, status = purposes.shown(info)
    wrong = visit.told(errors.CredentialsWrong)
    problem = "password" if wrong else visit.before.done  # two_digits
    more: dict[str, Any] = {"waits": visit.waits}
    more |= {"tries": wrong.extra.get("tries_left") if wrong else None} | ({"trouble": None} if wrong else {})
    return visit.page(template, 422 if problem else status, info=info, problem=problem, link=sealed, **more)


@routes.post("/{app}/l")
async def press(visit: VisitDep) -> Response:
    fields, token = await _form(visit)
    if token is None:
        return visit.to(visit.address)
    if not visit.as_shown and visit.visitor.session is not None:
        return visit.again(errors.VersionConflict())  # somebody has signed in meanwhile, in another tab
    body: dict[str, Any] = {"token": token}
    if "match" in fields:
        body["match"] = typed.code(fields["match"])
        if not re.fullmatch("[0-9]{2}", body["match"]):
            return visit.again(done="two_digits")
    elif "password" in fields:
        body["password"] = fields["password"] or " "
    try:
        answer = await visit.go_on(visit.api("links/confirm"), body, _ANSWER)
    except _STATE_ERRORS:
        return visit.to(visit.address)  # the page says what became of it
    except errors.NotAllowedByPolicy as error:
        return refused(visit, error)
    if isinstance(answer, ConfirmedElsewhere):
        info = await visit.go_on(visit.api("links/inspect"), {"token": token}, LinkInfo)
        return visit.again(done=answer.state, values={"from": info.requested_from or ""})
    if not isinstance(answer, LinkFlow):
        locked = {"locked": "1"} if isinstance(answer, Reverted) and answer.locked else {}
        return visit.again(done=answer.state, values=locked)
    if isinstance(answer, RegistrationFlow) and answer.status != "password":
        return visit.again(done="activated", values={"name": answer.given_name or ""})
    if isinstance(answer, SignInFlow):
        return arrived(visit, answer)  # pressed in the window that asked: it is signed in, or goes on
    return visit.to(_waiting_page(visit, answer))


@routes.post("/{app}/l/renew")
async def renew(visit: VisitDep) -> Response:
    """Too early it is the same page with the time left (R19, THR-6)."""
    _, token = await _form(visit)
    if token is None:
        return visit.to(visit.address)
    try:
        flow = await visit.start(visit.api("links/renew"), {"token": token}, _RENEWED)
    except _STATE_ERRORS:
        return visit.to(visit.address)
    return visit.to(_waiting_page(visit, flow))


async def _who(visit: Visit) -> str:
    """Who is signed in, masked as the link's own account is: somebody else may sit here now (ENU-3)."""
    me = await visit.read("/v1/me", Me)
    first = next(iter(me.identifiers), None)
    return mask(first.kind, first.value) if first else ""


async def _form(visit: Visit) -> tuple[dict[str, str], str | None]:
    """The fields, and the link that the form's page was about; None, where that can't be read any more."""

    def page(fields: Mapping[str, str]) -> str:
        return page_of(visit, fields)

    fields = await visit.form(page)
    return fields, _unsealed(visit, fields.get("link"))


def page_of(visit: Visit, fields: Mapping[str, str]) -> str:
    """The page of the link that a form carries; the link is kept anew for it."""
    token = _unsealed(visit, fields.get("link"))
    return _keep(visit, token) if token is not None else f"{visit.base}/l{visit.query('link')}"


def _keep(visit: Visit, token: str) -> str:
    """Into a cookie that only this link has; answers the address of its page."""
    link = hmac.digest(visit.key, f"link\0{token}".encode(), "sha256").hex()[:12]
    visit.keep(f"{LINK}_{link}", seal(visit.key, f"link {visit.base}", token), LINK_SECONDS)
    return f"{visit.base}/l?link={link}"


def _unsealed(visit: Visit, sealed: str | None) -> str | None:
    token = unseal(visit.key, f"link {visit.base}", sealed)
    return token if isinstance(token, str) else None


def _too_early(visit: Visit, info: LinkInfo, sealed: str | None, early: errors.TooManyRequests) -> Response:
    wait = max(math.ceil(early.extra["retry_after_seconds"]), 1)
    spacing = max(int(visit.app.policy.resend.spacing.total_seconds()), wait)
    told = early.extra.get("available_at")
    at = datetime.fromisoformat(told) if told else visit.gateway.clock.now() + timedelta(seconds=wait)
    template, _ = purposes.shown(info)
    return visit.page(template, problem=early, info=info, wait=wait, spacing=spacing, available_at=at, link=sealed)


def _waiting_page(visit: Visit, flow: LinkFlow) -> str:
    return f"{visit.base}/{purposes.waits(flow.kind, flow.id)}"
