"""THR-1, THR-3: what one network may, its autonomous system, an application, and everybody together; exact over all gateways."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from gateway.limits.asn import open_asn
from gateway.limits.service import Kind, Limits, NetworkLimit, Rates
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.errors import Overloaded, ServiceError
from servicekit.keys import Keys
from servicekit.process.purges import purges
from servicekit.throttle import Throttle
from testkit.service import ORIGIN

# Starts in a minute: 10 a network, 30 a system, 50 an application, 70 in all; tries twice as many.
RATES = Rates(starts=10, tries=20, asn=3, application=5, all=7)
SYSTEMS = {f"192.0.{number}.0/24": {"autonomous_system_number": 64500 + number // 10} for number in range(40)}


class Gateways:
    """Two of them on one database."""

    def __init__(self, *limits: Limits) -> None:
        self.limits = limits
        self.turn = 0

    async def ask(self, address: str, application: str | None = "demo", kind: Kind = "start") -> type[ServiceError] | None:
        self.turn += 1
        try:
            await self.limits[self.turn % len(self.limits)].check(kind, address, application)
        except ServiceError as error:
            self.seconds = error.extra["retry_after_seconds"]
            return type(error)
        return None

    async def ask_all(self, addresses: list[str], application: str | None = "demo") -> Counter[type[ServiceError] | None]:
        """At once."""
        return Counter(await asyncio.gather(*(self.ask(one, application) for one in addresses)))


@pytest.fixture
async def gateways(
    db: Database, dsn: str, keys: Keys, clock: ManualClock, asn_file: Callable[[dict[str, object]], Path]
) -> AsyncIterator[Gateways]:
    other = await Database.connect(dsn, service="gateway", origin=ORIGIN, clock=clock, pool_size=4)
    systems = open_asn(asn_file(dict(SYSTEMS)))
    yield Gateways(*(Limits(one, Throttle(keys), RATES, systems) for one in (db, other)))
    await other.close()


def addresses(system: int, count: int) -> list[str]:
    """Of one autonomous system, each network twice."""
    return [f"192.0.{system * 10 + number % 10}.{number // 20}" for number in range(count)]


async def test_a_network(gateways: Gateways) -> None:
    """THR-3: ten, whatever they ask for; another network and another kind go on."""
    assert await gateways.ask_all(["203.0.113.7"] * 15) == {None: 10, NetworkLimit: 5}
    assert 1 <= gateways.seconds <= 60
    assert await gateways.ask("203.0.113.8") is None
    assert await gateways.ask("203.0.113.7", kind="try") is None


async def test_an_autonomous_system(gateways: Gateways) -> None:
    """THR-1: thirty, from however many networks; another system, and an address of no known one, go on."""
    assert await gateways.ask_all(addresses(0, 40)) == {None: 30, NetworkLimit: 10}
    assert await gateways.ask(addresses(1, 1)[0]) is None
    assert await gateways.ask("203.0.113.8") is None


async def test_what_others_are_told_of_it(gateways: Gateways) -> None:
    """FRD-4: the number alone, and of an address that is in no system nothing."""
    limits = gateways.limits[0]
    assert limits.system_of(addresses(1, 1)[0]) == 64501
    assert limits.system_of("198.51.100.7") is None


async def test_an_application(gateways: Gateways) -> None:
    """THR-1: fifty, from whatever systems; another application goes on."""
    several = [address for system in range(4) for address in addresses(system, 15)]
    assert await gateways.ask_all(several) == {None: 50, Overloaded: 10}
    assert await gateways.ask("203.0.113.8", "other") is None


async def test_everybody(gateways: Gateways) -> None:
    """THR-1: seventy over all applications."""
    several = [(address, system) for system in range(4) for address in addresses(system, 20)]
    answers = Counter([await gateways.ask(address, f"app-{system}") for address, system in several])
    assert answers == {None: 70, Overloaded: 10}
    assert gateways.seconds >= 1
    assert await gateways.ask("203.0.113.8", None) is Overloaded


async def test_room_comes_back_steadily(gateways: Gateways, clock: ManualClock) -> None:
    """THR-1: no edge at which twice as many pass: half of the minute gives half of them back, and no rest accumulates."""
    several = addresses(0, 30)
    assert await gateways.ask_all(several) == {None: 30}
    clock.move(30)
    assert await gateways.ask_all(addresses(0, 30)) == {None: 15, NetworkLimit: 15}
    clock.move(3600)
    assert await gateways.ask_all(addresses(0, 40)) == {None: 30, NetworkLimit: 10}


async def test_what_was_refused_isnt_counted(gateways: Gateways, clock: ManualClock) -> None:
    """Whoever insists waits no longer for it."""
    await gateways.ask_all(addresses(0, 30))
    for _ in range(5):
        await gateways.ask_all(addresses(0, 30))
    clock.move(2)
    assert await gateways.ask("192.0.9.99") is None


async def test_what_its_network_refuses_counts_nowhere_else(gateways: Gateways) -> None:
    """One network alone fills neither its system nor the application."""
    await gateways.ask_all(["192.0.1.1"] * 100)
    assert await gateways.ask_all(addresses(0, 20)[2:]) == {None: 18}


async def test_a_clock_that_is_behind_gives_nothing_back(gateways: Gateways, clock: ManualClock) -> None:
    """REL-15."""
    await gateways.ask_all(addresses(0, 30))
    clock.move(-5)
    assert await gateways.ask("192.0.9.99") is NetworkLimit


async def test_an_empty_house_is_kept_clean(gateways: Gateways, db: Database, clock: ManualClock) -> None:
    await gateways.ask_all(addresses(0, 30))
    clock.move(2 * 3600)
    await gateways.limits[0].purge()
    for _, _, purge in purges(db):
        await purge()
    async with db.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM wide_limit") == 0
        assert await conn.fetchval("SELECT count(*) FROM throttle") == 0
