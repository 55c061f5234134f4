"""What of a sign-in its owner is told (BRF-4, E9)."""

from datetime import UTC, datetime, timedelta

import pytest
from identity.sign_in.rules import reasons

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAYS = timedelta(days=1)


@pytest.mark.parametrize(
    ("known", "wrong", "last", "told"),
    [
        (False, 0, None, []),
        (False, 9, None, []),
        (False, 10, None, ["wrong_passwords"]),
        (False, 0, NOW - DAYS, ["new_device"]),
        (False, 0, NOW - 90 * DAYS, ["new_device"]),
        (False, 0, NOW - 91 * DAYS, ["long_idle", "new_device"]),
        (False, 10, NOW - 91 * DAYS, ["wrong_passwords", "long_idle", "new_device"]),
        (True, 50, NOW - 91 * DAYS, []),
    ],
)
def test_told(known: bool, wrong: int, last: datetime | None, told: list[str]):
    assert reasons(known_device=known, wrong_before=wrong, last=last, now=NOW) == told
