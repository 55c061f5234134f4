"""A new password by a link or a code (R14-R19): the same words whoever is asked about, known or not (looks §6)."""

from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts import typed
from latchkey_contracts.http.account import Me
from latchkey_contracts.http.recovery import ResetFlow
from servicekit import errors
from starlette.responses import Response

from .fields import required, twice
from .messages import send_again, waiting
from .visit import Visit, VisitDep

routes = APIRouter()


@routes.get("/{app}/reset")
async def ask(visit: VisitDep, flow: UUID | None = None) -> Response:
    if flow is not None:
        return await _state(visit, flow)
    if not visit.can_reset:
        raise errors.FeatureDisabled
    values = visit.before.values or {"identifier": await _own_name(visit)}
    return visit.page("reset.html", values=values, kinds=list(visit.app.store.used()))


@routes.post("/{app}/reset")
async def go_on(visit: VisitDep, flow: UUID | None = None) -> Response:
    """Which step it is, the button tells: a name typed elsewhere, the name, "send again", the code, or the new password."""
    fields = await visit.form()
    peer, page = "recovery", f"{visit.base}/reset"
    if flow is None and "typed" in fields:
        return visit.again(values={"identifier": fields["typed"]})
    if flow is None:
        body = {"identifier": required(fields, "identifier")}
        answer = await visit.start(visit.api("password-resets"), body, ResetFlow, peer=peer)
        return visit.to(f"{page}?flow={answer.id}")
    path = visit.api(f"password-resets/{flow}")
    if "resend" in fields:
        return await send_again(visit, path, flow, page, fields["resend"], ResetFlow)
    try:
        if "password" in fields:
            await visit.go_on(
                f"{path}/password", {"password": twice(fields, visit.app.store.password.min_length)}, ResetFlow, peer=peer
            )
        elif code := typed.code(fields.get("code", ""))[:32]:
            await visit.go_on(f"{path}/code", {"code": code}, ResetFlow, peer=peer)
    except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
        pass  # the page says where it stands
    return visit.to(f"{page}?flow={flow}")


async def _own_name(visit: Visit) -> str:
    """What a signed-in customer would type (D12)."""
    if not visit.signed_in:
        return ""
    me = await visit.read("/v1/me", Me)
    return str(next((identifier.value for identifier in me.identifiers), ""))


async def _state(visit: Visit, flow: UUID) -> Response:
    found = await visit.flow(visit.api(f"password-resets/{flow}"), ResetFlow, peer="recovery")
    if found is None:
        return visit.elsewhere("reset")
    if found.status == "new_password":
        brand = visit.application.brand
        words = [brand.name, brand.said, visit.application.slug, found.typed or ""]
        return visit.page("new_password.html", flow=found, minimum=visit.app.store.password.min_length, words=words)
    if found.status == "complete":
        offered = visit.app.policy.passkey.promote_at.password_change and visit.app.access.passkey.enabled
        return visit.page("reset_done.html", 200, trouble=None, passkey=offered)
    if found.status != "check_your_messages":
        return visit.page("recovery_ended.html", 410, again="reset", trouble=None)
    return waiting(visit, "reset_sent.html", found)
