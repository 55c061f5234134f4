"""What fails on demand (`POST /inbox/faults`): the next messages, or all until it is taken back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

CHANNELS = ("email", "sms", "voice")
NAMES = {"email": "Mail", "sms": "SMS", "voice": "Calls"}
UNTIL_CLEARED = "until_cleared"
# Each fault with what a person at the page reads, and with the channels that can have it.
_EVERY = frozenset(CHANNELS)
_PHONE = frozenset({"sms", "voice"})
FAULTS: dict[str, tuple[str, frozenset[str]]] = {
    "temporary": ("try again later (451, 429, 503)", _EVERY),
    "permanent": ("no such recipient (550, 400)", _EVERY),
    "blocked": ("refuses us, not the recipient (554 5.7.1)", frozenset({"email"})),
    "quota": ("our sending limit is reached (550 5.4.5)", frozenset({"email"})),
    "refuse": ("connection refused", _EVERY),
    "time_out": ("no answer", _EVERY),
    "server_error": ("broken server (421, 500)", _EVERY),
    "cut": ("accepted, then cut off", _EVERY),
    "accepted_500": ("accepted, but answered with an error", _EVERY),
    "undelivered": ("accepted, later undelivered", _EVERY),
    "no_receipt": ("accepted, no receipt", _PHONE),
    "unsubscribed": ("the recipient said STOP", frozenset({"sms"})),
    "busy": ("the line is busy", frozenset({"voice"})),
    "no_answer": ("nobody answers", frozenset({"voice"})),
    "answering_machine": ("an answering machine answers", frozenset({"voice"})),
}


class Unfit(ValueError):
    """What was asked is no fault that we know; the text says what would be."""


@dataclass
class _Set:
    channel: str
    fault: str
    provider: str | None
    left: int | None  # None: until cleared

    def fits(self, channel: str, provider: str) -> bool:
        return self.channel == channel and self.provider in {None, provider}


class Faults:
    """Counted faults come in the order in which they were set, before lasting ones."""

    def __init__(self, providers: Mapping[str, Iterable[str]] | None = None) -> None:
        """`providers`: the stand-ins by name, with their channels."""
        self._providers = {name: frozenset(able) for name, able in (providers or {"smtp": ["email"]}).items()}
        self._set: list[_Set] = []

    @property
    def providers(self) -> dict[str, frozenset[str]]:
        return self._providers

    def ask(self, body: Mapping[str, Any]) -> None:
        """What `POST /inbox/faults` says. Raises Unfit."""
        fault, count, channel = body.get("fault"), body.get("count", 1), body.get("channel") or None
        provider = body.get("provider") or None
        if channel is not None and channel not in CHANNELS:
            raise Unfit(f"channel is one of {', '.join(CHANNELS)}")
        if fault == "none":
            self.clear(channel)
            return
        if not isinstance(fault, str) or fault not in FAULTS:
            raise Unfit(f"fault is one of none, {', '.join(FAULTS)}; count 1 to 10000 or {UNTIL_CLEARED}")
        lasts = count == UNTIL_CLEARED
        if isinstance(count, bool) or not (lasts or (str(count).isdecimal() and 1 <= int(count) <= 10_000)):
            raise Unfit(f"count is 1 to 10000 or {UNTIL_CLEARED}")
        self.add(fault, None if lasts else int(count), channel or "email", provider)

    def add(self, fault: str, count: int | None, channel: str = "email", provider: str | None = None) -> None:
        """`count` None: until cleared. Raises Unfit."""
        if channel not in FAULTS[fault][1]:
            raise Unfit(f"{fault} is a fault of {' and '.join(sorted(FAULTS[fault][1]))} only")
        able = sorted(name for name, channels in self._providers.items() if channel in channels)
        if provider is not None and provider not in able:
            raise Unfit(f"no provider {provider} for {channel}; there are: {', '.join(able) or 'none'}")
        if fault == "refuse" and channel != "email" and count is not None:
            # To be refused a connection, the caller must find the port closed; and a closed port hears nobody.
            raise Unfit(f"a closed port can't count who was refused: on {channel}, refuse lasts ({UNTIL_CLEARED})")
        self._set.append(_Set(channel, fault, provider, count))

    def clear(self, channel: str | None = None) -> None:
        self._set = [one for one in self._set if channel not in {None, one.channel}]

    def next(self, channel: str, provider: str) -> str | None:
        found = self._find(channel, provider)
        return found.fault if found is not None else None

    def take(self, channel: str, provider: str) -> str | None:
        """The fault that this message has."""
        found = self._find(channel, provider)
        if found is None:
            return None
        if found.left is not None:
            found.left -= 1
            if found.left == 0:
                self._set.remove(found)
        return found.fault

    def _find(self, channel: str, provider: str) -> _Set | None:
        fitting = [one for one in self._set if one.fits(channel, provider)]
        # A lasting answering machine is a switch of its own: whatever else is on, it is what picks up.
        lasting = [one for one in fitting if one.left is None and one.fault != "answering_machine"]
        return next((one for one in fitting if one.left is not None), lasting[0] if lasting else None)

    def machine(self, provider: str | None = None) -> bool:
        """Does an answering machine pick up, until that is taken back?"""
        return any(
            one.left is None and one.fault == "answering_machine" and (provider is None or one.fits("voice", provider))
            for one in self._set
        )

    def closed(self, provider: str) -> bool:
        """Is the provider's port shut, for all of its channels?"""
        able = self._providers.get(provider, frozenset()) - {"email"}
        return any(one.fault == "refuse" and one.channel in able and one.provider in {None, provider} for one in self._set)

    def described(self) -> list[str]:
        """What is set, for the page."""
        return [
            f"{NAMES[one.channel]}{f' by {one.provider}' if one.provider else ''}: {FAULTS[one.fault][0]}, "
            + ("until cleared" if one.left is None else f"{one.left} to come")
            for one in self._set
        ]

    def __len__(self) -> int:
        return sum(1 if one.left is None else one.left for one in self._set)
