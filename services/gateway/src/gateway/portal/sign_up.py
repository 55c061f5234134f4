"""Sign-up, "check your mail" and what follows from it (R2-R8, looks signup, checkmail)."""

import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts import typed
from latchkey_contracts.http import apps
from latchkey_contracts.http.common import Identifier
from latchkey_contracts.http.registration import RegistrationFlow
from pydantic import TypeAdapter, ValidationError
from servicekit import errors
from starlette.responses import Response

from . import i18n
from .fields import required, twice
from .offers import offered_first
from .sign_in import straight_in
from .visit import Visit, VisitDep
from .words import LABELS

routes = APIRouter()
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
_TOLD = (errors.CodeWrong, errors.CodeExpired, errors.CodeBurned, errors.TooManyRequests)


@routes.get("/{app}/sign-up")
async def ask(visit: VisitDep) -> Response:
    description = await visit.read(visit.api(), apps.Application)
    gettext = i18n.catalogue(visit.language).gettext
    labels = {kind: gettext(text) for kind, text in LABELS.items()}
    template = "sign_up.html" if visit.app.policy.registration.enabled else "sign_up_closed.html"
    return visit.page(
        template,
        description=description,
        labels=labels,
        password_at_end=visit.app.policy.password_input.defer,
        social=visit.application.social,
        problem=visit.told(errors.SocialDenied, errors.SocialRefused, errors.ProviderUnavailable),
    )


@routes.post("/{app}/sign-up")
async def register(visit: VisitDep) -> Response:
    fields = await visit.form()
    body = registration_of(await visit.read(visit.api(), apps.Application), fields, visit.language)
    _check_lines(body)
    try:
        flow = await visit.start(visit.api("registrations"), body, RegistrationFlow)
    except errors.UsernameTaken:
        raise errors.ValidationFailed([errors.FieldError("/username", "username_taken", "")]) from None
    if flow.status == "activated":  # without activation, where the access policy decides who comes in
        return await straight_in(visit, next(iter(body["identifiers"].values())), body["password"])
    if flow.status != "complete":
        return visit.to(waiting(visit, flow.id))
    return visit.to(offered_first(visit, f"{visit.base}/account", when=visit.app.policy.passkey.promote_at.registration))


@routes.get("/{app}/check-messages")
async def check_messages(visit: VisitDep, flow: UUID) -> Response:
    found = await visit.flow(visit.api(f"registrations/{flow}"), RegistrationFlow)
    if found is None:
        return visit.elsewhere("sign-up")
    problem = visit.told(*_TOLD)
    if found.status == "activated":
        by_phone = found.delivery is not None and found.delivery.channel != "email"
        return visit.page("activated.html", 200, name=found.given_name, by_phone=by_phone, trouble=None)
    if found.status == "password":
        later = visit.app.policy.password_input.defer
        return visit.page("choose_password.html", flow=found, minimum=visit.app.store.password.min_length, later=later)
    if found.status != "check_your_messages" or found.delivery is None or found.resend is None:
        return visit.page("registration_ended.html", 410, problem=problem, trouble=None)
    visit.keep_waiting(found.kind, flow)
    policy, wait = visit.app.policy, found.resend.retry_after_seconds
    if isinstance(problem, errors.TooManyRequests):
        wait = max(wait, math.ceil(problem.extra["retry_after_seconds"]))
    return visit.page(
        "check_mail.html" if found.resend.channels == ["email"] else "check_phone.html",
        flow=found,
        problem=problem,
        sent="sent" in visit.request.query_params,
        ago=max(int((visit.gateway.clock.now() - found.delivery.at).total_seconds()), 0),
        wait=wait,
        spacing=int(policy.resend.spacing.total_seconds()),
        code_minutes=int(policy.registration.passcode_lifetime.total_seconds() // 60),
    )


@routes.post("/{app}/check-messages")
async def go_on(visit: VisitDep, flow: UUID) -> Response:
    """The code, "send again", the address to go on with where no text comes, or the password that a renewed activation needs."""
    fields = await visit.form()
    path = visit.api(f"registrations/{flow}")
    sent = ""
    try:
        if "resend" in fields:
            await visit.go_on(f"{path}/resend", {}, RegistrationFlow)
            sent = "&sent=1"
        elif "email" in fields:
            going = await visit.start(f"{path}/email", {"email": _address(fields)}, RegistrationFlow)
            return visit.to(waiting(visit, going.id))
        elif "password" in fields:
            await visit.go_on(
                f"{path}/password", {"password": twice(fields, visit.app.store.password.min_length)}, RegistrationFlow
            )
        elif code := typed.code(fields.get("code", ""))[:32]:
            await visit.go_on(f"{path}/code", {"code": code}, RegistrationFlow)
    except (errors.FlowEnded, errors.StepMissing, errors.NotFound):
        pass  # the page says where it stands
    return visit.to(waiting(visit, flow) + sent)


def waiting(visit: Visit, flow: UUID) -> str:
    return f"{visit.base}/check-messages?flow={flow}"


def _address(fields: Mapping[str, str]) -> str:
    address = required(fields, "email")
    if len(address) > 320:
        raise errors.ValidationFailed([errors.FieldError("/email", "email_not_valid", "")])
    return address


def registration_of(description: apps.Application, fields: Mapping[str, str], language: str) -> dict[str, Any]:
    """The JSON of the API, from the fields of the form."""
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    consents = [
        {"id": one.id, "version": one.version, "given": fields.get(f"consent.{one.id}") == "on"} for one in description.consents
    ]
    body: dict[str, Any] = {
        "identifiers": {
            identifier.kind: given[identifier.kind] for identifier in description.identifiers if identifier.kind in given
        },
        "profile": {
            attribute.name: _typed(attribute.type, given[attribute.name])
            for attribute in description.attributes
            if attribute.name in given
        },
        "consents": consents,
        "language": language,
    }
    if fields.get("password"):
        body["password"] = fields["password"]
    return body


def _typed(kind: str, value: str) -> Any:
    """As the API has it: a form knows texts only. A ticked box is sent, one that isn't is not."""
    if kind == "checkbox":
        return True
    if kind == "list":
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _check_lines(body: dict[str, Any]) -> None:
    """The same bounds that the API's models have, told next to the field."""
    found = []
    for name, value in body["identifiers"].items():
        try:
            _IDENTIFIER.validate_python(value)
        except ValidationError:
            found.append(errors.FieldError(f"/identifiers/{name}", "not_this_form", ""))
    if len(body.get("password", "")) > 1024:
        found.append(errors.FieldError("/password", "password_too_long", ""))
    if found:
        raise errors.ValidationFailed(found)
