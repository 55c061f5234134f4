"""What of a sign-in its owner is told (BRF-4, E9). Pure functions."""

from datetime import datetime, timedelta

from latchkey_contracts.identity import SignInReason

MANY_WRONG = 10  # within the hour before it
LONG_IDLE = timedelta(days=90)
SUSPICIOUS: frozenset[SignInReason] = frozenset({"wrong_passwords", "long_idle"})


def reasons(*, known_device: bool, wrong_before: int, last: datetime | None, now: datetime) -> list[SignInReason]:
    """Empty where it is told to nobody. `last`: of the sign-in before; None: this is the first. A device that was here before is its
    owner's: strangers' guesses are counted apart from it (BRF-3).
    """
    if known_device:
        return []
    found: list[SignInReason] = ["wrong_passwords"] if wrong_before >= MANY_WRONG else []
    if last is not None:
        found += ["long_idle"] if now - last > LONG_IDLE else []
        found += ["new_device"]
    return found
