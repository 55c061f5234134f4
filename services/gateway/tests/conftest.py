"""Fixtures of every service's own tests, for the gateway."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet
from testkit.service import clock, db, dsn, keys, wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]


@pytest.fixture(scope="session")
def service() -> str:
    return "gateway"


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
