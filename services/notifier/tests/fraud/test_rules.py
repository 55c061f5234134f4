"""What numbers cost, and what is too much of a range. Pure rules."""

from datetime import UTC, datetime, timedelta

import pytest
from latchkey_contracts.configuration import PaidChannel
from notifier.fraud import rules
from servicekit import numbers

SMS = PaidChannel(countries=["+49", "+1"], price=0.25, prices={"+49": 0.08})
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class TestCost:
    @pytest.mark.parametrize(
        ("number", "units", "cost"), [("+4934155501234", 1, 800), ("+4934155501234", 3, 2400), ("+12025550123", 1, 2500)]
    )
    def test_by_country_else_the_dearer_default(self, number: str, units: int, cost: int):
        assert rules.cost(SMS, numbers.Land.of(number), units) == cost

    def test_a_region_before_its_dial_code(self):
        channel = PaidChannel(prices={"+1": 0.01, "JM": 0.3})
        assert rules.cost(channel, numbers.Land.of("+18764551234"), 1) == 3000
        assert rules.cost(channel, numbers.Land.of("+12025550123"), 1) == 100


class TestPrices:
    def test_a_dial_codes_price_is_that_of_its_first_region(self):
        """FRD-3: Jamaica is not counted at the price of the United States; what nobody has priced is dear."""
        channel = PaidChannel(price=0.5, prices={"+1": 0.01})
        assert rules.cost(channel, numbers.Land.of("+18764551234"), 1) == 5000


class TestRanges:
    def test_none_tells_a_number(self):
        land = numbers.Land.of("+4915112345678")
        assert land is not None
        found = rules.Ranges.of("+4915112345678", land)
        assert found.names() == {"prefix:+491511234": "prefix", "network:+491511": "network"} | {"region:DE": "region"}


class TestEvidence:
    @pytest.mark.parametrize(
        ("kind", "used", "sent", "bad"),
        [
            ("prefix", 0, 15, False),
            ("prefix", 0, 16, True),
            ("prefix", 12, 16, False),
            ("prefix", 1, 16, False),
            ("prefix", 1, 30, True),
            ("network", 0, 16, True),
            ("region", 0, 34, False),
            ("region", 0, 35, True),
            ("region", 5, 100, False),
        ],
    )
    def test_by_wilsons_bound(self, kind: rules.Kind, used: int, sent: int, bad: bool):
        """FRD-5: 95 % upper bound below 0.20 with at least 16; of a whole region below 0.10 with at least 35."""
        assert rules.is_bad(kind, used, sent) is bad

    def test_the_bound(self):
        """FRD-5: 0 of 16 gives 0.194, 0 of 35 less than 0.10."""
        assert round(rules.most_used(0, 16), 3) == 0.194
        assert 0.09 < rules.most_used(0, 35) < 0.10
        assert rules.most_used(0, 0) == 1.0

    def test_sixty_per_cent_is_never_bad(self):
        """FRD-13: honest people type 60 % of their codes."""
        assert not any(rules.is_bad(kind, round(sent * 0.6), sent) for sent in range(1, 201) for kind in rules.KINDS)

    def test_blocks_double(self):
        """FRD-5: 15 minutes to 12 hours."""
        minutes = [rules.block_for(level).total_seconds() / 60 for level in range(9)]
        assert minutes == [15, 30, 60, 120, 240, 480, 720, 720, 720]


class TestStanding:
    @pytest.mark.parametrize(
        ("lane", "proven", "known", "found"),
        [
            (0, None, False, "security"),
            (1, timedelta(days=1), True, "proven"),
            (1, timedelta(hours=23), True, "known"),
            (1, timedelta(hours=23), False, "known"),
            (1, None, True, "known"),
            (2, None, False, "stranger"),
        ],
    )
    def test_who_it_is(self, lane: int, proven: timedelta | None, known: bool, found: str):
        """FRD-6: a number that was proven today may be a pump's own, whose codes he types himself."""
        assert rules.standing(lane, NOW - proven if proven else None, known, NOW) == found
