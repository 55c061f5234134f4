"""What identity's own tests stand on: a real PostgreSQL with identity's migrations, keys, a clock that is moved by hand."""

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

ORIGIN = "https://id.example"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    directory = tmp_path_factory.mktemp("keys")
    key_files.init(directory)
    return Keys(directory)


@pytest.fixture(scope="session")
def identity_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of this worker's own, on the server that the environment names or on an embedded one."""
    admin = os.environ.get("LATCHKEY_POSTGRES_DSN")
    server = None
    if admin is None:
        server = Postgres(tmp_path_factory.mktemp("identity") / "postgres", durable=False)
        server.start()
        admin = server.dsn
    prefix = f"test_{uuid4().hex[:8]}_"
    dsn = databases.create(admin, prefix, ["identity"])["identity"]
    try:
        migrate(dsn, "identity")
        yield dsn
    finally:
        databases.drop(admin, f"{prefix}identity")
        if server is not None:
            server.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def db(identity_dsn: str, clock: ManualClock) -> AsyncIterator[Database]:
    """Identity's database, empty."""
    database = await Database.connect(identity_dsn, service="identity", origin=ORIGIN, clock=clock, pool_size=10)
    async with database.transaction() as tx:
        names = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'")
        await tx.execute("TRUNCATE " + ", ".join(row["tablename"] for row in names))
    yield database
    await database.close()


@pytest.fixture
def wakeups(db: Database) -> Wakeups:
    return Wakeups(db)
