"""What a customer may do with the ways to confirm only after fresh authentication: each is one call, which a grant goes along with.

Without one the owner refuses and names what the step-up is for; once that is complete its page does the very same again (STP-1, STP-2).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from latchkey_contracts.http.factors import Factor
from latchkey_contracts.http.social import SocialRedirect
from latchkey_contracts.http.step_up import StepUpFlow
from pydantic import TypeAdapter
from servicekit import errors
from starlette.responses import Response

from . import contact_acts
from .away import Return, leave
from .visit import Instead, Visit

NOTHING: TypeAdapter[None] = TypeAdapter(None)
_FACTORS, _SESSIONS, _LINKED = "/v1/me/factors", "/v1/me/sessions", "/v1/me/linked-identities"
# What is added, and on which page it is asked for; there is told what goes wrong.
ADDED = {"passkey": "add", "totp": "add", "recovery_codes": "add", "email": "add/email", "phone": "add/phone"}
REMOVE, PASSWORD, END = "remove", "password", "sessions"
LINK, UNLINK = "link", "unlink"


@dataclass(frozen=True)
class Act:
    """`then`: what is added, or what else is done, as it stands in addresses. `target`: the address, number or name that was typed, or
    which session ends, empty for all others, or what is linked or no longer. `factor`: which one, or which of the account's names and addresses.
    """

    then: str
    target: str = ""
    factor: UUID | None = None

    @classmethod
    def of(cls, visit: Visit, fields: Mapping[str, str]) -> Self:
        """As the step-up page's address names it, with what its form carries. Raises NotFound."""
        asked = visit.request.query_params
        then = asked.get("then", "")
        try:
            factor = UUID(asked["factor"]) if then in {REMOVE, *contact_acts.OF_ONE} else None
        except (KeyError, ValueError):
            raise errors.NotFound from None
        if then not in {*ADDED, REMOVE, PASSWORD, END, LINK, UNLINK, *contact_acts.ALL}:
            raise errors.NotFound
        return cls(then, fields.get("target", ""), factor)

    @property
    def query(self) -> str:
        return urlencode({"then": self.then, **({"factor": str(self.factor)} if self.factor else {})})

    def page(self, visit: Visit) -> str:
        if self.then in contact_acts.ALL:
            return contact_acts.page(visit, self.then, self.factor)
        if self.then == PASSWORD:
            return f"{security(visit)}/password"
        if self.then == UNLINK and self.target:
            return f"{security(visit)}/identities/{self.target}/unlink"
        if self.then in {END, LINK, UNLINK}:
            return security(visit)
        where = f"ways/{self.factor}/remove" if self.factor else ADDED[self.then]
        return f"{security(visit)}/{where}"


def security(visit: Visit) -> str:
    return f"{visit.base}/account/security"


def way(visit: Visit, factor: UUID) -> str:
    return f"{security(visit)}/ways/{factor}"


def can_change(visit: Visit) -> bool:
    """The password, which nobody needs where nobody signs in by it (R43)."""
    return visit.app.policy.password_change.enabled and not visit.app.access.passwordless


def inside(visit: Visit, to: str = "security") -> None:
    """Raises Instead, to the sign-in, for who isn't signed in here. `to`: where that leads on."""
    if not visit.signed_in:
        raise Instead(visit.to(f"{visit.base}/sign-in?to={to}" + ("&ended=1" if visit.ended else "")))


async def acting(visit: Visit, to: str = "security", *, page: str | None = None) -> dict[str, str]:
    """The fields of a form, of the customer whom its page showed; raises Instead for anybody else. `page`: where the form stands, if its
    own address has none.
    """
    fields = await visit.form(None if page is None else lambda _fields: page)
    inside(visit, to)
    if not visit.as_shown:
        raise Instead(visit.again(errors.VersionConflict()))  # somebody else has signed in meanwhile, in another tab
    return fields


async def perform(visit: Visit, act: Act, grant: str | None = None) -> Response:
    """Does it, or asks for the fresh authentication that it needs. What goes wrong is told on the act's own page."""
    visit.address = act.page(visit)
    try:
        if act.then in contact_acts.ALL:
            return await contact_acts.perform(visit, act.then, act.target, act.factor, grant)
        if act.then == END:
            await visit.go_on(f"{_SESSIONS}/{act.target}".rstrip("/"), None, NOTHING, method="DELETE", grant=grant)
            return visit.again(page=security(visit), values={}, done="ended")
        if act.then == LINK:
            return leave(visit, await visit.go_on(_LINKED, {"provider": act.target}, SocialRedirect, grant=grant), Return())
        if act.then == UNLINK:
            await visit.go_on(f"{_LINKED}/{act.target}", None, NOTHING, method="DELETE", grant=grant)
            return visit.again(page=security(visit), values={}, done="unlinked")
        if act.factor is not None:
            await visit.go_on(f"{_FACTORS}/{act.factor}", None, NOTHING, method="DELETE", peer="mfa", grant=grant)
            return visit.again(page=security(visit), values={}, done="removed")
        body = {"kind": act.then, **({"target": act.target} if act.target else {})}
        factor = await visit.go_on(_FACTORS, body, Factor, peer="mfa", grant=grant)
    except errors.StepUpRequired as asked:
        if grant is not None:
            return visit.again(errors.VersionConflict())  # it was too late, or for something else
        return await _step_up(visit, act, asked)
    if factor.status == "active":  # the account's own address or number
        return visit.again(page=security(visit), values={"kind": factor.kind}, done="added")
    return visit.to(way(visit, factor.id))


async def confirm_for_password(visit: Visit) -> Response:
    """To the step-up's page; the new password is asked for behind it, so that none is kept meanwhile."""
    flow = await visit.go_on("/v1/me/step-ups", {"action": "password.change", "payload": {}}, StepUpFlow)
    return visit.again(page=f"{visit.base}/account/step-up/{flow.id}?{Act(PASSWORD).query}", values={})


async def grant_of(visit: Visit, flow: str) -> str | None:
    """Of a step-up that is complete and fresh; None: confirm once more."""
    try:
        found = await visit.read(f"/v1/me/step-ups/{UUID(flow)}", StepUpFlow)
    except (errors.NotFound, ValueError):
        return None
    return found.grant


async def _step_up(visit: Visit, act: Act, asked: errors.StepUpRequired) -> Response:
    """To its page, which keeps what was typed until the act is done."""
    body = {"action": asked.extra.get("action"), "payload": asked.extra.get("payload")}
    flow = await visit.go_on("/v1/me/step-ups", body, StepUpFlow)
    return visit.again(page=f"{visit.base}/account/step-up/{flow.id}?{act.query}", values={"target": act.target})
