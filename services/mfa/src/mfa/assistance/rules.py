"""Who may approve what, and for how long. Pure functions."""

from datetime import timedelta

MOST_HOURS = 24
TO_APPROVE = timedelta(hours=24)  # later it must be asked for again
PENDING_LIFETIME = timedelta(hours=24)  # of a factor that the customer has to confirm
VERIFIED = timedelta(minutes=15)  # so long a caller's proof counts
KEEP = timedelta(days=365)


def may_approve(requested_by: str, approved_by: str) -> bool:
    """A second person (E23)."""
    return requested_by.strip().casefold() != approved_by.strip().casefold()
