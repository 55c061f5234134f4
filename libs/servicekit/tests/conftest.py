"""What servicekit's own tests stand on: one PostgreSQL with servicekit's tables, keys, a clock that is moved by hand."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import structlog
from devstack.databases import create, drop
from devstack.infrastructure import Infrastructure
from latchkey_contracts.topics import events_topic
from servicekit import keys as key_files
from servicekit import logging as kit_logging
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.events.kafka import KafkaSettings
from servicekit.keys import Keys
from servicekit.process.migrations import OWN
from testkit.records import create_topic

ORIGIN = "https://id.example"


@pytest.fixture(scope="session")
def kit_dsn(postgres_dsn: str, run_prefix: str) -> Iterator[str]:
    """servicekit's own tables, without those of any service."""
    dsn = create(postgres_dsn, run_prefix, ["kit"])["kit"]
    with psycopg.connect(dsn) as connection:
        for path in sorted(OWN.glob("*.sql")):
            connection.execute(path.read_text())  # type: ignore[arg-type]
    yield dsn
    drop(postgres_dsn, f"{run_prefix}kit")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def keys_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    key_files.init(directory)
    return directory


@pytest.fixture(scope="session")
def keys(keys_dir: Path) -> Keys:
    return Keys(keys_dir)


@pytest.fixture
async def db(kit_dsn: str, clock: ManualClock) -> AsyncIterator[Database]:
    database = await connect(kit_dsn, clock)
    yield database
    await database.close()


@pytest.fixture
async def replica(kit_dsn: str, clock: ManualClock) -> AsyncIterator[Database]:
    """A second process' pool on the same database (THR-5, LNK-6)."""
    database = await connect(kit_dsn, clock)
    yield database
    await database.close()


async def connect(dsn: str, clock: ManualClock) -> Database:
    return await Database.connect(dsn, service="identity", origin=ORIGIN, clock=clock, pool_size=20)


@pytest.fixture
def clean(kit_dsn: str) -> None:
    """Nothing on its way out, come in, parked or to do; no codes typed."""
    with psycopg.connect(kit_dsn) as connection:
        connection.execute("TRUNCATE aggregate_version, outbox, inbox, parked, work, code_tries, code_alarm RESTART IDENTITY")


@pytest.fixture
async def kafka(infrastructure: Infrastructure, run_prefix: str) -> KafkaSettings:
    """A broker with a topic of identity's that is this test's own."""
    prefix = f"{run_prefix}{uuid4().hex[:6]}-"
    await create_topic(infrastructure.kafka_bootstrap, events_topic("identity", prefix), 2)
    return KafkaSettings(infrastructure.kafka_bootstrap, prefix, session_timeout_ms=2000, heartbeat_ms=300)


@pytest.fixture
def logged() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The log lines written since, parsed; each must be one JSON object on one line (LOG-3)."""
    stream = io.BytesIO()
    kit_logging.configure("kit", "INFO", stream=stream)

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in stream.getvalue().decode().splitlines()]

    lines.raw = stream.getvalue  # type: ignore[attr-defined]
    yield lines
    kit_logging.configure("kit", "INFO")
    structlog.reset_defaults()


async def race(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Runs work(0) ... work(count - 1), released at one barrier; exceptions are results."""
    barrier = asyncio.Barrier(count)

    async def one(number: int) -> Any:
        await barrier.wait()
        return await work(number)

    return await asyncio.gather(*(one(number) for number in range(count)), return_exceptions=True)
