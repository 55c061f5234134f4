"""The page that asks again who somebody is, before what a session alone may not do; then it does that (STP-1, STP-2)."""

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.step_up import StepUpFlow
from servicekit import errors
from starlette.responses import Response

from .acts import PASSWORD, Act, acting, inside, perform
from .away import Return, out
from .fields import credential_of
from .visit import Visit, VisitDep
from .ways import Asking, asked, asking, code_of, confirming

routes = APIRouter()
_OVER = (errors.CodeBurned, errors.FlowEnded, errors.NotFound)
_NOTHING = Asking("", False, None, [], [])


@routes.get("/{app}/account/step-up/{flow}")
async def ask(visit: VisitDep, flow: UUID, way: str | None = None) -> Response:
    inside(visit)
    act = Act.of(visit, visit.before.values)
    try:
        found = await visit.read(f"/v1/me/step-ups/{flow}", StepUpFlow)
    except errors.NotFound:
        return _over(visit, act)
    if found.status == "ended":
        return _over(visit, act)
    shown = (asking(found, way, ("code",)) if found.status == "needs_factor" else None) or _NOTHING
    return confirming(visit, "step_up.html", found, shown, act=act, back=act.page(visit), action=_page(visit, flow, act))


@routes.post("/{app}/account/step-up/{flow}")
async def go_on(visit: VisitDep, flow: UUID) -> Response:
    """The password, a code, something to be sent, or another way; by the button pressed. Once it is complete, the act."""
    fields = await acting(visit)
    act = Act.of(visit, fields)
    if "way" in fields:
        return visit.again(page=f"{_page(visit, flow, act)}&{urlencode({'way': fields['way'][:40]})}")
    if "social" in fields:
        back = Return(_page(visit, flow, act), {"target": act.target})
        return await out(visit, f"/v1/me/step-ups/{flow}/social", fields["social"], back)
    try:
        answer = await _try(visit, f"/v1/me/step-ups/{flow}", fields)
    except errors.CredentialsWrong:
        wrong = errors.FieldError("/password", "current_password_wrong", "")
        return visit.again(errors.ValidationFailed([wrong]))
    except errors.StepMissing:
        return visit.again()  # the page says where it stands
    except _OVER:
        return _over(visit, act)
    if answer.status == "complete" and act.then == PASSWORD:
        return visit.to(f"{act.page(visit)}?confirmed={flow}")
    if answer.status == "complete" and answer.grant is not None:
        return await perform(visit, act, answer.grant)
    return visit.again(page=_page(visit, flow, act))


async def _try(visit: Visit, path: str, fields: dict[str, str]) -> StepUpFlow:
    if "send" in fields:
        return await visit.go_on(f"{path}/challenges", asked(fields["send"]), StepUpFlow, peer="mfa")
    if "password" in fields:
        if not fields["password"]:  # a slip of the finger is no guess
            raise errors.ValidationFailed([errors.FieldError("/password", "required", "")])
        return await visit.go_on(f"{path}/password", {"password": fields["password"]}, StepUpFlow)
    if "credential" in fields:
        return await visit.go_on(f"{path}/passkey", {"credential": credential_of(fields)}, StepUpFlow, peer="mfa")
    if "code" in fields:
        return await visit.go_on(f"{path}/code", {"code": code_of(fields)}, StepUpFlow, peer="mfa")
    return await visit.read(path, StepUpFlow)


def _page(visit: Visit, flow: UUID, act: Act) -> str:
    return f"{visit.base}/account/step-up/{flow}?{act.query}"


def _over(visit: Visit, act: Act) -> Response:
    """Nothing was done; it begins again where it began, with what was typed."""
    return visit.again(page=act.page(visit), values={"target": act.target}, done="step_up_over")
