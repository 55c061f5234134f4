"""The username, sent to the address or number of the account; the same words whoever is asked about (R13, ENU-1)."""

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter
from latchkey_contracts import typed
from latchkey_contracts.http.recovery import ReminderFlow
from servicekit import errors
from starlette.responses import Response

from .fields import required
from .help import has_phones, reminds
from .messages import send_again, waiting
from .visit import VisitDep

routes = APIRouter()


@routes.get("/{app}/help/username")
async def ask(visit: VisitDep, flow: UUID | None = None) -> Response:
    if not reminds(visit.app):
        raise errors.FeatureDisabled
    if flow is None:
        return visit.page("reminder.html", phone=has_phones(visit.app))
    found = await visit.flow(visit.api(f"username-reminders/{flow}"), ReminderFlow, peer="recovery")
    if found is None:
        return visit.elsewhere("help/username")
    if found.status != "check_your_messages":
        return visit.page("recovery_ended.html", 410, again="help/username", trouble=None)
    return waiting(visit, "reminder_sent.html", found)


@routes.post("/{app}/help/username")
async def remind(visit: VisitDep, flow: UUID | None = None) -> Response:
    fields = await visit.form()
    page, path = f"{visit.base}/help/username", visit.api("username-reminders")
    if flow is not None:
        return await send_again(visit, f"{path}/{flow}", flow, page, "1", ReminderFlow)
    body = _reminded(fields, phone=has_phones(visit.app))
    answer = await visit.start(path, body, ReminderFlow, peer="recovery")
    return visit.to(f"{page}?flow={answer.id}")


def _reminded(fields: Mapping[str, str], *, phone: bool) -> dict[str, str]:
    """An address or a number, one of the two."""
    number = typed.line(fields.get("phone", "")) if phone else ""
    if not number:
        address = required(fields, "email")
        if "@" not in address:
            raise errors.ValidationFailed([errors.FieldError("/email", "email_not_valid", "")])
        return {"email": address}
    if typed.line(fields.get("email", "")):
        raise errors.ValidationFailed([errors.FieldError("/phone", "one_of_two", "")])
    return {"phone": number}
