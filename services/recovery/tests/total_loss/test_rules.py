"""When a total-loss recovery may take effect (REC-12)."""

from datetime import UTC, datetime, timedelta

import pytest
from recovery.total_loss.rules import next_look, takes_effect_at

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("delay", "told", "hours"),
    [
        (72, [0, 1, 2], 72),
        (72, [0, 0, 1, 1, 2, 2], 72),
        (72, [0, 2, 3], 96),
        (72, [1, 2, 5], 144),
        (72, [0, 1, 2, 3], 72),
        (36, [0, 1], 36),
        (36, [0, 2], 60),
        (24, [0], 24),
        (24, [3], 96),
        (72, [0, 2], None),
        (24, [], None),
    ],
)
def test_a_day_without_a_notice_does_not_count(delay: int, told: list[int], hours: int | None):
    """REC-12: the last notice that counts is followed by as much time as it would have been without the gap."""
    expected = START + hours * HOUR if hours is not None else None
    assert takes_effect_at(START, delay * HOUR, told) == expected


@pytest.mark.parametrize(("now", "hours"), [(0, 72), (71, 72), (72, 96), (95, 96), (96, 120)])
def test_it_is_looked_at_again_a_day_later(now: int, hours: int):
    assert next_look(START, 72 * HOUR, START + now * HOUR) == START + hours * HOUR
