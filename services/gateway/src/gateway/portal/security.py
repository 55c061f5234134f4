"""How the customer gets in and who is in: the list of ways to confirm, adding, naming and removing one (R22, R39, D29)."""

import asyncio
from base64 import b64encode
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.account import Me, OpenSessions
from latchkey_contracts.http.factors import Factor, Factors
from latchkey_contracts.http.social import LinkedIdentities
from latchkey_contracts.http.trusted_devices import TrustedDevices
from servicekit import errors
from starlette.responses import PlainTextResponse, Response

from .activity import ALARMING, recent
from .acts import ADDED, END, NOTHING, REMOVE, Act, acting, can_change, inside, perform, security, way
from .fields import credential_of, required
from .linked import linkable
from .visit import Instead, Visit, VisitDep
from .ways import APP_DIGITS, code_of, pressed

routes = APIRouter()
_OVER = (errors.FlowEnded, errors.CodeBurned)


@routes.get("/{app}/account/security")
async def overview(visit: VisitDep) -> Response:
    inside(visit)
    me, factors, trusted, sessions, linked, latest = await asyncio.gather(
        visit.read("/v1/me", Me),
        _factors(visit),
        visit.read("/v1/me/trusted-devices", TrustedDevices, peer="mfa"),
        visit.read("/v1/me/sessions", OpenSessions),
        visit.read("/v1/me/linked-identities", LinkedIdentities),
        recent(visit),
    )
    return visit.page(
        "security.html",
        problem=visit.told(errors.IdentityTaken),
        me=me,
        factors=factors.items,
        offered=offered_of(factors.offered),
        trusted=trusted.items,
        linked=linked.items,
        linkable=linkable(visit, linked),
        sessions=sorted(sessions.items, key=lambda one: (one.current, one.seen_at), reverse=True),
        recent=latest,
        alarming=ALARMING,
        can_change=can_change(visit),
        passwordless=visit.app.access.passwordless,
    )


@routes.post("/{app}/account/security/devices")
async def trust_no_more(visit: VisitDep) -> Response:
    """One press: whoever is asked once more loses nothing."""
    fields = await acting(visit, page=security(visit))
    device = _id(fields.get("device", ""))
    with suppress(errors.NotFound):  # in another window already
        await visit.go_on(f"/v1/me/trusted-devices/{device}", None, NOTHING, method="DELETE", peer="mfa")
    return visit.to(security(visit))


@routes.post("/{app}/account/security/sessions")
async def end_sessions(visit: VisitDep) -> Response:
    """One, or all but this one, after fresh authentication (SES-5)."""
    fields = await acting(visit, page=security(visit))
    one = str(_id(fields["session"])) if "session" in fields else ""
    with suppress(errors.NotFound):  # in another window already
        return await perform(visit, Act(END, one))
    return visit.to(security(visit))


# --- adding -----------------------------------------------------------------------------------------------------------


@routes.get("/{app}/account/security/add")
async def choose(visit: VisitDep) -> Response:
    inside(visit)
    factors = await _factors(visit)
    saved = next((one for one in factors.items if one.kind == "recovery_codes" and one.status == "active"), None)
    return visit.page("add_way.html", offered=offered_of(factors.offered), saved=saved)


@routes.post("/{app}/account/security/add")
async def add(visit: VisitDep) -> Response:
    fields = await acting(visit)
    return await perform(visit, Act(kind_of(fields.get("kind", ""))))


@routes.get("/{app}/account/security/add/{kind}")
async def ask_target(visit: VisitDep, kind: str) -> Response:
    inside(visit)
    if ADDED.get(kind) != f"add/{kind}":
        raise errors.NotFound
    offered = offered_of((await _factors(visit)).offered)
    if kind not in offered:
        raise errors.NotAllowedByPolicy
    me = await visit.read("/v1/me", Me)
    own = next((one.value for one in me.identifiers if one.kind == kind and one.verified), None)
    return visit.page("add_target.html", kind=kind, safer="totp" in offered, own=own)


@routes.post("/{app}/account/security/add/{kind}")
async def add_target(visit: VisitDep, kind: str) -> Response:
    fields = await acting(visit)
    return await perform(visit, Act(kind_of(kind), "" if "own" in fields else required(fields, "target")))


@routes.get("/{app}/account/security/ways/{factor}")
async def set_up(visit: VisitDep, factor: UUID) -> Response:
    """Until it is confirmed: what it needs, and the field for its code."""
    inside(visit)
    try:
        found = await visit.read(f"/v1/me/factors/{factor}", Factor, peer="mfa")
    except errors.NotFound:
        raise _gone(visit) from None
    if found.status != "pending":
        return visit.to(security(visit))
    problem = visit.told(errors.CodeWrong, errors.CodeExpired, errors.PasskeyWrong, errors.MoreProofRequired)
    if found.passkey is not None:
        others = [one for one in offered_of((await _factors(visit)).offered) if one != "passkey"]
        options = f"/v1/me/factors/{factor}"
        return visit.page(
            "passkey_make.html",
            factor=found,
            problem=problem,
            app_offered="totp" in others,
            root=security(visit),
            options=options,
        )
    if found.totp is not None:
        picture = b64encode(found.totp.qr_svg.encode()).decode()
        return visit.page(
            "add_app.html", factor=found, key=fours(found.totp.secret), picture=picture, digits=APP_DIGITS, problem=problem
        )
    if found.codes is not None:
        older = next((one for one in (await _factors(visit)).items if one.kind == found.kind and one.status == "active"), None)
        return visit.page("recovery_codes.html", factor=found, codes=[written(one) for one in found.codes], older=older)
    return await _ask_code(visit, found)


@routes.post("/{app}/account/security/ways/{factor}")
async def confirm(visit: VisitDep, factor: UUID) -> Response:
    """Or sends its code again; by the button pressed."""
    fields = await acting(visit)
    if "resend" in fields:
        return await _send_again(visit, factor)
    body = {} if "saved" in fields else proof_of(fields)
    try:
        found = await visit.go_on(f"/v1/me/factors/{factor}/confirm", body, Factor, peer="mfa")
    except _OVER:
        return visit.again(page=f"{security(visit)}/add", values={}, done="set_up_over")
    except errors.StepMissing:
        return visit.again()  # the page says where it stands
    if found.kind == "passkey":
        return visit.to(f"{way(visit, factor)}/passkey")
    return visit.again(page=security(visit), values={"kind": found.kind}, done="added")


def proof_of(fields: dict[str, str]) -> dict[str, Any]:
    return {"credential": credential_of(fields)} if "credential" in fields else {"code": code_of(fields)}


async def _ask_code(visit: Visit, factor: Factor) -> Response:
    policy = visit.app.access
    return visit.page(
        "confirm_target.html",
        factor=factor,
        channels=await visit.gateway.channels.states(visit.application.slug, strangers=False),
        sent="sent" in visit.request.query_params,
        digits=factor.code_digits,
        code_minutes=int(policy.passcode_lifetime.total_seconds() // 60),
        **pressed(visit, factor),
    )


async def _send_again(visit: Visit, factor: UUID) -> Response:
    """Too early, the same page says when it can be (R19, THR-6)."""
    try:
        found = await visit.go_on(f"/v1/me/factors/{factor}/resend", None, Factor, peer="mfa")
    except errors.NotFound:
        return visit.again()  # the page says where it stands
    return visit.to(f"{way(visit, found.id)}?sent=1")


@routes.get("/{app}/account/security/ways/{factor}/codes.txt")
async def download(visit: VisitDep, factor: UUID) -> Response:
    inside(visit)
    found = await visit.read(f"/v1/me/factors/{factor}", Factor, peer="mfa")
    if not found.codes:
        raise errors.NotFound
    text = "".join(f"{written(one)}\r\n" for one in found.codes)
    name = f"{visit.application.slug}-recovery-codes.txt"
    return visit.done(PlainTextResponse(text, headers={"Content-Disposition": f'attachment; filename="{name}"'}))


# --- naming and removing ----------------------------------------------------------------------------------------------


@routes.get("/{app}/account/security/ways/{factor}/name")
async def ask_name(visit: VisitDep, factor: UUID) -> Response:
    inside(visit)
    found = _one(visit, await _factors(visit), factor)
    values = visit.before.values or {"name": found.name or ""}
    return visit.page("rename_way.html", factor=found, values=values)


@routes.post("/{app}/account/security/ways/{factor}/name")
async def rename(visit: VisitDep, factor: UUID) -> Response:
    fields = await acting(visit)
    body = {"name": required(fields, "name")}
    await visit.go_on(f"/v1/me/factors/{factor}", body, Factor, method="PATCH", peer="mfa")
    return visit.again(page=security(visit), values={}, done="renamed")


@routes.get("/{app}/account/security/ways/{factor}/remove")
async def ask_removal(visit: VisitDep, factor: UUID) -> Response:
    inside(visit)
    factors = await _factors(visit)
    found = _one(visit, factors, factor)
    left = [one for one in factors.items if one.status == "active" and one.id != factor]
    return visit.page("remove_way.html", factor=found, left=left, problem=visit.told(errors.NotAllowedByPolicy))


@routes.post("/{app}/account/security/ways/{factor}/cancel")
async def cancel(visit: VisitDep, factor: UUID) -> Response:
    """One press: what never counted takes nothing with it. Confirmed meanwhile, it is removed as any other."""
    await acting(visit, page=security(visit))
    try:
        await visit.go_on(f"/v1/me/factors/{factor}", None, NOTHING, method="DELETE", peer="mfa")
    except errors.StepUpRequired:
        return visit.to(f"{way(visit, factor)}/remove")
    except errors.NotFound:
        return visit.to(security(visit))  # too old, or in another window already
    return visit.again(page=security(visit), values={}, done="cancelled")


@routes.post("/{app}/account/security/ways/{factor}/remove")
async def remove(visit: VisitDep, factor: UUID) -> Response:
    await acting(visit)
    return await perform(visit, Act(REMOVE, factor=factor))


# --- for all of them --------------------------------------------------------------------------------------------------


async def _factors(visit: Visit) -> Factors:
    return await visit.read("/v1/me/factors", Factors, peer="mfa")


def offered_of(kinds: Collection[str]) -> list[str]:
    """What can be added and has a page, in the order of the pages."""
    return [kind for kind in ADDED if kind in kinds]


def _id(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise errors.MalformedRequest from None


def kind_of(kind: str) -> str:
    if kind not in ADDED:
        raise errors.MalformedRequest
    return kind


def _one(visit: Visit, factors: Factors, wanted: UUID) -> Factor:
    found = next((one for one in factors.items if one.id == wanted), None)
    if found is None:
        raise _gone(visit)
    return found


def _gone(visit: Visit) -> Instead:
    """Removed in another window, or nobody's."""
    return Instead(visit.page("way_gone.html", 404, trouble=None))


def fours(secret: str) -> list[str]:
    return [secret[place : place + 4] for place in range(0, len(secret), 4)]


def written(code: str) -> str:
    return "-".join(fours(code))
