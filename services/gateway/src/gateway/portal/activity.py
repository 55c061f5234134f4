"""What happened with the account, in words: the last few on the security page, all of it here (E21)."""

from fastapi import APIRouter
from latchkey_contracts.http.activity import Activities, ActivityItem
from starlette.responses import Response

from .acts import inside
from .visit import Visit, VisitDep

RECENT = 5
PATH = "/v1/me/activity"
# What its owner should look at twice.
ALARMING = frozenset({"sign_in_failed", "code_failed", "password_guessed", "account_frozen"})
routes = APIRouter()


async def recent(visit: Visit) -> list[ActivityItem]:
    return (await visit.read(PATH, Activities)).items[:RECENT]


@routes.get("/{app}/account/security/activity")
async def listing(visit: VisitDep) -> Response:
    inside(visit)
    cursor = visit.request.query_params.get("older")
    found = await visit.read(PATH, Activities, cursor=cursor[:200] if cursor else None)
    return visit.page("activity.html", found=found, older=cursor is not None, alarming=ALARMING)
