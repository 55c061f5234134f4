"""When a total-loss recovery may take effect. Pure functions.

Days are counted from its start. For each day of the delay a notice must have left on a way that the owner had before; a day without one
doesn't count, so that the whole waits a day longer, with a notice more.
"""

import math
from collections.abc import Collection
from datetime import datetime, timedelta

DAY = timedelta(days=1)
# Nobody can be told for so long: it comes to nothing.
GIVEN_UP_AFTER = timedelta(days=14)


def day_of(started_at: datetime, at: datetime) -> int:
    return (at - started_at) // DAY


def takes_effect_at(started_at: datetime, delay: timedelta, told: Collection[int]) -> datetime | None:
    """`told`: the days on which a notice left. None: not on as many as the delay has."""
    needed = math.ceil(delay / DAY)
    days = sorted(set(told))
    if len(days) < needed:
        return None
    return started_at + delay + (days[needed - 1] - (needed - 1)) * DAY


def next_look(started_at: datetime, delay: timedelta, now: datetime) -> datetime:
    """The end of a day more, as soon as it may be the last."""
    end = started_at + delay
    return end + ((now - end) // DAY + 1) * DAY if now >= end else end
