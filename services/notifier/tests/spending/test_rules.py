"""How far each cap goes, for whom, and the worst that can be spent. Pure rules."""

from datetime import UTC, datetime, timedelta

import pytest
from latchkey_contracts.configuration import Spending
from notifier.spending import rules

NOW = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
SPENDING = Spending.model_validate(
    {"per_hour": 20, "per_day": 100, "countries": {"DE": 30}, "strangers": {"enabled": True, "per_hour": 5, "per_day": 20}}
)


def most(whose: rules.Whose, country: str | None = None) -> dict[tuple[str, str], int]:
    return {(one.scope, one.period): one.most for one in rules.caps(SPENDING, whose, country, NOW)}


class TestCaps:
    def test_everybody_has_a_share_that_the_others_can_not_use(self):
        """FRD-3, FRD-6: half for all, three tenths more for customers, the rest for security notices; strangers less than that."""
        assert most("security") == {("all", "hour"): 200_000, ("all", "day"): 1_000_000, ("all", "month"): 24_800_000}
        assert most("proven") == {("all", "hour"): 160_000, ("all", "day"): 800_000, ("all", "month"): 24_800_000}
        assert most("strangers") == {
            ("all", "hour"): 100_000,
            ("all", "day"): 500_000,
            ("all", "month"): 15_500_000,
            ("strangers", "hour"): 50_000,
            ("strangers", "day"): 200_000,
        }

    def test_of_a_country_too(self):
        """FRD-3: and its notices aren't lost to its own strangers either."""
        assert most("security", "DE")["country:DE", "day"] == 300_000
        assert most("strangers", "DE")["country:DE", "day"] == 150_000

    @pytest.mark.parametrize(("day", "amount"), [(1, 200_000), (2, 400_000), (30, 6_000_000)])
    def test_of_the_month_notices_have_their_own_part_day_by_day(self, day: int, amount: int):
        """NOT-3, INV-12: two tenths, of which so many days have begun; with the eight of everybody it is the month's cap, no more."""
        monthly = SPENDING.model_copy(update={"per_month": 3000})
        now = NOW.replace(day=day)
        (month,) = [one for one in rules.of_the_reserve(monthly, None, now) if one.period == "month"]
        assert (month.scope, month.most) == ("notices", amount)
        assert month.ends_at - now <= timedelta(days=1)
        (shared,) = [one.most for one in rules.caps(monthly, "security", None, now) if one.period == "month"]
        assert shared + 6_000_000 == 30_000_000

    def test_periods_end(self):
        ends = {one.period: one.ends_at for one in rules.caps(SPENDING, "security", None, NOW)}
        assert set(ends.values()) == {datetime(2026, 12, 1, tzinfo=UTC)}

    def test_of_another_time_zone(self):
        """The same hour and day, whatever zone a clock tells it in."""
        elsewhere = NOW.astimezone(tz=None)
        assert rules.caps(SPENDING, "proven", None, elsewhere) == rules.caps(SPENDING, "proven", None, NOW)


class TestWorstCase:
    @pytest.mark.parametrize(
        ("whose", "begins", "hours", "amount"),
        [
            ("strangers", datetime(2026, 11, 30, tzinfo=UTC), 24, 200_000),
            ("strangers", datetime(2026, 11, 30, tzinfo=UTC), 2, 100_000),
            ("strangers", datetime(2026, 11, 30, 12, 30, tzinfo=UTC), 24, 400_000),
            ("strangers", datetime(2026, 11, 30, 23, 30, tzinfo=UTC), 1, 100_000),
            ("proven", datetime(2026, 11, 30, tzinfo=UTC), 24, 800_000),
        ],
    )
    def test_the_sum_of_the_caps(self, whose: rules.Whose, begins: datetime, hours: int, amount: int):
        """FRD-13: of all hours and days that it touches, whichever is less."""
        assert rules.worst_case(SPENDING, whose, begins, begins + timedelta(hours=hours)) == amount


class TestHealth:
    @pytest.mark.parametrize(
        ("spent", "state"), [(0, "ok"), (79_999, "ok"), (80_000, "delayed"), (99_200, "delayed"), (99_201, "down")]
    )
    def test_said_before_a_message_is_promised(self, spent: int, state: str):
        """FRD-12: delayed from four fifths on, down where one more doesn't go."""
        cap = rules.Cap("all", "strangers", "hour", NOW, NOW, 100_000)
        assert rules.health([rules.Spent(cap, spent)], 800) == state
