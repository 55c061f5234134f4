"""What numbers cost, the ranges that they lie in, and what is too much of one. Pure functions.

Which may be written to at all, by class and country, is `servicekit.numbers`: identity and recovery say it at the field.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from latchkey_contracts.configuration import NotificationPolicy, PaidChannel
from latchkey_contracts.notifier import Channel
from servicekit.numbers import Land, first
from servicekit.throttle import Limit

from notifier.spending.rules import COST_UNIT


def paid(policy: NotificationPolicy, channel: Channel) -> PaidChannel | None:
    return {"sms": policy.sms, "voice": policy.voice}.get(channel)  # e-mail is free


def cost(channel: PaidChannel, land: Land | None, units: int) -> int:
    """Of `units` segments or calls, in 1/10,000 of the currency."""
    found = first(land.names, channel.prices) if land is not None else None
    return round((channel.price if found is None else channel.prices[found]) * COST_UNIT) * units


# --- who it is for (FRD-6) ---------------------------------------------------------------------------------------------------

# Whoever pumps may type the codes, too: his numbers are proven, and still nobody's whom we know.
NEW_FOR = timedelta(days=1)
Standing = Literal["security", "proven", "known", "stranger"]


def standing(lane: int, proven_at: datetime | None, known: bool, now: datetime) -> Standing:
    """`known`: the number was proven just now, or another address of its account is."""
    if lane == 0:
        return "security"
    if proven_at is not None and proven_at <= now - NEW_FOR:
        return "proven"
    return "known" if known or proven_at is not None else "stranger"


# --- velocity (FRD-4) --------------------------------------------------------------------------------------------------------

# What identity has let through for one number, registrations apart. A minute shorter than identity's own windows, so that nothing is
# refused here because it waited on its way; what comes by other ways (fall-back) is refused.
NUMBER_LIMITS: Mapping[Channel, Sequence[Limit]] = {
    "sms": (Limit(3, 540), Limit(5, 3540), Limit(10, 86340)),
    "voice": (Limit(2, 3540),),
}
# One kind of security notice of one account to one number. More of them wait, and the newest stands for those before it.
NOTICE_LIMITS = (Limit(2, 600), Limit(4, 3600), Limit(8, 86400))
REGISTRATION = frozenset({"activation", "account_exists"})
PREFIX_LIMITS = (Limit(10, 600), Limit(50, 86400))

# --- conversion (FRD-5) ------------------------------------------------------------------------------------------------------

Kind = Literal["prefix", "network", "region"]
KINDS: tuple[Kind, ...] = ("prefix", "network", "region")
# What carries a code or a link that is typed or pressed, so that its use tells whether a person was there.
CODES = frozenset({"activation", "password_reset", "sign_in_code", "sign_in_link", "step_up_code", "factor_code"})
WINDOW = timedelta(days=1)
LASTING = timedelta(days=1)  # an account that is still active then was somebody's
RIPE_AFTER = timedelta(minutes=3)  # a code that nobody has typed by then most likely stays unused
NEWEST = 200  # of a range that are looked at
_FIRST_BLOCK, _LONGEST_BLOCK = timedelta(minutes=15), timedelta(hours=12)
_Z = 1.96  # 95 %


@dataclass(frozen=True)
class Evidence:
    """A range is bad when at least so many codes had their time, and with certainty a smaller share of them than this was used."""

    least: int
    share: float
    of_a_prefix: int  # what one prefix says at most


# The more people a range has, the more must be known against it.
EVIDENCE: Mapping[Kind, Evidence] = {
    "prefix": Evidence(16, 0.2, NEWEST),
    "network": Evidence(16, 0.2, 4),
    "region": Evidence(35, 0.1, 4),
}


@dataclass(frozen=True)
class Ranges:
    """What a number lies in; no number can be told from them."""

    prefix: str
    network: str
    region: str

    @classmethod
    def of(cls, number: str, land: Land) -> "Ranges":
        return cls(number[:-4], land.network, land.region or land.code)

    def names(self) -> dict[str, Kind]:
        return {f"{kind}:{getattr(self, kind)}": kind for kind in KINDS}


def most_used(used: int, sent: int) -> float:
    """Upper bound of Wilson's 95 % interval of used/sent: 0 of 16 gives 0.194, 0 of 35 gives 0.099."""
    if sent == 0:
        return 1.0
    share, square = used / sent, _Z * _Z
    middle, spread = share + square / (2 * sent), _Z * math.sqrt(share * (1 - share) / sent + square / (4 * sent * sent))
    return (middle + spread) / (1 + square / sent)


def is_bad(kind: Kind, used: int, sent: int) -> bool:
    evidence = EVIDENCE[kind]
    return sent >= evidence.least and most_used(used, sent) < evidence.share


def block_for(level: int) -> timedelta:
    """15 minutes, doubled with each level, at most 12 hours."""
    doubled: timedelta = _FIRST_BLOCK * 2 ** min(level, 10)
    return min(doubled, _LONGEST_BLOCK)
