"""What one service's own tests stand on: a real PostgreSQL with its migrations, keys, a clock that is moved by hand.

A service's conftest.py says `from testkit.service import *` and which service it is, by the fixture `service`.
"""

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from devstack import databases
from devstack.postgres import Postgres
from servicekit import keys as key_files
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.migrations import migrate
from servicekit.wakeups import Wakeups

__all__ = ["clock", "db", "dsn", "keys", "wakeups"]
ORIGIN = "https://id.example"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    directory = tmp_path_factory.mktemp("keys")
    key_files.init(directory)
    return Keys(directory)


@pytest.fixture(scope="session")
def dsn(tmp_path_factory: pytest.TempPathFactory, service: str) -> Iterator[str]:
    """A database of this worker's own, on the server that the environment names or on an embedded one."""
    admin = os.environ.get("LATCHKEY_POSTGRES_DSN")
    server = None
    if admin is None:
        server = Postgres(tmp_path_factory.mktemp(service) / "postgres", durable=False)
        server.start()
        admin = server.dsn
    prefix = f"test_{uuid4().hex[:8]}_"
    found = databases.create(admin, prefix, [service])[service]
    try:
        migrate(found, service)
        yield found
    finally:
        databases.drop(admin, f"{prefix}{service}")
        if server is not None:
            server.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def db(dsn: str, service: str, clock: ManualClock) -> AsyncIterator[Database]:
    """The service's database, empty."""
    database = await Database.connect(dsn, service=service, origin=ORIGIN, clock=clock, pool_size=10)
    async with database.transaction() as tx:
        names = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'")
        await tx.execute("TRUNCATE " + ", ".join(row["tablename"] for row in names))
    yield database
    await database.close()


@pytest.fixture
def wakeups(db: Database) -> Wakeups:
    return Wakeups(db)
