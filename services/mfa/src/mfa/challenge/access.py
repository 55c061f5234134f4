"""What a sign-in or step-up still needs (docs/flows/mfa.md): asked by identity, once something is proven there."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from latchkey_contracts.http.access import AccessQuestion, AccessState, StepUpMethods
from latchkey_contracts.http.common import NextStep
from latchkey_contracts.http.factors import FactorChoice, FactorKind
from servicekit.context import set_tenant
from servicekit.db import Conn, Tx
from servicekit.devices import in_words
from servicekit.errors import FlowEnded, NotFound
from servicekit.process.configuration import Resolved
from servicekit.proof import new_match, same_browser
from servicekit.web.caller import Caller

from mfa.access_rules.rules import Verdict
from mfa.access_rules.service import AccessRules, Decided
from mfa.assistance import store as assistance
from mfa.factors import rules
from mfa.factors import store as factors
from mfa.factors.store import Factor
from mfa.first_step import state as first_state
from mfa.first_step import store as first_steps
from mfa.required import due
from mfa.sending import SIGN_IN, Sending
from mfa.tools import Tools
from mfa.trusted_devices.service import TrustedDevices

from . import store
from .store import Challenge

KEEP = timedelta(days=1)


class AccessDecisions:
    def __init__(self, tools: Tools, sending: Sending, devices: TrustedDevices, access_rules: AccessRules) -> None:
        self._t = tools
        self._rules = access_rules
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
            if (before := await store.get(tx, body.flow_id)) is not None:
                return await self._of(tx, before, body.account_id)
            has = await factors.of(tx, body.account_id)
            verdict = await self._rules.judge(tx, app, body, caller)
            enrol = _missing(app, has, wanted=verdict.effect == "require") if body.kind == "sign_in" else []
            usable = await self._asked(tx, app, body, usable_now(app, has))
            found = await self._outcome(tx, app, body, caller, usable, verdict, enrol)
            if found.outcome == "challenge" and not await store.insert(tx, wanted):
                return await self._of(tx, await _held(tx, body.flow_id), body.account_id)  # by a twin of this call
            if enrol and found.outcome != "deny":
                await due.note(tx, body, caller, has, wanted=verdict.effect == "require")
                found = replace(found, reasons=[*found.reasons, "enrolment_required"])
            await self._rules.decided(tx, app, body, verdict, found)
            if found.outcome == "challenge":
                return await self.state_of(tx, wanted)
            return AccessState(decision=found.outcome, enrol=enrol if found.outcome == "allow" else [])

    async def step_up_methods(self, caller: Caller) -> StepUpMethods:
        """What a step-up begun now would ask for: any of the usable factors, else the password."""
        account_id, _ = caller.account()
        app = self._t.of_session(caller)
        async with self._t.db.read() as conn:
            usable = usable_now(app, await factors.of(conn, account_id))
        return StepUpMethods(methods=[*dict.fromkeys(one.kind for one in usable)] or ["password"])

    @staticmethod
    async def _asked(tx: Tx, app: Resolved, body: AccessQuestion, usable: list[Factor]) -> list[Factor] | None:
        """None: the first step of this sign-in was one of them. Where it was an address that is no factor, they are asked for all the same:
        whoever has an app isn't let in by a mail.
        """
        if body.kind != "sign_in" or not app.access.factor_first:
            return usable
        first = await first_steps.get(tx, body.flow_id)
        proven = first is not None and first.status == "proven" and first.factor_id in {one.id for one in usable}
        return None if proven else usable

    async def _outcome(
        self,
        tx: Tx,
        app: Resolved,
        body: AccessQuestion,
        caller: Caller,
        usable: list[Factor] | None,
        verdict: Verdict,
        enrol: list[FactorKind],
    ) -> Decided:
        """A rule is told as `rule:<name>`. `usable` None: one of them was proven first. `enrol`: what can and must be added, so that who has no factor yet isn't kept out."""
        by_rule = [f"rule:{name}" for name in verdict.names]
        if verdict.effect == "deny":
            return Decided("deny", by_rule)
        if body.kind == "sign_in" and app.access.workflow == "password_only":
            return Decided("allow", ["password_only"])
        if usable is None:
            return Decided("allow", ["factor_first"])
        if not usable and verdict.effect == "require":
            return Decided("allow" if enrol else "deny", [*by_rule, "no_factor"])
        if not usable:
            return Decided("allow", ["no_factor"])
        if verdict.effect == "skip":
            return Decided("allow", by_rule)
        free = await self._free(tx, app, body, caller, verdict)
        return Decided("allow", [free]) if free is not None else Decided("challenge", [*by_rule, "factor_enrolled"])

    async def _free(self, tx: Tx, app: Resolved, body: AccessQuestion, caller: Caller, verdict: Verdict) -> str | None:
        """Why who has a factor isn't asked for it; a step-up asks everywhere (STP-1). What two people of the help desk agreed on counts
        where a rule requires one, too.
        """
        if body.kind != "sign_in":
            return None
        if verdict.effect != "require" and await self._devices.is_trusted(tx, app, body.account_id, caller):
            await self._t.onetime.forgive_wrong(tx, str(body.account_id))  # the owner is there: strangers' guesses begin anew
            return "trusted_device"
        return "bypass" if await assistance.use(tx, body.account_id, body.flow_id) else None

    async def state(self, flow_id: UUID, caller: Caller) -> AccessState:
        async with self._t.db.read() as conn:
            if await store.get(conn, flow_id) is not None:
                return await self.state_of(conn, await mine(conn, flow_id, caller))
            if (added := await due.state(conn, self._t.configuration, flow_id, caller)) is not None:
                return added
            first = await first_steps.get(conn, flow_id)
            if first is None or not same_browser(first.browser, caller.browser):
                raise NotFound
            return await first_state.of(self._t, conn, first, caller)

    async def _of(self, conn: Conn, found: Challenge, account_id: UUID) -> AccessState:
        """Of another account: somebody's passkey was used in this very flow, and then a password of somebody else."""
        return await self.state_of(conn, found) if found.account_id == account_id else AccessState(decision="ended")

    async def state_of(self, conn: Conn, found: Challenge) -> AccessState:
        app = self._t.configuration.application(found.application)
        if found.status == "proven":
            proven = AccessState(
                decision="proven", methods=list(found.methods), proven_at=found.proven_at, account_id=found.account_id
            )
            return await due.after(conn, app, found.id, proven)
        if found.status == "ended" or found.expires_at <= conn.now:
            return AccessState(decision="ended")
        usable = usable_now(app, await factors.of(conn, found.account_id))
        choices = [choice(app, one, links=found.kind == "sign_in") for one in usable]
        ways = list(dict.fromkeys(channel for one in choices for channel in one.channels))
        sent = next((one for one in usable if one.id == found.factor_id), None)
        state = AccessState(decision="challenge", factors=choices, next=_steps(choices))
        if not ways:
            return state
        resend = await self._sending.resend(conn, app, SIGN_IN, found.account_id, found.id, ways)
        if sent is None or found.channel is None:
            return state.model_copy(update={"resend": resend})
        delivery = await self._sending.delivery(conn, found.id, found.channel, sent.masked)
        match = found.match if found.form == "link" and not found.link_ended else None
        told = {
            "resend": resend,
            "delivery": delivery,
            "match": match,
            "link_ended": found.link_ended,
            "code_digits": found.digits,
        }
        return state.model_copy(update=told)

    async def check(self) -> None:
        """That decisions can be had: the database answers."""
        async with self._t.db.read() as conn:
            await store.look(conn)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP)


async def _held(conn: Conn, flow_id: UUID) -> Challenge:
    found = await store.get(conn, flow_id)
    if found is None:
        raise NotFound
    return found


async def mine(conn: Conn, flow_id: UUID, caller: Caller) -> Challenge:
    """Raises NotFound for any browser or session but the one that asked."""
    found = await store.get(conn, flow_id)
    if found is None or not is_mine(found, caller):
        raise NotFound
    return found


async def taken_up(tools: Tools, tx: Tx, flow_id: UUID) -> tuple[Challenge, Resolved] | None:
    """Locked, for one try. None: it was proven before, by this very window, whose answer was lost. Raises NotFound, FlowEnded."""
    found = await store.lock(tx, flow_id)
    if found is None:
        raise NotFound
    app = tools.configuration.application(found.application)
    set_tenant(str(app.store.id), "user")
    if found.status == "proven":
        return None
    if found.status == "ended" or found.expires_at <= tx.now:
        raise FlowEnded
    return found, app


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


def _steps(choices: list[FactorChoice]) -> list[NextStep]:
    """What each of them needs."""
    found: list[NextStep] = ["code"] if any(one.kind != "passkey" for one in choices) else []
    if any(one.channels for one in choices):
        found.append("challenges")
    return [*found, "passkey"] if any(one.kind == "passkey" for one in choices) else found


def _missing(app: Resolved, has: list[Factor], *, wanted: bool) -> list[FactorKind]:
    return rules.missing(app, {one.kind for one in has if one.active and rules.enabled(app.access, one.kind)}, wanted=wanted)


def choice(app: Resolved, one: Factor, *, links: bool) -> FactorChoice:
    channels = rules.channels(app, one.kind)
    forms = [form for form in rules.forms(app, one.kind) if links or form == "code"] if channels else []
    return FactorChoice(id=one.id, kind=one.kind, name=one.name, to=one.masked, channels=channels, forms=forms)
