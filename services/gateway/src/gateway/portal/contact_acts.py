"""What a customer does with names and addresses of the account after fresh authentication, as the step-up's page does it (D20)."""

from uuid import UUID

from latchkey_contracts.http.contact_change import ContactChangeFlow
from pydantic import TypeAdapter
from servicekit import errors
from starlette.responses import Response

from .visit import Visit

KINDS = ("email", "phone", "username")
# In the place of the first one, beside those that there are; one that there is becomes the first, or goes.
CHANGE, MORE, FIRST, DROP = "change-", "more-", "first", "drop"
OF_ONE = (FIRST, DROP)
ALL = frozenset({*OF_ONE, *(CHANGE + kind for kind in KINDS), *(MORE + kind for kind in KINDS)})
IDENTIFIERS, CHANGES = "/v1/me/identifiers", "/v1/me/contact-changes"
_NOTHING: TypeAdapter[None] = TypeAdapter(None)


def personal(visit: Visit) -> str:
    return f"{visit.base}/account/personal"


def page(visit: Visit, then: str, one: UUID | None) -> str:
    """Where it is asked for, and where is told what goes wrong."""
    if then == DROP:
        return f"{personal(visit)}/identifiers/{one}/remove"
    if then == FIRST:
        return personal(visit)
    verb, _, kind = then.partition("-")
    return f"{personal(visit)}/contacts/{kind}" + ("?more=1" if verb == "more" else "")


async def perform(visit: Visit, then: str, target: str, one: UUID | None, grant: str | None) -> Response:
    """Raises StepUpRequired without a grant."""
    if then == DROP:
        await visit.go_on(f"{IDENTIFIERS}/{one}", None, _NOTHING, method="DELETE", grant=grant)
        return visit.again(page=personal(visit), values={}, done="contact_removed")
    if then == FIRST:
        body = {"primary": True, "language": visit.language}
        flow = await visit.go_on(f"{IDENTIFIERS}/{one}", body, ContactChangeFlow, method="PATCH", grant=grant)
        return shown(visit, flow)
    kind = then.partition("-")[2]
    visit.visitor.step_up = grant
    path = CHANGES if then.startswith(CHANGE) else IDENTIFIERS
    try:
        flow = await visit.start(path, {"kind": kind, "value": target, "language": visit.language}, ContactChangeFlow)
    except errors.ValidationFailed as wrong:
        return visit.again(wrong, values={"value": target})
    return shown(visit, flow)


def shown(visit: Visit, flow: ContactChangeFlow) -> Response:
    """To the page that waits, or back where the new one stands."""
    if flow.status == "check_your_messages":
        return visit.to(f"{personal(visit)}/changes/{flow.id}")
    return visit.again(page=personal(visit), values={"kind": flow.identifier}, done=over(flow))


def over(flow: ContactChangeFlow) -> str:
    return "contact_changed" if flow.status == "complete" else "contact_over"
