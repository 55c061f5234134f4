"""What one service's own tests stand on: a real PostgreSQL with its migrations, keys, a clock that is moved by hand.

A service's conftest.py says `from testkit.service import *` and which service it is, by the fixture `service`.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from uuid import uuid4

import pytest
from devstack import databases
from servicekit import keys as key_files
from servicekit.clock import ManualClock
from servicekit.context import new_trace
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.events.work import AskFirst, WorkHandler
from servicekit.keys import Keys
from servicekit.process.migrations import migrate

__all__ = ["clock", "connected", "db", "dsn", "keys", "wakeups"]
ORIGIN = "https://id.example"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    directory = tmp_path_factory.mktemp("keys")
    key_files.init(directory)
    return Keys(directory)


@pytest.fixture(scope="session")
def dsn(postgres_dsn: str, service: str) -> Iterator[str]:
    """A database of this worker's own."""
    prefix = f"test_{uuid4().hex[:8]}_"
    found = databases.create(postgres_dsn, prefix, [service])[service]
    try:
        migrate(found, service)
        yield found
    finally:
        databases.drop(postgres_dsn, f"{prefix}{service}")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
async def connected(dsn: str, service: str) -> AsyncIterator[Database]:
    """One pool for all tests: what its sessions have learnt of types and statements need not be asked again for each."""
    database = await Database.connect(dsn, service=service, origin=ORIGIN, clock=ManualClock(), pool_size=10)
    yield database
    await database.close()


@pytest.fixture
async def db(connected: Database, clock: ManualClock) -> Database:
    """The service's database, empty."""
    connected.clock, connected.signal = clock, lambda _name: None
    async with connected.transaction() as tx:
        names = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'")
        # TRUNCATE makes all files of all tables anew, however little is in them. In one statement no order matters.
        deleted = ", ".join(f"of_{number} AS (DELETE FROM {row['tablename']})" for number, row in enumerate(names))  # noqa: S608
        await tx.execute(f"WITH {deleted} SELECT")
    return connected


@pytest.fixture
def wakeups(db: Database) -> Wakeups:
    return Wakeups(db)


async def work_due(db: Database, handlers: Mapping[str, WorkHandler]) -> None:
    """Does what is due, and what follows from it, as the worker does: each is asked for first, outside of any transaction."""
    while True:
        async with db.transaction() as tx:
            rows = await tx.fetch("DELETE FROM work WHERE due_at <= $1 RETURNING kind, payload", tx.now)
        if not rows:
            return
        for row in rows:
            handler = handlers[row["kind"]]
            assert isinstance(handler, AskFirst)
            items = [(new_trace(), row["payload"])]
            answer = await handler.ask(items)
            async with db.transaction() as tx:
                await handler.run(tx, items, answer)
