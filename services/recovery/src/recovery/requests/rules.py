"""What a typed identifier counts as, and how long proofs last. Pure functions."""

import unicodedata
from datetime import timedelta
from typing import Literal

from latchkey_contracts.configuration import SelfServicePolicy
from servicekit.throttle import Limit

Kind = Literal["password_reset", "username_reminder"]

# Between the press or code and the new password.
PROOF_LIFETIME = timedelta(minutes=15)
REMINDER_LIFETIME = timedelta(minutes=60)
KEEP = timedelta(days=7)


def folded(typed: str) -> str:
    """The same name in other letters counts as the same. Only identity knows which identifiers are one account's."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()


def spacing(policy: SelfServicePolicy) -> list[Limit]:
    return [Limit(1, policy.resend.spacing.total_seconds())]


def caps(policy: SelfServicePolicy) -> list[Limit]:
    return [Limit(policy.resend.per_hour, 3600), Limit(policy.resend.per_day, 86400)]


def lifetime(kind: Kind, policy: SelfServicePolicy) -> timedelta:
    return policy.password_reset.link_lifetime if kind == "password_reset" else REMINDER_LIFETIME
