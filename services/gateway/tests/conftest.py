"""Fixtures of every service's own tests, for the gateway."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from gateway.settings import GatewaySettings
from gateway.wiring import build
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import AccessPolicy, Application, IdentityStore, SelfServicePolicy
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.keys import Keys
from servicekit.process.health import Health
from servicekit.process.run import Resources
from testkit.service import ORIGIN, clock, connected, db, dsn, keys, wakeups

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]


@pytest.fixture(scope="session")
def service() -> str:
    return "gateway"


PEERS = ("identity", "recovery", "mfa", "notifier")
TRIES = 12  # that one network may do in a minute


@pytest.fixture
def configured(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """What a section has other than its defaults, by its kind; a test is parametrized with it, indirectly."""
    return getattr(request, "param", {})


async def configure(db: Database, differs: Mapping[str, dict[str, Any]] | None = None) -> None:
    """One application, `demo`, as identity would have published it."""
    other = {"self_service_policy": {}, "access_policy": {}} | dict(differs or {})
    parts = {
        "store": IdentityStore(name="Default"),
        "self_service_policy": SelfServicePolicy(name="Default", **other["self_service_policy"]),
        "access_policy": AccessPolicy(name="Default", **other["access_policy"]),
        "application": Application(
            slug="demo", brand=Brand(name="Elmstead", brand="#0b3d45"), languages=["en", "ar", "de", "es", "fr"]
        ),
    }
    async with db.transaction() as tx:
        for kind, part in parts.items():
            name = part.slug if isinstance(part, Application) else part.name
            await tx.execute(
                "INSERT INTO configuration_copy (kind, id, name, version, content) VALUES ($1, $2, $3, 1, $4)",
                kind, part.id, name, part.model_dump(mode="json"),
            )  # fmt: skip


@pytest.fixture
async def portal(
    dsn: str, db: Database, keys: Keys, clock: ManualClock, wakeups: Wakeups, configured: dict[str, dict[str, Any]]
) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway as it is wired, at https://id.example, with one application and nobody behind it."""
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
            "tries_per_minute": TRIES,
            # Nobody is there; each by an address of its own, so that who plays one knows which it is.
            **{f"{name}_url": f"http://127.0.0.{place}:9" for place, name in enumerate(PEERS, 1)},
        }
    )
    health = Health("gateway", db, clock, settings)
    await configure(db, configured)
    wired = await build(Resources(settings, db, clock, keys, wakeups, settings.kafka(), health, "api"))
    for start in wired.on_start:
        await start()
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
