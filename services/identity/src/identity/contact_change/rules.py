"""What a change of address needs before it counts, and who may undo it (STP-3, STP-4, D39, INV-15). Pure functions."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from latchkey_contracts.configuration import IdentityStore
from latchkey_contracts.identity import IdentifierKind

from identity.accounts.changing_store import Own

REACHED: tuple[IdentifierKind, ...] = ("email", "phone")
MOST = 5  # of a kind that reaches somebody; of usernames one


def approver(owns: Sequence[Own], kind: IdentifierKind, *, strong: bool) -> Own | None:
    """Where the account must say yes as well: at its primary proven e-mail address, else at its phone. None where a second factor was
    there for long enough (`strong`), where nothing is proven yet, and for a username, by which nobody is reached.
    """
    if strong or kind == "username":
        return None
    return first_proven(owns)


def first_proven(owns: Sequence[Own]) -> Own | None:
    proven = [one for one in owns if one.kind in REACHED and one.verified_at is not None]
    return min(proven, key=lambda one: (REACHED.index(one.kind), not one.is_primary, one.created_at), default=None)


def is_strong(second_factor: bool, since: datetime | None, now: datetime, window: timedelta) -> bool:
    """Whether a second factor speaks for the owner alone. One that was added within the time in which a notice of it can still be answered
    may be a thief's, who has the password and means to do without the mailbox.
    """
    return second_factor and (since is None or since + window <= now)


def holders(owns: Sequence[Own], kind: IdentifierKind, old: Own | None) -> list[Own]:
    """Whose messages carry a link that undoes the change: the old address, and the primary mailbox where another kind is changed."""
    found = [old] if old is not None and old.kind in REACHED and old.verified_at is not None else []
    best = first_proven(owns)
    if best is not None and best not in found and (kind != "email" or not found):
        found.append(best)
    return found


def may_remove(owns: Sequence[Own], one: Own, store: IdentityStore) -> bool:
    """Never the primary e-mail address (INV-15), nothing that the store requires and is the last of its kind, nor the last way in (D39)."""
    others = [other for other in owns if other.id != one.id]
    same = [other for other in others if other.kind == one.kind]
    used = store.used().get(one.kind)
    if used is None or not used.editable or (one.is_primary and (same or one.kind == "email")):
        return False
    if used.use == "required" and not same:
        return False
    return any(other.verified_at is not None or other.kind == "username" for other in others)


def may_add(owns: Sequence[Own], kind: IdentifierKind, store: IdentityStore) -> bool:
    used = store.used().get(kind)
    count = sum(1 for one in owns if one.kind == kind)
    return used is not None and used.editable and count < (1 if kind == "username" else MOST)


def quarantine(policy: timedelta, revert: timedelta) -> timedelta:
    """As long as the change can be undone nobody else may take what it freed."""
    return max(policy, revert)
