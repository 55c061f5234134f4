"""What the rules of an application's policy say to a sign-in; each decision with its reasons, kept for a while (docs/flows/access.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from latchkey_contracts.http.access import Abilities, AccessQuestion, Explanation, RuleLooked
from latchkey_contracts.mfa import AccessDecided
from servicekit.db import Tx
from servicekit.errors import NotFound
from servicekit.logging import get_logger, security_event
from servicekit.networks import address_of
from servicekit.process.configuration import Resolved
from servicekit.web.caller import Caller

from mfa.tools import Tools

from . import rules, store
from .places import Places
from .rules import Circumstances, Place, Verdict

KEEP = timedelta(days=30)
# Nobody is farther away than half around the earth: at 900 km/h that is 23 h.
KEEP_PLACES = timedelta(days=1)
NOTHING = Verdict(None, (), ())
Outcome: TypeAlias = Literal["allow", "challenge", "deny"]
log = get_logger(__name__)


@dataclass(frozen=True)
class Decided:
    outcome: Outcome
    reasons: Sequence[str]


class AccessRules:
    def __init__(self, tools: Tools, places: Places) -> None:
        self._t = tools
        self._places = places

    async def judge(self, tx: Tx, app: Resolved, asked: AccessQuestion, caller: Caller) -> Verdict:
        """Rules are for sign-ins: whoever steps up is in already."""
        if asked.kind != "sign_in" or not app.access.rules:
            return NOTHING
        now = Circumstances(
            address=_address(caller),
            country=self._places.country(caller.ip),
            known_device=caller.known_device(asked.account_id) is not None,
            improbable_travel=await self._improbable(tx, app, asked, caller),
            at=tx.now.astimezone(ZoneInfo(app.application.timezone)).time(),
        )
        return rules.judge(app.access.rules, now)

    async def _improbable(self, tx: Tx, app: Resolved, asked: AccessQuestion, caller: Caller) -> bool | None:
        """Places are kept only where a rule asks for them."""
        if all(rule.when.improbable_travel is None for rule in app.access.rules):
            return None
        here = self._places.place(caller.ip)
        if here is None:
            return None
        await store.seen(tx, asked.flow_id, asked.account_id, here.latitude, here.longitude)
        before = await store.last(tx, asked.account_id, asked.flow_id, tx.now - KEEP_PLACES)
        if before is None:
            return False
        return rules.improbable(Place(before.latitude, before.longitude), before.arrived_at, here, tx.now)

    @staticmethod
    async def arrived(tx: Tx, flow_id: UUID) -> None:
        """Nothing more is needed in this flow: from where it came is where its account was last."""
        await store.arrived(tx, flow_id)

    async def decided(self, tx: Tx, app: Resolved, asked: AccessQuestion, verdict: Verdict, found: Decided) -> None:
        """Told in an event and the log; never from where."""
        reasons = list(found.reasons)
        looked = [{"name": one.name, "effect": one.effect, "lacked": list(one.lacked)} for one in verdict.looked]
        decision = store.Decision(
            flow_id=asked.flow_id,
            kind=asked.kind,
            account_id=asked.account_id,
            application=asked.application,
            policy=app.access.name,
            decision=found.outcome,
            reasons=reasons,
            rules=looked,
            decided_at=tx.now,
        )
        await store.put(tx, decision)
        if found.outcome == "allow":
            await self.arrived(tx, asked.flow_id)
        told = AccessDecided(
            account_id=asked.account_id,
            flow_id=asked.flow_id,
            application=asked.application,
            decision=found.outcome,
            reasons=reasons,
        )
        await tx.emit(told)
        log.info("access.decided", flow_id=str(asked.flow_id), decision=found.outcome, reasons=reasons)
        if found.outcome == "deny":
            security_event("authz_fail", "fail", account_id=str(asked.account_id), flow_id=str(asked.flow_id), reason=reasons[0])

    async def explain(self, flow_id: UUID) -> Explanation:
        """For operators. Raises NotFound: none was decided, or it is too long ago."""
        async with self._t.db.read() as conn:
            found = await store.get(conn, flow_id)
        if found is None:
            raise NotFound
        return Explanation(
            flow_id=found.flow_id,
            kind=found.kind,
            account_id=found.account_id,
            application=found.application,
            policy=found.policy,
            decision=found.decision,
            reasons=list(found.reasons),
            rules=[RuleLooked(**one) for one in found.rules],
            decided_at=found.decided_at,
        )

    def abilities(self) -> Abilities:
        return Abilities(countries=self._places.countries, coordinates=self._places.coordinates)

    async def purge(self) -> None:
        async with self._t.db.transaction() as tx:
            await store.purge(tx, tx.now - KEEP, tx.now - KEEP_PLACES)

    async def look(self) -> None:
        """Whether there is a newer database of places."""
        await self._places.look()


def _address(caller: Caller) -> IPv4Address | IPv6Address | None:
    try:
        return address_of(caller.ip or "")
    except ValueError:
        return None
