"""When a message is tried again, which other way it may go, what it may cost. Pure functions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import phonenumbers
from latchkey_contracts.configuration import NotificationPolicy, PaidChannel
from latchkey_contracts.messages import Contact
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import LANES, TEMPLATES
from phonenumbers import PhoneNumberType

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
# A message may have gone out twice at most, whatever happens (docs/decisions/0004, INV-17, FRD-10).
MAX_ATTEMPTS = 2
# What lives no longer than this is a code alone: it is better not sent than sent late.
SHORT = timedelta(minutes=10)
# A code that had to wait longer than this reaches nobody who still waits for it (REL-9: age p99 5 s).
PATIENCE = timedelta(seconds=4)
# A call rings and is answered, or not; its provider tells within this.
CALL_WATCH = timedelta(seconds=100)
COST_UNIT = 10_000  # amounts are kept in 1/10,000 of the currency
SPENT = "spending_cap"
# Reasons of a suppression after which another way to the same person may be open; the others are an operator's own no.
UNREACHABLE = frozenset({"bounced", "opted_out"})
# Handed on, and no word of its arrival yet.
IN_DOUBT = frozenset({"handed_over", "accepted"})


def delay(tries: int, jitter: float) -> timedelta:
    """1 s, 2 s, 4 s ... 30 s, each times 0.5 to 1 (jitter in 0..1). Short at the long end, so that an outage drains soon after."""
    seconds = min(FIRST_SECONDS * 2.0 ** min(tries - 1, 10), LONGEST_SECONDS)
    return timedelta(seconds=seconds * (0.5 + jitter / 2))


def lane_rooms(room: int, most: int, in_flight: dict[int, int]) -> list[int]:
    """How many of each lane may be taken up. The lower a lane, the less of the channel it may fill, so that a security notice
    finds room however much bulk is on its way (NOT-3).
    """
    rooms = []
    for lane in range(len(LANES)):
        share = most - most * lane // (len(LANES) + 1)
        taken = sum(count for other, count in in_flight.items() if other >= lane)
        rooms.append(max(0, min(room, share - taken)))
    return rooms


def codes_in_time(left: int, over: timedelta | None, least: int) -> int:
    """How many codes may wait so that the last of them still leaves in time, where `left` messages have left within `over`."""
    if over is None:
        return least
    per_second = left / max(over.total_seconds(), 0.25)
    return max(least, int(per_second * PATIENCE.total_seconds()))


def paid(policy: NotificationPolicy, channel: Channel) -> PaidChannel | None:
    return {"sms": policy.sms, "voice": policy.voice}.get(channel)  # e-mail is free


# Whoever has such a number earns by every message to it, or reads none (FRD-2).
_NEVER = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.PAGER,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.TOLL_FREE,
    }
)
_NOWHERE = "001"  # satellites and other networks of no country, which the library takes for mobile phones


@dataclass(frozen=True)
class Land:
    """Where a number belongs: +1 and US. Of a range that no plan knows only the dial code is known."""

    code: str
    region: str | None
    never: bool

    @classmethod
    def of(cls, number: str) -> "Land | None":
        """None: no number."""
        try:
            parsed = phonenumbers.parse(number, None)
        except phonenumbers.NumberParseException:
            return None
        code = parsed.country_code or 0
        region = phonenumbers.region_code_for_number(parsed)
        never = phonenumbers.number_type(parsed) in _NEVER or phonenumbers.region_code_for_country_code(code) == _NOWHERE
        return cls(f"+{code}", region, never)


def against(channel: PaidChannel, land: Land | None) -> str | None:
    """Why this number isn't written to; None: it may be (FRD-1, FRD-2)."""
    if land is None or not {land.code, land.region} & set(channel.countries):
        return "country"
    return "number_class" if land.never else None


def cost(channel: PaidChannel, land: Land | None, units: int) -> int:
    """Of `units` segments or calls, in 1/10,000 of the currency."""
    names = (land.region or "", land.code) if land is not None else ()
    price = next((channel.prices[name] for name in names if name in channel.prices), channel.price)
    return round(price * COST_UNIT) * units


def address(contact: Contact, channel: Channel) -> str | None:
    """Where this person is reached that way."""
    if contact.channel == channel:
        return contact.to
    return next((one.to for one in contact.others if one.channel == channel), None)


@dataclass(frozen=True)
class Way:
    channel: Channel
    to: str


def next_way(policy: NotificationPolicy, template: str, went: Sequence[str], contact: Contact, able: Iterable[str]) -> Way | None:
    """The fall-back after the channels that were tried already, the first of them first (E15)."""
    ways: dict[str, Sequence[Channel]] = {
        "email": policy.fallback.email,
        "sms": policy.fallback.sms,
        "voice": policy.fallback.voice,
    }
    channels = TEMPLATES[template].channels
    for channel in ways[went[0]]:
        if channel not in went and channel in channels and channel in able and (to := address(contact, channel)) is not None:
            return Way(channel, to)
    return None


def masked(channel: Channel, to: str) -> str:
    """As a rep may see it: the first letter of mailbox and domain, the last two digits of a number."""
    if channel != "email":
        return f"{to[:3]}•••{to[-2:]}"
    local, _, domain = to.rpartition("@")
    return f"{local[:1]}•••@{domain[:1]}•••"
