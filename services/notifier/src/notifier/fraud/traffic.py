"""How many codes go to strangers' numbers of each region, against what is usual there: an alert, and a bound (FRD-4, FRD-12).

Looked at every few seconds by each process, from the ledger that all share, and kept in memory, so that no message pays for it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median, pstdev

from servicekit.logging import get_logger, security_event

from . import metrics

HOURS_A_DAY, DAYS = 24, 7
HOURS = HOURS_A_DAY * (DAYS + 1)  # the last 24 hours, and seven days before them
SIGMAS = 3.0
LEAST_HOURS, LEAST_SENT = 24, 20  # of history, and of what is judged: nothing is unusual where nothing is usual yet
LEAST_DAYS, DAY_COUNTS = 3, 20  # a day tells something of shares when so many went out; so many days must
TIMES = 3  # what a region's share may be of its median
GROWTH = 2  # what a region may send of its best day, whatever its share: a new market grows, from LEAST_SENT on
Hourly = Mapping[str, Sequence[int]]  # by region: the hour that runs first, HOURS of them
log = get_logger(__name__)


@dataclass(frozen=True)
class Unusual:
    """A region's hour. `sigmas`: standard deviations above the mean of its hours before."""

    region: str
    sent: int
    usual: float
    sigmas: float

    @property
    def alert(self) -> bool:
        return self.sigmas > SIGMAS and self.sent >= LEAST_SENT


def judge(hourly: Hourly) -> list[Unusual]:
    """Each region's hour that runs. None as long as there is no day of history."""
    known = max((place for hours in hourly.values() for place, sent in enumerate(hours) if sent), default=0)
    if known < LEAST_HOURS:
        return []
    found = []
    for region, hours in hourly.items():
        before = hours[1 : known + 1]
        mean = fmean(before)
        # Few and rare ones scatter by chance as their root does, whatever the days before happened to show.
        deviation = max(pstdev(before), math.sqrt(mean), 1.0)
        found.append(Unusual(region, hours[0], mean, (hours[0] - mean) / deviation))
    return found


def crowded(hourly: Hourly) -> frozenset[str]:
    """Regions that have had more than three times their usual share of the last 24 hours, and grow faster than twofold a day.

    A cold start refuses nobody: without three days that tell something there is no usual share.
    """
    days = {
        region: [sum(hours[at : at + HOURS_A_DAY]) for at in range(0, HOURS, HOURS_A_DAY)] for region, hours in hourly.items()
    }
    totals = [sum(day) for day in zip(*days.values(), strict=True)]
    telling = [place for place in range(1, len(totals)) if totals[place] >= DAY_COUNTS]
    if len(telling) < LEAST_DAYS or not totals[0]:
        return frozenset()
    return frozenset(
        region
        for region, sent in days.items()
        if sent[0] >= max(LEAST_SENT, GROWTH * max(sent[1:]))
        and sent[0] / totals[0] > TIMES * median(sent[place] / totals[place] for place in telling)
    )


class Traffic:
    """One per process: what it saw when it looked last."""

    def __init__(self) -> None:
        self.crowded: frozenset[str] = frozenset()
        self._told: set[tuple[str, datetime]] = set()

    def look(self, hourly: Hourly, hour: datetime) -> None:
        """`hour`: when the one that runs began. Each unusual one is told once by each process."""
        for region in (now := crowded(hourly)) - self.crowded:
            log.warning("fraud.region_crowded", region=region)
        self.crowded = now
        self._told = {(region, at) for region, at in self._told if at == hour}
        for one in judge(hourly):
            metrics.SIGMAS.labels(one.region).set(one.sigmas)
            if one.alert and (one.region, hour) not in self._told:
                self._told.add((one.region, hour))
                what = {"region": one.region, "sent": one.sent, "usual": round(one.usual, 1), "sigmas": round(one.sigmas, 1)}
                security_event("excess_rate_limit_exceeded", "fail", limit="region_hour", **what)
