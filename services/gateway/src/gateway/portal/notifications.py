"""Which messages the customer gets, by kind and channel (D27, E9)."""

from fastapi import APIRouter
from latchkey_contracts.http.preferences import Preferences
from starlette.responses import Response

from .acts import acting, inside
from .visit import VisitDep

PATH = "/v1/me/notification-preferences"
routes = APIRouter()


@routes.get("/{app}/account/notifications")
async def ask(visit: VisitDep) -> Response:
    inside(visit, "notifications")
    found = await visit.read(PATH, Preferences, peer="notifier")
    return visit.page("notifications.html", chosen=found.items)


@routes.post("/{app}/account/notifications")
async def save(visit: VisitDep) -> Response:
    """Every box of the page: one that isn't ticked isn't sent."""
    fields = await acting(visit, "notifications")
    found = await visit.read(PATH, Preferences, peer="notifier")
    choices = [
        {"kind": one.kind, "channel": one.channel, "wanted": f"{one.kind}.{one.channel}" in fields}
        for one in found.items
        if not one.fixed
    ]
    await visit.go_on(PATH, {"items": choices}, Preferences, method="PATCH", peer="notifier")
    return visit.again(values={}, done="saved")
