"""Out to a provider: what our own pages must know when its answer comes waits sealed in a cookie (docs/flows/social-sign-in.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from latchkey_contracts.http.social import SocialRedirect
from starlette.responses import Response

from gateway.web.sealed import seal, unseal

from .visit import Visit

COOKIE, PURPOSE = "latchkey_social", "social"
SECONDS = 1800  # no sign-in lives longer


@dataclass(frozen=True)
class Return:
    """`page`: where it goes on, with `values` that were typed. `query`: where the customer wanted to go."""

    page: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    query: str = ""


async def out(visit: Visit, path: str, provider: str, back: Return) -> Response:
    """To the provider's page. `path`: of the operation that says where that is."""
    found = await visit.go_on(path, {"provider": provider}, SocialRedirect)
    return leave(visit, found, back)


def leave(visit: Visit, found: SocialRedirect, back: Return) -> Response:
    kept = {"page": back.page, "values": dict(back.values), "query": back.query}
    visit.keep(COOKIE, seal(visit.key, PURPOSE, kept), SECONDS)
    return visit.to(found.redirect_to)


def returning(visit: Visit) -> Return:
    kept: Any = unseal(visit.key, PURPOSE, visit.cookie(COOKIE))
    return Return(**kept) if kept is not None else Return()
