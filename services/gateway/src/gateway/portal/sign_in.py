"""Sign-in: a name, then a password, then whatever is newly required (D3, D32, PWD-7)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts.http.sign_in import SignInFlow
from servicekit import errors
from servicekit.web.http import request_id
from starlette.responses import Response

from gateway.limits.service import NetworkLimit

from .fields import required, twice
from .offers import TO, offered_first
from .personal import Field, field, given, shows_only
from .visit import Instead, Visit, VisitDep

routes = APIRouter()
# Where the customer wanted to go, kept over the steps.
CARRIED = ("return_to", "to")
FIRST = "first"  # of an account that was activated just now
# Why it is over, where nothing else says it.
ENDINGS = ("attempt_over", "tries_over", "denied")
WRONG_PASSKEY = (errors.PasskeyWrong, errors.MoreProofRequired)
SOCIAL = (errors.SocialDenied, errors.SocialRefused, errors.ProviderUnavailable)
# Where a sign-in goes on, by its status.
NEXT = {"password": "password", "needs_factor": "code", "needs_action": "action"}


@routes.get("/{app}/sign-in")
async def ask_name(visit: VisitDep) -> Response:
    if visit.signed_in:
        return visit.to(f"{visit.base}/account")
    notice = next((name for name in ("signed_out", "ended") if name in visit.request.query_params), None)
    if visit.told(errors.FlowEnded) is not None:
        return _name(visit, notice="attempt_over", status=410)
    if (denied := visit.told(errors.NotAllowedByPolicy)) is not None:
        return _name(visit, notice="denied", status=denied.status)
    return _name(visit, notice=notice)


@routes.post("/{app}/sign-in")
async def take_name(visit: VisitDep) -> Response:
    fields = await visit.form()
    return arrived(visit, await _start(visit, required(fields, "identifier")))


@routes.get("/{app}/sign-in/{flow}/password")
async def ask_password(visit: VisitDep, flow: UUID) -> Response:
    found = await attempt(visit, flow)
    if found is None or found.status != "password":
        return elsewhere(visit, found)
    typed = found.typed or ""
    slow = visit.told(errors.TooManyRequests) if visit.before.done == "slowed_down" else None
    if slow is not None:
        # Whoever no longer knows the password needn't wait for the next try (BRF-1): a reset forgets the wrong ones.
        return visit.page(
            "password_wait.html", problem=slow, error=slow, seconds=slow.extra["retry_after_seconds"],
            reference=request_id(visit.request.scope), plain=False, typed=typed,
        )  # fmt: skip
    wrong = visit.told(errors.CredentialsWrong, *WRONG_PASSKEY)
    days = visit.app.policy.session.remember_me.days
    return visit.page(
        "password.html",
        problem=wrong,
        flow=flow,
        typed=typed,
        wrong=isinstance(wrong, errors.CredentialsWrong),
        days=days,
        query=query(visit),
        passkey="passkey" in found.next,
        links=next((one.said for one in visit.application.social if one.name == found.links), None),
    )


@routes.post("/{app}/sign-in/{flow}/password")
async def take_password(visit: VisitDep, flow: UUID) -> Response:
    fields = await visit.form()
    if not fields.get("password"):  # a slip of the finger is no guess
        raise errors.ValidationFailed([errors.FieldError("/password", "required", "")])
    body = {"password": fields["password"], "remember_me": fields.get("remember_me") == "on"}
    try:
        answer = await visit.go_on(visit.api(f"sign-ins/{flow}/password"), body, SignInFlow)
    except (errors.CredentialsWrong, errors.ValidationFailed):
        return await _wrong(visit, flow, fields.get("identifier", ""))
    except NetworkLimit:
        raise
    except errors.TooManyRequests as error:
        return visit.again(error, done="slowed_down")
    except errors.NotAllowedByPolicy as error:
        return refused(visit, error)
    except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
        return visit.again()  # the page says where it stands
    return arrived(visit, answer)


@routes.get("/{app}/sign-in/{flow}/action")
async def ask_action(visit: VisitDep, flow: UUID) -> Response:
    """What is newly required before the first session (D32, PWD-7); one at a time, attributes together."""
    found = await attempt(visit, flow)
    if found is None or found.status != "needs_action":
        return elsewhere(visit, found)
    if found.actions == ["factor"]:
        return visit.to(step(visit, flow, "factors/add"))
    if "password" not in found.actions and "username" not in found.actions:
        return visit.page("required_attributes.html", flow=flow, fields=asked(visit, found), query=query(visit))
    brand, store = visit.application.brand, visit.app.store
    template = "forced_password.html" if "password" in found.actions else "choose_username.html"
    words = [brand.name, brand.said, visit.application.slug]
    return visit.page(template, flow=flow, minimum=store.password.min_length, words=words, query=query(visit))


@routes.post("/{app}/sign-in/{flow}/action")
async def take_action(visit: VisitDep, flow: UUID) -> Response:
    fields = await visit.form()
    if "password" in fields:
        body: dict[str, Any] = {"password": twice(fields, visit.app.store.password.min_length)}
    elif "username" in fields:
        body = {"username": fields["username"].strip() or " "}
    else:
        found = await attempt(visit, flow)
        wanted = asked(visit, found) if found is not None else []
        if not wanted:
            return visit.to(step(visit, flow, "password"))
        if shows_only(fields, wanted):
            return visit.again()
        body = {"profile": given(fields, wanted)}
    try:
        answer = await visit.go_on(visit.api(f"sign-ins/{flow}/action"), body, SignInFlow)
    except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
        return visit.to(step(visit, flow, "password"))
    return arrived(visit, answer)


@routes.get("/{app}/sign-in/{flow}/{step}")
async def begin_again(visit: VisitDep) -> Response:
    return visit.instead(f"{visit.base}/sign-in")


def asked(visit: Visit, found: SignInFlow) -> list[Field]:
    """The attributes that this sign-in waits for."""
    return [
        field(visit, one.name, one.type, one.label, None, required=True, options=[option.value for option in one.options or []])
        for one in found.attributes
    ]


async def _start(visit: Visit, typed: str) -> SignInFlow:
    body = {"identifier": typed, **begins(visit)}
    return await visit.start(visit.api("sign-ins"), body, SignInFlow)


def begins(visit: Visit) -> dict[str, Any]:
    """What an attempt is told, beside a name."""
    wanted = visit.request.query_params.get("return_to")
    return {"return_to": wanted} if wanted else {}


async def _wrong(visit: Visit, flow: UUID, typed: str) -> Response:
    """The third wrong one has ended the attempt: what comes next is a new one, with the same name."""
    found = await attempt(visit, flow)
    if found is None or found.status != "password":
        flow = (await _start(visit, (found and found.typed) or typed.strip() or " ")).id
    return visit.again(errors.CredentialsWrong(), page=step(visit, flow, "password"))


def _name(visit: Visit, *, notice: str | None = None, status: int | None = None, typed: str | None = None) -> Response:
    values = {"identifier": typed} if typed else visit.before.values
    access = visit.app.access
    nameless = access.passkey.enabled and (access.passwordless or not access.factor_first)  # else the password needs a name
    return visit.page(
        "sign_in.html", status, notice=notice, values=values, kinds=list(visit.app.store.used()),
        registration=visit.app.policy.registration.enabled, query=query(visit), passkey=nameless,
        begins=begins(visit), problem=visit.told(*WRONG_PASSKEY, *SOCIAL), social=visit.application.social,
        **({"trouble": None} if notice in ENDINGS else {}),
    )  # fmt: skip


async def attempt(visit: Visit, flow: UUID) -> SignInFlow | None:
    """How far it is; None: it isn't this browser's. Raises Instead for one that a rule has refused, also once a link was pressed elsewhere."""
    try:
        return await visit.flow(visit.api(f"sign-ins/{flow}"), SignInFlow)
    except errors.NotAllowedByPolicy as error:
        raise Instead(refused(visit, error)) from None


def elsewhere(visit: Visit, found: SignInFlow | None, *, notice: str = "attempt_over") -> Response:
    """For a step that isn't the sign-in's: to the one that is. Over, it begins again with its name, unless it was finished: who goes
    back, or looks in another window, is there already.
    """
    if found is not None and found.status != "ended":
        return arrived(visit, found)
    if visit.signed_in:
        return visit.to(f"{visit.base}/account")
    return _name(visit, notice=notice, status=410, typed=found.typed if found else None)


async def straight_in(visit: Visit, typed: str, password: str) -> Response:
    """Who has just registered, by what they typed there: a sign-in as any other, which the access policy decides."""
    try:
        flow = await _start(visit, typed)
        if flow.status == "password":
            flow = await visit.go_on(visit.api(f"sign-ins/{flow.id}/password"), {"password": password}, SignInFlow)
    except errors.ServiceError as error:  # the account is there all the same; it goes on where sign-ins do
        return visit.again(error, page=f"{visit.base}/sign-in", values={"identifier": typed})
    return arrived(visit, flow, first=True)


def arrived(visit: Visit, answer: SignInFlow, *, first: bool = False) -> Response:
    """To the next step, or signed in. `first`: of an account that is new."""
    if answer.status in NEXT:
        return visit.to(step(visit, answer.id, NEXT[answer.status]))
    asked, promoted = visit.request.query_params.get("to", ""), visit.app.policy.passkey.promote_at
    home = f"{visit.base}{TO.get(asked, '/account')}"
    when = promoted.login or (promoted.registration and (first or asked == FIRST))
    return visit.to(offered_first(visit, answer.return_to or home, when=when))


def refused(visit: Visit, error: errors.NotAllowedByPolicy) -> Response:
    """By a rule of the access policy: told where a sign-in begins."""
    return visit.again(error, page=f"{visit.base}/sign-in{visit.query(*CARRIED)}", values={})


def step(visit: Visit, flow: UUID, name: str) -> str:
    return f"{visit.base}/sign-in/{flow}/{name}{visit.query(*CARRIED)}"


def query(visit: Visit) -> str:
    return visit.query(*CARRIED).removeprefix("?")
