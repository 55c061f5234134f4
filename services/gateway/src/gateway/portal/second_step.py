"""The second step of a sign-in: a code of the app, one of those saved, or what is sent, by whichever way the customer has (R21-R29)."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit import errors
from starlette.responses import Response

from .sign_in import arrived, attempt, elsewhere, query, refused, step
from .visit import Visit, VisitDep
from .ways import asked, asking, code_of, confirming

routes = APIRouter()
_OVER = (errors.CodeBurned, errors.FlowEnded)


@routes.get("/{app}/sign-in/{flow}/code")
async def ask_code(visit: VisitDep, flow: UUID, way: str | None = None) -> Response:
    """Also for who waits for a link: it goes on by itself, and whoever asked gets the session (D17)."""
    found = await attempt(visit, flow)
    if found is None or found.status != "needs_factor":
        return elsewhere(visit, found, notice="tries_over" if visit.told(*_OVER) else "attempt_over")
    shown = asking(found, way)
    if shown is None:
        return visit.to(step(visit, flow, "methods"))
    waits = shown.sent and (found.match is not None or found.link_ended)
    trusted = visit.app.access.trusted_device
    trusts = trusted.days if trusted.enabled and not shown.blind else 0
    template = "second_step_passkey.html" if shown.way == "passkey" else "second_step_link.html" if waits else "second_step.html"
    return confirming(
        visit, template, found, shown, trusts=trusts, sent="sent" in visit.request.query_params, query=query(visit),
    )  # fmt: skip


@routes.post("/{app}/sign-in/{flow}/code")
async def take_code(visit: VisitDep, flow: UUID) -> Response:
    """A code, or something to be sent; by the button pressed."""
    fields = await visit.form()
    if "send" in fields:
        return await _send(visit, flow, fields)
    body = {"code": code_of(fields), "trust_device": fields.get("trust_device") == "on"}
    try:
        answer = await visit.go_on(visit.api(f"sign-ins/{flow}/code"), body, SignInFlow, peer="mfa")
    except (errors.StepMissing, errors.NotFound):
        return visit.again()  # the page says where it stands
    except errors.NotAllowedByPolicy as error:
        return refused(visit, error)
    return arrived(visit, answer)


@routes.get("/{app}/sign-in/{flow}/methods")
async def choose(visit: VisitDep, flow: UUID) -> Response:
    found = await attempt(visit, flow)
    if found is None or found.status != "needs_factor":
        return elsewhere(visit, found)
    wait = found.resend.retry_after_seconds if found.resend else 0
    spacing = max(int(visit.app.policy.resend.spacing.total_seconds()), wait)
    return visit.page("methods.html", flow=found, shown=asking(found, None), wait=wait, spacing=spacing, query=query(visit))


@routes.post("/{app}/sign-in/{flow}/methods")
async def send(visit: VisitDep, flow: UUID) -> Response:
    fields = await visit.form()
    return await _send(visit, flow, fields)


async def _send(visit: Visit, flow: UUID, fields: dict[str, str]) -> Response:
    """Too early, it is told where the press was; nothing is sent unasked. Only what follows something else is called new."""
    page = step(visit, flow, "code")
    try:
        await visit.go_on(visit.api(f"sign-ins/{flow}/challenges"), asked(fields.get("send", "")), SignInFlow, peer="mfa")
    except (*_OVER, errors.StepMissing, errors.NotFound):
        return visit.to(page)
    return visit.to(f"{page}{'&' if '?' in page else '?'}sent=1" if "another" in fields else page)
