"""Which way leads back in: only those that the policy allows; with none left it is the page of real people (R9, D14)."""

from fastapi import APIRouter
from servicekit.process.configuration import Resolved
from starlette.responses import Response

from .visit import VisitDep

routes = APIRouter()


@routes.get("/{app}/help")
async def ways(visit: VisitDep) -> Response:
    offered = {"username": reminds(visit.app), "password": visit.can_reset}
    template = "help.html" if any(offered.values()) else "help_people.html"
    lost = visit.app.policy.total_loss_recovery.enabled
    return visit.page(template, ways=offered, lost=lost, phone=has_phones(visit.app))


@routes.get("/{app}/help/not-me")
async def not_me(visit: VisitDep) -> Response:
    """For who gets an activation without having asked: nothing is to be done, and nothing here does anything."""
    return visit.page("not_me.html")


@routes.get("/{app}/help/people")
async def people(visit: VisitDep) -> Response:
    return visit.page("help_people.html", lost=visit.app.policy.total_loss_recovery.enabled)


def reminds(resolved: Resolved) -> bool:
    """R13: only where the store has usernames."""
    return resolved.policy.username_reminder.enabled and resolved.store.identifiers.username.use != "hidden"


def has_phones(resolved: Resolved) -> bool:
    return "phone" in resolved.store.used()
