"""Which rules of an access policy hold at a sign-in, and what follows. Pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time
from ipaddress import IPv4Address, IPv6Address, ip_network
from math import asin, cos, radians, sin, sqrt
from typing import Literal, TypeAlias

from latchkey_contracts.configuration import Rule

Effect: TypeAlias = Literal["skip", "require", "deny"]
# The strongest first.
_PRECEDENCE: tuple[Effect, ...] = ("deny", "require", "skip")
EARTH_KM = 6371.0
FAR_KM, FAST_KM_PER_HOUR = 500, 900


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees, rounded to a tenth: some ten kilometres."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Of one sign-in. None: not known, so nothing that asks for it holds."""

    address: IPv4Address | IPv6Address | None
    country: str | None
    known_device: bool
    improbable_travel: bool | None
    at: time


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule that was looked at; `lacked`: which of its conditions didn't hold."""

    name: str
    effect: Effect
    lacked: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.lacked


@dataclass(frozen=True, slots=True)
class Verdict:
    """`effect` None: no rule holds. `names`: of those that hold and have that effect."""

    effect: Effect | None
    names: tuple[str, ...]
    looked: tuple[Looked, ...]


def judge(rules: Sequence[Rule], now: Circumstances) -> Verdict:
    """Deny beats require beats skip."""
    looked = tuple(Looked(rule.name, rule.effect, lacked(rule, now)) for rule in rules)
    for effect in _PRECEDENCE:
        if names := tuple(one.name for one in looked if one.holds and one.effect == effect):
            return Verdict(effect, names, looked)
    return Verdict(None, (), looked)


def lacked(rule: Rule, now: Circumstances) -> tuple[str, ...]:
    """Of the conditions that are given, those that don't hold."""
    when = rule.when
    holds = {
        "networks": when.networks is not None and _within(now.address, when.networks),
        "countries": when.countries is not None and now.country in when.countries,
        "new_device": when.new_device is not now.known_device,
        "improbable_travel": when.improbable_travel is now.improbable_travel,
        "between": when.between is not None and _between(now.at, *rule.times()),
    }
    return tuple(name for name in when.given if not holds[name])


def _within(address: IPv4Address | IPv6Address | None, networks: Sequence[str]) -> bool:
    return address is not None and any(address in ip_network(one) for one in networks)


def _between(at: time, first: time, last: time) -> bool:
    return first <= at < last if first < last else at >= first or at < last


def improbable(before: Place, then: datetime, here: Place, now: datetime) -> bool:
    """Nobody gets from there to here in that time."""
    distance = kilometres(before, here)
    hours = (now - then).total_seconds() / 3600
    return distance > FAR_KM and (hours <= 0 or distance / hours > FAST_KM_PER_HOUR)


def kilometres(one: Place, other: Place) -> float:
    """Along a great circle (haversine)."""
    lat, other_lat = radians(one.latitude), radians(other.latitude)
    across = radians(other.longitude - one.longitude)
    half = sin((other_lat - lat) / 2) ** 2 + cos(lat) * cos(other_lat) * sin(across / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))
