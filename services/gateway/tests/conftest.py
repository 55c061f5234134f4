"""Fixtures of every service's own tests, for the gateway."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from gateway.settings import GatewaySettings
from gateway.wiring import build
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.health import Health
from servicekit.keys import Keys
from servicekit.run import Resources
from servicekit.wakeups import Wakeups
from testkit.service import ORIGIN, clock, db, dsn, keys, wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]


@pytest.fixture(scope="session")
def service() -> str:
    return "gateway"


@pytest.fixture
async def portal(dsn: str, db: Database, keys: Keys, clock: ManualClock, wakeups: Wakeups) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway as it is wired, at https://id.example, with nobody behind it."""
    nowhere = "http://127.0.0.1:9"
    settings = GatewaySettings.model_validate(
        {
            "environment": "test",
            "service_name": "gateway",
            "origin": ORIGIN,
            "postgres_dsn": dsn,
            "kafka_bootstrap": "127.0.0.1:9",
            "http_port": 1,
            "management_port": 2,
            "keys_dir": ".",
            **dict.fromkeys(("identity_url", "recovery_url", "notifier_url"), nowhere),
        }
    )
    health = Health("gateway", db, clock, settings)
    wired = await build(Resources(settings, db, clock, keys, wakeups, settings.kafka(), health, "api"))
    transport = httpx.ASGITransport(app=wired.app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


@pytest.fixture
def asn_file(tmp_path: Path) -> Callable[[dict[str, object]], Path]:
    """Writes a database of autonomous systems: {network: record}; again to the same place."""

    def write(systems: dict[str, object]) -> Path:
        writer = MMDBWriter(6, "ASN", ipv4_compatible=True)
        for network, record in systems.items():
            writer.insert_network(IPSet([network]), record)
        path, part = tmp_path / "asn.mmdb", tmp_path / "asn.part"
        writer.to_db_file(str(part))
        return part.replace(path)

    return write
