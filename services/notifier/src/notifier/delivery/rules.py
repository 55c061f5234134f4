"""When a message is tried again, and which other way it may go. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.messages import Contact
from latchkey_contracts.notifier import Channel
from latchkey_contracts.templates import LANES, TEMPLATES

from .states import State

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 30.0
# A message may have gone out twice at most, whatever happens (docs/decisions/0004, INV-17, FRD-10).
MAX_ATTEMPTS = 2
# What lives no longer than this is a code alone: it is better not sent than sent late.
SHORT = timedelta(minutes=10)
# A code that had to wait longer than this reaches nobody who still waits for it (REL-9: age p99 5 s).
PATIENCE = timedelta(seconds=4)
# A call rings and is answered, or not; its provider tells within this.
CALL_WATCH = timedelta(seconds=100)
# Reasons of a suppression after which another way to the same person may be open; the others are an operator's own no.
UNREACHABLE = frozenset({"bounced", "opted_out"})
# Handed on, and no word of its arrival yet.
IN_DOUBT: frozenset[State] = frozenset({"handed_over", "accepted"})
# A provider has or had it.
HANDED_ON: frozenset[State] = frozenset({"handed_over", "accepted", "delivered", "failed"})
# No provider has said that it has it.
OURS: frozenset[State] = frozenset({"queued", "sending", "submitting"})
# What may become of a message, state by state. A bounce, and only that, takes back even `delivered`.
FOLLOWS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"sending", "handed_over", "failed", "suppressed", "expired"}),
    "sending": frozenset({"queued", "submitting", "handed_over", "failed", "suppressed", "expired"}),
    "submitting": frozenset({"queued", "sending", "handed_over", "failed", "suppressed", "expired"}),
    "handed_over": frozenset({"accepted", "failed", "delivered"}),
    "accepted": frozenset({"failed", "delivered"}),
    "failed": frozenset({"delivered"}),  # said by a provider that had given it up; a bounce is final
    "delivered": frozenset(),
    "suppressed": frozenset(),
    "expired": frozenset(),
}


def may_follow(now: State, then: State, *, bounced: bool = False) -> bool:
    """Whether a message may come from one state to the other. `bounced`: its last server knows best."""
    return then in FOLLOWS[now] or (bounced and now == "delivered" and then == "failed")


def heeded(now: State, receipt: State, *, bounced: bool = False) -> bool:
    """Whether a receipt still moves a message; of what is ours nobody else can tell."""
    return now not in OURS and may_follow(now, receipt, bounced=bounced)


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


def address(contact: Contact, channel: Channel) -> str | None:
    """Where this person is reached that way."""
    if contact.channel == channel:
        return contact.to
    return next((other.to for other in contact.others if other.channel == channel), None)


@dataclass(frozen=True)
class Way:
    channel: Channel
    to: str


def next_way(
    policy: NotificationPolicy, template: str, went: Sequence[Channel], contact: Contact, able: Iterable[str]
) -> Way | None:
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
