"""What a sign-in or step-up still needs (docs/flows/mfa.md): asked by identity, once something is proven there."""

from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState
from latchkey_contracts.http.factors import FactorChoice
from latchkey_contracts.mfa import AccessDecided
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import NotFound
from servicekit.logging import get_logger
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match, same_browser
from servicekit.web.caller import Caller

from mfa.assistance import store as assistance
from mfa.factors import rules
from mfa.factors import store as factors
from mfa.factors.store import Factor
from mfa.sending import SIGN_IN, Sending
from mfa.tools import Tools
from mfa.trusted_devices.service import TrustedDevices

from . import store
from .store import Challenge

KEEP = timedelta(days=1)
log = get_logger(__name__)


class AccessDecisions:
    def __init__(self, tools: Tools, sending: Sending, devices: TrustedDevices) -> None:
        self._t = tools
        self._devices = devices
        self._sending = sending

    async def decide(self, body: AccessQuestion, caller: Caller) -> AccessState:
        """The same for the same flow, however often it is asked."""
        app = self._t.configuration.application(body.application)
        set_tenant(str(app.store.id), "user")
        wanted = Challenge(
            id=body.flow_id,
            kind=body.kind,
            account_id=body.account_id,
            store_id=app.store.id,
            application=body.application,
            browser=caller.browser if body.kind == "sign_in" else None,
            session_id=caller.session_id if body.kind == "step_up" else None,
            requested_from=in_words(caller.user_agent),
            language=app.language_for(None, caller),
            match=new_match(),
            action=body.action,
            about=body.about,
            created_at=self._t.db.clock.now(),
            expires_at=body.expires_at,
        )
        async with self._t.db.transaction() as tx:
            usable = usable_now(app, await factors.of(tx, body.account_id))
            free = await self._free(tx, app, body, usable, caller)
            asked = free is None and await store.insert(tx, wanted)
            if asked or free is not None:
                decision, reason = ("challenge", "factor_enrolled") if free is None else ("allow", free)
                await tx.emit(
                    AccessDecided(
                        account_id=body.account_id,
                        flow_id=body.flow_id,
                        application=body.application,
                        decision=decision,
                        reasons=[reason],
                    )
                )
                log.info("access.decided", flow_id=str(body.flow_id), decision=decision, reasons=[reason])
            found = await store.get(tx, body.flow_id)
            return await self.state_of(tx, found) if found is not None else AccessState(decision="allow")

    async def _free(self, tx: Tx, app: Resolved, body: AccessQuestion, usable: list[Factor], caller: Caller) -> str | None:
        """Why no factor is asked for; None: one is."""
        if not usable:
            return "no_factor"
        if body.kind != "sign_in":
            return None  # a step-up asks everywhere (STP-1)
        if await self._devices.is_trusted(tx, app, body.account_id, caller):
            await self._t.onetime.forgive_wrong(tx, str(body.account_id))  # the owner is there: strangers' guesses begin anew
            return "trusted_device"
        return "bypass" if await assistance.use(tx, body.account_id, body.flow_id) else None

    async def state(self, flow_id: UUID, caller: Caller) -> AccessState:
        async with self._t.db.read() as conn:
            return await self.state_of(conn, await mine(conn, flow_id, caller))

    async def state_of(self, conn: Conn, found: Challenge) -> AccessState:
        if found.status == "proven":
            return AccessState(decision="proven", methods=list(found.methods), proven_at=found.proven_at)
        if found.status == "ended" or found.expires_at <= conn.now:
            return AccessState(decision="ended")
        app = self._t.configuration.application(found.application)
        usable = usable_now(app, await factors.of(conn, found.account_id))
        choices = [choice(app, one, links=found.kind == "sign_in") for one in usable]
        ways = list(dict.fromkeys(channel for one in choices for channel in one.channels))
        sent = next((one for one in usable if one.id == found.factor_id), None)
        state = AccessState(decision="challenge", factors=choices, next=["code", "challenges"] if ways else ["code"])
        if not ways:
            return state
        resend = await self._sending.resend(conn, app, SIGN_IN, found.account_id, found.id, ways)
        if sent is None or found.channel is None:
            return state.model_copy(update={"resend": resend})
        delivery = await self._sending.delivery(conn, found.id, found.channel, sent.masked)
        match = found.match if found.form == "link" and not found.link_ended else None
        told = {"resend": resend, "delivery": delivery, "match": match, "link_ended": found.link_ended}
        return state.model_copy(update=told)

    async def check(self) -> None:
        """That decisions can be had: the database answers."""
        async with self._t.db.read() as conn:
            await store.look(conn)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)


async def mine(conn: Conn, flow_id: UUID, caller: Caller) -> Challenge:
    """Raises NotFound for any browser or session but the one that asked."""
    found = await store.get(conn, flow_id)
    if found is None or not is_mine(found, caller):
        raise NotFound
    return found


def is_mine(one: Challenge, caller: Caller) -> bool:
    if one.kind == "sign_in":
        return same_browser(one.browser, caller.browser)
    return one.session_id is not None and (one.session_id, one.account_id) == (caller.session_id, caller.account_id)


def usable_now(app: Resolved, found: list[Factor]) -> list[Factor]:
    """Best first. Recovery codes alone are none (D30: what they stood in for may be switched off)."""
    usable = [one for one in found if one.active and rules.enabled(app.access, one.kind)]
    if not any(one.kind in rules.ALONE for one in usable):
        return []
    return sorted(usable, key=lambda one: rules.BEST_FIRST.index(one.kind))


def choice(app: Resolved, one: Factor, *, links: bool) -> FactorChoice:
    channels = rules.channels(app, one.kind)
    forms = [form for form in rules.forms(app, one.kind) if links or form == "code"] if channels else []
    return FactorChoice(id=one.id, kind=one.kind, name=one.name, to=one.masked, channels=channels, forms=forms)
