"""What is usual in a region, and what is not: pure rules, and what they read from the ledger (FRD-4, FRD-12)."""

from datetime import timedelta

import pytest
from notifier.fraud import traffic
from prometheus_client import REGISTRY
from servicekit.clock import ManualClock

from ..conftest import Notifier
from .conftest import Cases


def hourly(now: int, *, usual: int = 5, hours: int = traffic.HOURS - 1) -> list[int]:
    """This hour, and so many before it that scatter a little."""
    before = [usual + place % 3 - 1 for place in range(hours)]
    return [now, *before, *[0] * (traffic.HOURS - 1 - hours)]


def daily(*days: int) -> list[int]:
    """So many a day, the last 24 hours first; other days none."""
    return [count for day in (*days, *[0] * (traffic.DAYS + 1 - len(days))) for count in (day, *[0] * 23)]


class TestSigmas:
    @pytest.mark.parametrize(("sent", "alert"), [(0, False), (6, False), (11, False), (19, False), (20, True), (200, True)])
    def test_an_hour_beyond_three_sigmas(self, sent: int, alert: bool):
        """FRD-12: 5 an hour are usual; what is below twenty is nobody's campaign."""
        (found,) = traffic.judge({"DE": hourly(sent)})
        assert found.alert is alert

    def test_busy_ones_scatter(self):
        """FRD-12: of 400 an hour 450 are nothing, 500 are."""
        assert [traffic.judge({"DE": hourly(sent, usual=400)})[0].alert for sent in (450, 500)] == [False, True]

    def test_without_a_day_of_history_nothing_is_unusual(self):
        assert traffic.judge({"DE": hourly(500, hours=10)}) == []
        assert traffic.judge({}) == []

    def test_a_region_that_begins_beside_others(self):
        """FRD-12: where nothing was usual twenty in an hour are told."""
        found = traffic.judge({"DE": hourly(5), "LV": [20, *[0] * (traffic.HOURS - 1)]})
        assert {one.region for one in found if one.alert} == {"LV"}


class TestShares:
    def test_beyond_three_times_its_median(self):
        """FRD-4: a tenth is usual, and four tenths are too much."""
        week = [90] * 7
        assert traffic.crowded({"DE": daily(90, *week), "LV": daily(60, *[10] * 7)}) == {"LV"}
        assert traffic.crowded({"DE": daily(90, *week), "LV": daily(30, *[10] * 7)}) == frozenset()

    def test_one_wild_day_before_does_not_make_it_usual(self):
        """FRD-4: the median, not the mean; and what was sent on its best day may double."""
        assert traffic.crowded({"DE": daily(90, *[90] * 7), "LV": daily(130, 60, *[10] * 6)}) == {"LV"}

    def test_cold_start(self):
        """FRD-4: a new installation refuses nobody; where three days tell something, a new region has twenty a day, then twice its best."""
        assert traffic.crowded({"LV": daily(500)}) == frozenset()
        assert traffic.crowded({"DE": daily(10, 90, 90), "LV": daily(500)}) == frozenset()
        three = {"DE": daily(90, 90, 90, 90)}
        assert traffic.crowded({**three, "LV": daily(19)}) == frozenset()
        assert traffic.crowded({**three, "LV": daily(20)}) == {"LV"}
        assert traffic.crowded({**three, "LV": daily(39, 20)}) == frozenset()

    def test_who_has_one_country_is_never_held_up(self):
        assert traffic.crowded({"DE": daily(10_000, *[30] * 7)}) == frozenset()


class TestLedger:
    async def test_a_crowded_region_gets_no_more_and_is_told(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-4, FRD-12: three days of Germany, then Britain's share alone grows within an hour; Germans, proven numbers and notices go on."""
        for _ in range(3):
            for one in range(20):
                await self.used(cases, f"+49151{one * 37:03d}12345")
            clock.move(86_400)
        clock.move(3_600)
        for one in range(21):
            await self.used(cases, f"+4474{one * 41:03d}12345")
        assert await cases.ask("+447990012345") is None
        await notifier.watch.measure()
        assert REGISTRY.get_sample_value("latchkey_region_hour_sigmas", {"region": "GB"}) > traffic.SIGMAS
        assert await cases.ask("+447990112345") == "region_crowded"
        assert await cases.ask("+4915199912345") is None
        assert (await cases.judge(cases.proven("+447990212345"))).reason is None
        assert (await cases.judge(cases.one("+447990312345", template="password_changed", lane=0))).reason is None
        clock.move(timedelta(days=2).total_seconds())
        await notifier.watch.measure()
        assert await cases.ask("+447990412345") is None

    @staticmethod
    async def used(cases: Cases, number: str) -> None:
        case = cases.one(number)
        assert (await cases.judge(case)).reason is None
        await cases.use(case)
