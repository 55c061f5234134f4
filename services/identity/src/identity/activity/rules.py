"""What of the events is for the account's owner to see, and for how long."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from latchkey_contracts.http.activity import ActivityKind

# One class of retention; everything else is the other (E21, LOG-5).
SIGN_INS: frozenset[ActivityKind] = frozenset(
    {"signed_in", "sign_in_failed", "signed_out", "session_ended", "code_failed", "reset_requested"}
)
# What strangers can cause as often as they like: one entry an hour, which counts.
FOLDED: frozenset[ActivityKind] = frozenset({"sign_in_failed", "code_failed", "reset_requested"})


@dataclass(frozen=True, slots=True)
class Kept:
    """How long: sign-ins and failed tries, and all other things."""

    sign_ins: timedelta = timedelta(days=90)
    security: timedelta = timedelta(days=365)


def entry_id(event_id: UUID, account_id: UUID, kind: ActivityKind, application: str | None, at: datetime) -> UUID:
    """The event's own, or one for all of its hour."""
    if kind not in FOLDED:
        return event_id
    return uuid5(account_id, f"{kind} {application} {at:%Y-%m-%dT%H}")
