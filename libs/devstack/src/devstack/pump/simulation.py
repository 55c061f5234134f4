"""Lets a day's people loose on a running stack, through its public API alone, and counts what really left by its price.

What one of them does is in `acting.py`.
"""

import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from latchkey_contracts.configuration import Document, NotificationPolicy
from notifier.fraud import rules as fraud
from notifier.spending import rules as spending
from notifier.templates.segments import segments
from servicekit import clock as clocks
from servicekit.numbers import Land

from devstack.supervisor import Stack

from .acting import Acting, Inbox
from .people import Try, customers, day

APPLICATION = "mobile"
STEP = 300.0  # seconds that the clock moves at a time
ENROLLED_PER_HOUR = 30
APART = timedelta(days=2)  # between two days, so that no ledger remembers the one before


@dataclass
class Result:
    """Amounts in the currency of the prices, of what went to strangers' numbers: customers have money of their own.

    `textless`: honest strangers who got no text; `lost`: those of them who did not get in by e-mail either. `customers_lost`: who got
    no code for a reset, could not set the password, or was not told of it.
    """

    name: str
    tries: int = 0
    texts: int = 0
    spent: float = 0.0
    bound: float = 0.0
    honest: int = 0
    textless: int = 0
    lost: int = 0
    customers: int = 0
    customers_lost: int = 0

    @property
    def loss(self) -> float:
        """The larger of both shares."""
        return max(self.lost / max(self.honest, 1), self.customers_lost / max(self.customers, 1))

    @property
    def held(self) -> bool:
        return self.spent <= self.bound + 1e-9


@dataclass
class Simulation:
    """On a stack that was started with a clock file and trusts our X-Forwarded-For."""

    stack: Stack
    configuration: Path
    hours: float
    seed: int = 1
    say: Callable[[str], None] = lambda _text: None

    def __post_init__(self) -> None:
        document = Document.model_validate(yaml.safe_load(self.configuration.read_text()))
        wanted = next(one.notification_policy for one in document.applications if one.slug == APPLICATION)
        self._policy: NotificationPolicy = next(one for one in document.notification_policies if one.name == wanted)
        self._clock = Path(self.stack.extra["LATCHKEY_CLOCK_FILE"])
        self._inbox = Inbox(self.stack.inbox_url)
        self._acting = Acting(f"{self.stack.origin}/v1/apps/{APPLICATION}", self._inbox)
        self._to_enroll = customers(self.hours, self.seed)

    def run(self, attacker: str | None) -> Result:
        """One attacker's day, or with None that of honest people alone."""
        self._enroll()
        begins = self._midnight()
        tries, result = day(attacker, self.hours, self.seed), Result(attacker or "nobody")
        before = len(self._texts())
        fine: set[str] = set()
        with ThreadPoolExecutor(6) as pool:
            for step, some in groupby(tries, key=lambda one: int(one.at // STEP)):
                self._move_to(begins + timedelta(seconds=step * STEP))
                people = list(some)
                fine |= {one.number for one, well in zip(people, pool.map(self._acting.go, people), strict=True) if well}
                self.say(f"{result.name}: {(step + 1) * STEP / 3600:.1f} h")
        self._settle()
        self._count(result, tries, fine, self._texts()[before:])
        # What he proves himself is a stranger's for a day, whoever types the codes.
        whose: spending.Whose = "strangers" if self.hours <= 24 else "proven"
        ends = max(begins + timedelta(hours=self.hours), self._now())
        amount = spending.worst_case(self._policy.spending, whose, begins, ends)
        result.bound = amount / spending.COST_UNIT
        return result

    def _count(self, result: Result, tries: Sequence[Try], fine: Collection[str], texts: Sequence[dict[str, Any]]) -> None:
        strangers, customers = [one for one in tries if one.honest], [one for one in tries if one.customer]
        theirs, reached = {one.number for one in customers}, {text["to"] for text in texts}
        texts = [text for text in texts if text["to"] not in theirs]
        result.texts, result.spent = len(texts), sum(map(self._price, texts))
        result.tries = len(tries) - len(strangers) - len(customers)
        result.honest, result.customers = len(strangers), len(customers)
        result.textless = sum(one.number not in reached for one in strangers)
        result.lost = sum(one.number not in fine for one in strangers)
        result.customers_lost = sum(one.number not in fine for one in customers)

    def _enroll(self) -> None:
        """Customers register before the first day, by text as well; slowly enough for the caps of strangers."""
        while self._to_enroll:
            self._move_to(self._now() + timedelta(hours=1))
            some, self._to_enroll = self._to_enroll[:ENROLLED_PER_HOUR], self._to_enroll[ENROLLED_PER_HOUR:]
            with ThreadPoolExecutor(6) as pool:
                well = list(pool.map(self._acting.enroll, some))
            if not all(well):
                raise RuntimeError(f"{well.count(False)} of {len(well)} customers could not register before the first day")
            self.say(f"customers to register: {len(self._to_enroll)}")

    # --- the inbox and the clock -----------------------------------------------------------------------------------------

    def _texts(self) -> list[dict[str, Any]]:
        return [one for one in self._inbox.messages() if one["channel"] in {"sms", "voice"}]

    def _price(self, text: dict[str, Any]) -> float:
        channel = self._policy.sms if text["channel"] == "sms" else self._policy.voice
        units = segments(text["text"]).count if text["channel"] == "sms" else 1
        return fraud.cost(channel, Land.of(text["to"]), units) / spending.COST_UNIT

    def _settle(self) -> None:
        """Until no more text comes."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < 2:
            if (count := len(self._texts())) != seen:
                seen, since = count, time.monotonic()
            time.sleep(0.2)

    def _now(self) -> datetime:
        return clocks.FileClock(self._clock).now()

    def _move_to(self, moment: datetime) -> None:
        if (seconds := (moment - self._now()).total_seconds()) > 0:
            clocks.move(self._clock, seconds)

    def _midnight(self) -> datetime:
        """The first moment of a day that nothing before has a part in."""
        begins = (self._now() + APART).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._move_to(begins)
        return begins
