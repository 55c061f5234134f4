"""A way to confirm that the application requires, added while signing in; then the customer is in (D32). The pages are those of the
account, in the frame of the sign-in.
"""

from base64 import b64encode
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.factors import Factor
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit import errors
from starlette.responses import PlainTextResponse, Response

from .acts import ADDED
from .fields import required
from .security import fours, kind_of, offered_of, proof_of, written
from .sign_in import CARRIED, arrived, attempt, elsewhere, step
from .visit import Visit, VisitDep
from .ways import APP_DIGITS, pressed

routes = APIRouter()
_OVER = (errors.FlowEnded, errors.StepMissing, errors.NotFound)


@routes.get("/{app}/sign-in/{flow}/factors/add")
async def choose(visit: VisitDep, flow: UUID) -> Response:
    """With one way alone, and nothing to type for it, all the same: nobody is shown a key without having asked for one."""
    found = await attempt(visit, flow)
    if found is None or "factor" not in found.actions:
        return elsewhere(visit, found)
    return visit.page("add_way.html", offered=offered_of(found.enrol), saved=None, required=True, **_frame(visit, flow))


@routes.post("/{app}/sign-in/{flow}/factors/add")
async def add(visit: VisitDep, flow: UUID) -> Response:
    fields = await visit.form()
    return await _begin(visit, flow, {"kind": kind_of(fields.get("kind", ""))})


@routes.get("/{app}/sign-in/{flow}/factors/add/{kind}")
async def ask_target(visit: VisitDep, flow: UUID, kind: str) -> Response:
    found = await attempt(visit, flow)
    if found is None or kind not in found.enrol:
        return elsewhere(visit, found)
    if ADDED.get(kind) != f"add/{kind}":
        raise errors.NotFound
    return visit.page("add_target.html", kind=kind, safer="totp" in found.enrol, required=True, **_frame(visit, flow))


@routes.post("/{app}/sign-in/{flow}/factors/add/{kind}")
async def add_target(visit: VisitDep, flow: UUID, kind: str) -> Response:
    fields = await visit.form()
    return await _begin(visit, flow, {"kind": kind_of(kind), "target": required(fields, "target")})


@routes.get("/{app}/sign-in/{flow}/factors/ways/{factor}")
async def set_up(visit: VisitDep, flow: UUID, factor: UUID) -> Response:
    found = await _read(visit, flow, factor)
    if found is None or found.status != "pending":
        return visit.to(step(visit, flow, "action"))
    shown: dict[str, Any] = {"factor": found, "required": True, **_frame(visit, flow)}
    problem = visit.told(errors.CodeWrong, errors.CodeExpired, errors.PasskeyWrong, errors.MoreProofRequired)
    if found.passkey is not None:
        options = visit.api(f"sign-ins/{flow}/factors/{factor}")
        return visit.page("passkey_make.html", problem=problem, app_offered=False, options=options, **shown)
    if found.totp is not None:
        picture = b64encode(found.totp.qr_svg.encode()).decode()
        key = fours(found.totp.secret)
        return visit.page("add_app.html", key=key, picture=picture, digits=APP_DIGITS, problem=problem, **shown)
    if found.codes is not None:
        return visit.page("recovery_codes.html", codes=[written(one) for one in found.codes], older=None, **shown)
    policy = visit.app.access
    return visit.page(
        "confirm_target.html",
        channels=await visit.gateway.channels.states(visit.application.slug, strangers=False),
        sent="sent" in visit.request.query_params,
        digits=found.code_digits,
        code_minutes=int(policy.passcode_lifetime.total_seconds() // 60),
        poll=visit.api(f"sign-ins/{flow}/factors/{factor}"),
        **pressed(visit, found),
        **shown,
    )


@routes.post("/{app}/sign-in/{flow}/factors/ways/{factor}")
async def confirm(visit: VisitDep, flow: UUID, factor: UUID) -> Response:
    """Or sends its code again; by the button pressed. Confirmed, the sign-in goes on by itself."""
    fields = await visit.form()
    path = visit.api(f"sign-ins/{flow}/factors/{factor}")
    if "resend" in fields:
        try:
            await visit.go_on(f"{path}/resend", None, Factor, peer="mfa")
        except _OVER:
            return visit.again()  # the page says where it stands
        return visit.to(f"{_page(visit, flow, f'ways/{factor}')}{'&' if visit.query(*CARRIED) else '?'}sent=1")
    body = {} if "saved" in fields else proof_of(fields)
    try:
        answer = await visit.go_on(f"{path}/confirm", body, SignInFlow, peer="mfa")
    except errors.CodeBurned:
        return visit.again(page=_page(visit, flow, "add"), values={}, done="set_up_over")
    except _OVER:
        return visit.to(step(visit, flow, "action"))
    return arrived(visit, answer)


@routes.get("/{app}/sign-in/{flow}/factors/ways/{factor}/codes.txt")
async def download(visit: VisitDep, flow: UUID, factor: UUID) -> Response:
    found = await _read(visit, flow, factor)
    if found is None or not found.codes:
        raise errors.NotFound
    text = "".join(f"{written(one)}\r\n" for one in found.codes)
    name = f"{visit.application.slug}-recovery-codes.txt"
    return visit.done(PlainTextResponse(text, headers={"Content-Disposition": f'attachment; filename="{name}"'}))


async def _begin(visit: Visit, flow: UUID, body: dict[str, str]) -> Response:
    try:
        factor = await visit.go_on(visit.api(f"sign-ins/{flow}/factors"), body, Factor, peer="mfa")
    except _OVER:
        return visit.to(step(visit, flow, "action"))
    return visit.to(_page(visit, flow, f"ways/{factor.id}"))


async def _read(visit: Visit, flow: UUID, factor: UUID) -> Factor | None:
    return await visit.flow(visit.api(f"sign-ins/{flow}/factors/{factor}"), Factor, peer="mfa")


def _frame(visit: Visit, flow: UUID) -> dict[str, Any]:
    """Where these pages are, as those of the account are below `/account/security`; `more`: where the customer wanted to go."""
    return {"root": f"{visit.base}/sign-in/{flow}/factors", "more": visit.query(*CARRIED)}


def _page(visit: Visit, flow: UUID, path: str) -> str:
    return step(visit, flow, f"factors/{path}")
