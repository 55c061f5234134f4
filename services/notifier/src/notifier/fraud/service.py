"""Whether a message that costs money may leave: trust, ranges, velocity, then money, all in the transaction that hands it over.

A refusal is an outcome that is written down, never an exception, so that nothing tries again in a storm (FRD-1 to FRD-6, FRD-8).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.notifier import Channel, FraudRangeBlocked
from servicekit import numbers
from servicekit.db import Tx
from servicekit.logging import get_logger, security_event
from servicekit.throttle import Limit, Throttle

from notifier.spending.rules import COST_UNIT, Whose, caps, of_a_system, of_the_reserve
from notifier.spending.service import Reservation, reserve

from . import metrics, rules, store
from .traffic import Traffic

SPENT, LATER, UNTRUSTED, RANGE, VELOCITY = "spending_cap", "later", "untrusted", "range_blocked", "velocity"
CROWDED, SYSTEM, CLASS = "region_crowded", "system_velocity", "number_class"
_WHOSE: dict[rules.Standing, Whose] = {"security": "security", "proven": "proven", "known": "strangers", "stranger": "strangers"}
log = get_logger(__name__)


@dataclass(frozen=True)
class Case:
    """One message that costs money and is about to leave. `recipient`: keyed hash of the number; `asn`: of the network that asked."""

    message_id: UUID
    account_id: UUID
    flow_id: UUID | None
    application: str
    template: str
    lane: int
    channel: Channel
    number: str
    land: numbers.Land
    recipient: bytes
    proven_at: datetime | None
    known: bool
    cost: int
    policy: NotificationPolicy
    asn: int | None = None

    @property
    def ranges(self) -> rules.Ranges:
        return rules.Ranges.of(self.number, self.land)


@dataclass(frozen=True)
class Verdict:
    """`reason`: why it may not leave; `due`: it may then, and waits. Else what it cost is reserved."""

    reason: str | None = None
    due: datetime | None = None
    reservation: Reservation | None = None


class Fraud:
    def __init__(self, throttle: Throttle, traffic: Traffic) -> None:
        self._throttle = throttle
        self._traffic = traffic

    async def admit(self, tx: Tx, case: Case) -> Verdict:
        """Counts and reserves if it may leave. What was admitted before and sent nothing is asked for its money alone."""
        whose = rules.standing(case.lane, case.proven_at, case.known, tx.now)
        again = await store.was_admitted(tx, case.message_id)
        watched = whose in {"known", "stranger"} and not await store.is_vouched_for(tx, case.channel, case.recipient)
        probing: list[str] = []
        if not again:
            if case.land.never:  # else it would not have come so far
                self._monitored(case, CLASS)
            refused, probing = await self._ranges(tx, case) if watched else (None, [])
            refused = self._untrusted(case, whose, watched=watched) or refused or self._crowded(case, watched=watched)
            verdict = Verdict(refused) if refused else await self._velocity(tx, case, whose, watched=watched)
            if verdict.reason is not None:
                return self._said(case, verdict)
        verdict = await self._money(tx, case, _WHOSE[whose])
        if verdict.reason is not None:
            return self._said(case, verdict)
        await store.admit(tx, case.message_id)
        if watched:
            await self._sent(tx, case, probing)
        return verdict

    async def not_sent(self, tx: Tx, message_id: UUID) -> None:
        """It is known that nothing went out, so nobody could use its code."""
        await store.not_sent(tx, message_id)

    async def used(self, tx: Tx, flow_id: UUID) -> None:
        """Somebody was there: the ranges that its message probed are open again."""
        if found := await store.used(tx, flow_id):
            await store.clear(tx, found)

    @staticmethod
    async def returned(tx: Tx, account_id: UUID) -> None:
        """A sign-in within a day of a code's use: its account is in somebody's hands who comes back (FRD-5)."""
        await store.returned(tx, account_id, rules.LASTING)

    @staticmethod
    async def lost(tx: Tx, account_id: UUID) -> None:
        """Frozen or disabled within a day of a code's use: whoever typed it may have been no customer (FRD-5)."""
        await store.lost(tx, account_id, rules.LASTING)

    @staticmethod
    def _said(case: Case, verdict: Verdict) -> Verdict:
        effect = "waits" if verdict.due else "suppressed"
        metrics.REFUSED.labels(case.channel, verdict.reason, effect).inc()
        log.info("fraud.refused", message_id=str(case.message_id), reason=verdict.reason, region=case.land.region, effect=effect)
        return verdict

    @staticmethod
    def _monitored(case: Case, reason: str) -> bool:
        """Where an operator only wants to see what would have happened (FRD-1)."""
        channel = rules.paid(case.policy, case.channel)
        if channel is None or not numbers.monitored(channel, case.land):
            return False
        metrics.REFUSED.labels(case.channel, reason, "monitored").inc()
        log.info("fraud.monitored", message_id=str(case.message_id), reason=reason, region=case.land.region)
        return True

    # --- trust (FRD-6, FRD-7) ----------------------------------------------------------------------------------------------

    @staticmethod
    def _untrusted(case: Case, whose: rules.Standing, *, watched: bool) -> str | None:
        """Calls wake people up: only to a number that is proven. To a stranger nothing, unless accounts begin with a phone."""
        if case.channel == "voice" and case.proven_at is None and whose != "security":
            return UNTRUSTED
        return UNTRUSTED if watched and whose == "stranger" and not case.policy.spending.strangers.enabled else None

    # --- ranges (FRD-5) ----------------------------------------------------------------------------------------------------

    async def _ranges(self, tx: Tx, case: Case) -> tuple[str | None, list[str]]:
        """Why not; else the ranges whose block is over and that this message probes."""
        names = case.ranges.names()
        known = await store.blocks(tx, list(names))
        probing = [name for name, row in known.items() if row.cleared_at is None]
        bad = any(known[name].until > tx.now for name in probing)
        for name, kind in names.items():
            if not bad and name not in probing:
                bad = await self._judge(tx, case, name, kind, known.get(name))
        if bad and not self._monitored(case, RANGE):
            return RANGE, []
        return None, [] if bad else probing

    async def _judge(self, tx: Tx, case: Case, name: str, kind: rules.Kind, before: store.Known | None) -> bool:
        since = tx.now - rules.WINDOW
        if before is not None and before.cleared_at is not None:
            since = max(since, before.cleared_at)
        value, ripe, most = getattr(case.ranges, kind), tx.now - rules.RIPE_AFTER, rules.EVIDENCE[kind].of_a_prefix
        judged = await store.judged(tx, kind, value, since, ripe, newest=rules.NEWEST, of_a_prefix=most)
        if not rules.is_bad(kind, judged.used, judged.sent):
            return False
        until = tx.now + rules.block_for(0)
        if await store.block(tx, name, case.land.region, until, sent=judged.sent, used=judged.used):
            await self._tell(
                tx,
                FraudRangeBlocked(range=name, region=case.land.region, sent=judged.sent, used=judged.used, level=0, until=until),
            )
        return True

    async def _sent(self, tx: Tx, case: Case, probing: Sequence[str]) -> None:
        """The ledger's entry; and the ranges that it probes are blocked further, until its code is used."""
        if case.template in rules.CODES and case.flow_id is not None:
            ranges = case.ranges
            await store.sent(
                tx,
                case.message_id,
                case.flow_id,
                case.account_id,
                prefix=ranges.prefix,
                network=ranges.network,
                region=ranges.region,
            )
        known = await store.blocks(tx, probing) if probing else {}
        for name, row in known.items():
            level = row.level + 1
            found = await store.probe(tx, name, level, tx.now + rules.block_for(level), case.message_id)
            await self._tell(tx, FraudRangeBlocked(**asdict(found)))

    @staticmethod
    async def _tell(tx: Tx, event: FraudRangeBlocked) -> None:
        await tx.emit(event)
        metrics.BLOCKED.labels(event.range.partition(":")[0]).inc()
        what = {"range": event.range, "sent": event.sent, "used": event.used, "level": event.level}
        security_event("excess_rate_limit_exceeded", "fail", limit="conversion", **what)

    def _crowded(self, case: Case, *, watched: bool) -> str | None:
        """More than its share goes to this region today (FRD-4)."""
        if not watched or case.ranges.region not in self._traffic.crowded or self._monitored(case, CROWDED):
            return None
        return CROWDED

    # --- velocity (FRD-4) --------------------------------------------------------------------------------------------------

    async def _velocity(self, tx: Tx, case: Case, whose: rules.Standing, *, watched: bool) -> Verdict:
        """A code beyond a limit is not sent: it can be asked for again. A security notice waits until it may (NOT-3)."""
        hashed = case.recipient.hex()
        if whose == "security":
            key = self._throttle.key("notice", case.channel, case.template, str(case.account_id), hashed)
            decision = await self._throttle.take(tx, [(key, rules.NOTICE_LIMITS)])
            return Verdict() if decision.allowed else Verdict(LATER, decision.available_at)
        wanted: list[tuple[bytes, Sequence[Limit]]] = []
        if (limits := rules.NUMBER_LIMITS.get(case.channel)) is not None:
            # Of a number that nobody owns no reset is ever sent: counted together they would show a registration which one is (REG-1).
            of = "registration" if case.template in rules.REGISTRATION else "account"
            wanted.append((self._throttle.key("paid", case.channel, of, hashed), limits))
        if watched:
            wanted.append((self._throttle.key("prefix", case.ranges.prefix), rules.PREFIX_LIMITS))
        decision = await self._throttle.take(tx, wanted)
        if not decision.allowed and not self._monitored(case, VELOCITY):
            return Verdict(VELOCITY)
        return await self._system(tx, case) if watched and case.asn is not None else Verdict()

    async def _system(self, tx: Tx, case: Case) -> Verdict:
        """Counted in money, so that it grows with what an operator lets strangers have. What sent nothing stays counted, as above."""
        assert case.asn is not None  # noqa: S101 - asked for those alone
        wanted = of_a_system(case.policy.spending, case.asn, tx.now)
        found = await reserve(tx, case.application, wanted, case.cost, tell=False)
        if isinstance(found, Reservation) or self._monitored(case, SYSTEM):
            return Verdict()
        security_event("excess_rate_limit_exceeded", "fail", limit="asn", asn=case.asn, application=case.application)
        return Verdict(SYSTEM)

    # --- money (FRD-3) -----------------------------------------------------------------------------------------------------

    async def _money(self, tx: Tx, case: Case, whose: Whose) -> Verdict:
        """A security notice waits for the next hour or day, when its share is there again; others end (NOT-3)."""
        spending, notice = case.policy.spending, whose == "security"
        country = numbers.first(case.land.names, spending.countries)
        found = await reserve(tx, case.application, caps(spending, whose, country, tx.now), case.cost, tell=not notice)
        if notice and not isinstance(found, Reservation):
            found = await reserve(tx, case.application, of_the_reserve(spending, country, tx.now), case.cost)
        if isinstance(found, Reservation):
            metrics.SPENT.labels(case.application, case.channel, whose).inc(case.cost / COST_UNIT)
            return Verdict(reservation=found)
        return Verdict(SPENT, max(one.ends_at for one in found) if notice else None)
