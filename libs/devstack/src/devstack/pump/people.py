"""Who asks for text messages, when, and what they do with the code. Pure; the same seed gives the same people and days."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

HOUR = 3600.0
# Networks of three countries, each with how many digits follow.
NETWORKS = (("+4915112", 6), ("+4917645", 6), ("+4916071", 6), ("+12134", 6), ("+13104", 6), ("+447412", 6), ("+447590", 6))
HONEST_PER_HOUR, HONEST_TYPE = 8, 0.6
CUSTOMERS_PER_HOUR = 4


@dataclass(frozen=True)
class Try:
    """At so many seconds somebody registers with this number and, if `types`, enters the code. `again`: asks for a reset of it.

    `honest`: a stranger who begins an account; `customer`: one whose number was proven days ago, with a new password to set.
    """

    at: float
    number: str
    types: bool = False
    again: bool = False
    honest: bool = False
    customer: bool = False


def anywhere(random: Random) -> str:
    prefix, digits = random.choice(NETWORKS)
    return f"{prefix}{random.randrange(10**digits):0{digits}d}"


def honest(hours: float, random: Random) -> Iterator[Try]:
    """Six of ten type their code."""
    for _ in range(round(hours * HONEST_PER_HOUR)):
        yield Try(random.uniform(0, hours * HOUR), anywhere(random), types=random.random() < HONEST_TYPE, honest=True)


def customers(hours: float, seed: int) -> list[str]:
    """The numbers of those who have an account already, whatever day it is."""
    random = Random(f"customers{seed}")  # noqa: S311 - a simulation
    found: set[str] = set()
    while len(found) < round(hours * CUSTOMERS_PER_HOUR):
        found.add(anywhere(random))
    return sorted(found)


def slow(hours: float, random: Random) -> Iterator[Try]:
    """Ten minutes between two, in one range, so that no velocity is noticed."""
    for place in range(round(hours * 6)):
        yield Try(place * 600.0, f"+49152284{random.randrange(10**5):05d}")


def fast(hours: float, random: Random) -> Iterator[Try]:
    """Each hour as many consecutive numbers as go within minutes."""
    for hour in range(max(round(hours), 1)):
        begin = random.randrange(10**6)
        for place in range(90):
            yield Try(hour * HOUR + place * 2.0, f"+4915735{(begin + place) % 10**6:06d}")


def distributed(hours: float, random: Random) -> Iterator[Try]:
    """Over fifty ranges of three countries."""
    ranges = [anywhere(random)[:-4] for _ in range(50)]
    for place in range(round(hours * 60)):
        yield Try(place * 60.0, f"{random.choice(ranges)}{random.randrange(10**4):04d}")


def entering(hours: float, random: Random) -> Iterator[Try]:
    """He owns the numbers: he types every code, and then asks for resets of the accounts."""
    own: list[str] = []
    for place in range(round(hours * 30)):
        at = place * 120.0
        if own and place % 3 == 2:
            yield Try(at, random.choice(own), again=True)
        else:
            own.append(anywhere(random))
            yield Try(at, own[-1], types=True)


Person = Callable[[float, Random], Iterator[Try]]
ATTACKERS: dict[str, Person] = {"slow": slow, "fast": fast, "distributed": distributed, "entering": entering}


def day(attacker: str | None, hours: float, seed: int) -> list[Try]:
    """Of this attacker, if any, and of honest people beside him: strangers, and each customer once."""
    # Other people each day: whoever comes again has an account by then.
    tries = list(honest(hours, Random(f"honest beside {attacker}{seed}")))  # noqa: S311 - a simulation
    moments = Random(f"customers beside {attacker}{seed}")  # noqa: S311 - a simulation
    tries += [Try(moments.uniform(0, hours * HOUR), one, customer=True) for one in customers(hours, seed)]
    if attacker is not None:
        tries += ATTACKERS[attacker](hours, Random(f"{attacker}{seed}"))  # noqa: S311 - a simulation
    return sorted(tries, key=lambda one: one.at)
