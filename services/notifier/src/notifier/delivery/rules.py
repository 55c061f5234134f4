"""When a message is tried again, and when it is not. Pure functions."""

from datetime import timedelta

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 60.0
# An e-mail whose fate is unknown is sent once more, under the same Message-ID (docs/decisions/0004, INV-17: twice at most).
MAX_ATTEMPTS_UNKNOWN = 2


def delay(tries: int, jitter: float) -> timedelta:
    """1 s, 2 s, 4 s ... 60 s, each times 0.5 to 1 (jitter in 0..1). Short at the long end, so that an outage drains soon after."""
    seconds = min(FIRST_SECONDS * 2.0 ** min(tries - 1, 10), LONGEST_SECONDS)
    return timedelta(seconds=seconds * (0.5 + jitter / 2))


def may_resend_unknown(attempts: int) -> bool:
    return attempts < MAX_ATTEMPTS_UNKNOWN
