"""What a typed identifier counts as, and how long proofs last. Pure functions."""

import unicodedata
from datetime import timedelta

from latchkey_contracts.configuration import SelfServicePolicy
from latchkey_contracts.http.common import Channel
from servicekit.process.configuration import Resolved
from servicekit.throttle import Limit

from recovery.kinds import Kind

# Between the press or code and the new password.
PROOF_LIFETIME = timedelta(minutes=15)
REMINDER_LIFETIME = timedelta(minutes=60)
# Of the link that follows a total-loss recovery: it comes at an hour that nobody chose, after days of waiting (REC-12).
LOST_LINK_LIFETIME = timedelta(hours=24)
KEEP = timedelta(days=7)


def folded(typed: str) -> str:
    """The same name in other letters counts as the same. Only identity knows which identifiers are one account's."""
    return unicodedata.normalize("NFKC", typed).strip().casefold()


def spacing(policy: SelfServicePolicy) -> list[Limit]:
    return [Limit(1, policy.resend.spacing.total_seconds())]


def caps(policy: SelfServicePolicy) -> list[Limit]:
    return [Limit(policy.resend.per_hour, 3600), Limit(policy.resend.per_day, 86400)]


def link_lifetime(policy: SelfServicePolicy, *, lost: bool) -> timedelta:
    """`lost`: of a total-loss recovery."""
    own = policy.password_reset.link_lifetime
    return max(own, LOST_LINK_LIFETIME) if lost else own


def lifetime(kind: Kind, policy: SelfServicePolicy, *, lost: bool = False) -> timedelta:
    """From each time that somebody asks, whatever comes of it (ENU-1); a message that waits its turn lives out its time, too."""
    own = link_lifetime(policy, lost=lost) if kind == "password_reset" else REMINDER_LIFETIME
    return own + policy.resend.spacing


def channels(kind: Kind, app: Resolved) -> list[Channel]:
    """The ways that everybody is offered: of the store and the policies alone, so that they tell nothing of an account (ENU-1)."""
    store, notification, by_attribute = app.store, app.notification, app.policy.attribute_based_recovery
    attributes = {attribute.type for attribute in store.attributes}
    phone = "phone" in store.used() or (by_attribute.phone and "phone" in attributes)
    email = "email" in store.used() or (by_attribute.email and "email" in attributes) or not phone
    found: list[Channel] = ["email"] if email and notification.email.enabled else []
    if phone and notification.sms.enabled and notification.sms.countries:
        found.append("sms")
    if kind == "password_reset" and "phone" in store.used() and notification.voice.enabled and notification.voice.countries:
        found.append("voice")
    return found
