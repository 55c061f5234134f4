"""The mailbox is lost, too: a recovery that takes effect after a delay, unless somebody stops it (REC-12)."""

from datetime import datetime

from fastapi import APIRouter
from latchkey_contracts.http.recovery import TotalLossFlow
from servicekit import errors
from starlette.responses import Response

from .fields import required
from .visit import VisitDep

routes = APIRouter()


@routes.get("/{app}/help/lost-mailbox")
async def ask(visit: VisitDep) -> Response:
    policy = visit.app.policy.total_loss_recovery
    if not policy.enabled:
        raise errors.FeatureDisabled
    if visit.before.done == "waiting":
        values = visit.before.values
        return visit.page("lost_waiting.html", at=datetime.fromisoformat(values["at"]), to=values["to"])
    hours = int(policy.delay.total_seconds() // 3600)
    return visit.page("lost_mailbox.html", kinds=list(visit.app.store.used()), hours=hours)


@routes.post("/{app}/help/lost-mailbox")
async def start(visit: VisitDep) -> Response:
    fields = await visit.form()
    body = {"identifier": required(fields, "identifier"), "email": required(fields, "email")}
    path, peer = visit.api("total-loss-recoveries"), "recovery"
    flow = await visit.start(path, body, TotalLossFlow, peer=peer)
    return visit.again(values={"at": flow.takes_effect_at.isoformat(), "to": body["email"]}, done="waiting")
