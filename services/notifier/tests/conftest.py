"""What the notifier's own tests stand on: a real PostgreSQL with its migrations, keys, a clock that is moved by hand."""

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from devstack import databases
from devstack.postgres import Postgres
from latchkey_contracts.configuration import Application, IdentityStore, SelfServicePolicy
from servicekit import keys as key_files
from servicekit.clock import ManualClock
from servicekit.configuration import Configuration
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.migrations import migrate

APPLICATION = {
    "slug": "demo",
    "brand": {
        "name": "Elmstead Energy",
        "short_name": "Elmstead",
        "brand": "#0b3d45",
        "sender_address": "account@elmstead.example",
    },
    "languages": ["en", "ar", "de", "es", "fr"],
    "timezone": "Europe/Berlin",
}


@pytest.fixture
def application() -> Application:
    return Application.model_validate(APPLICATION)


@pytest.fixture
def configuration() -> Configuration:
    found = Configuration()
    store, policy = IdentityStore(name="Default"), SelfServicePolicy(name="Default")
    found.replace({"Default": store.model_dump(mode="json")}, {"Default": policy.model_dump(mode="json")}, {"demo": APPLICATION})
    return found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    directory = tmp_path_factory.mktemp("keys")
    key_files.init(directory)
    return Keys(directory)


@pytest.fixture(scope="session")
def notifier_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database of this worker's own, on the server that the environment names or on an embedded one."""
    admin = os.environ.get("LATCHKEY_POSTGRES_DSN")
    server = None
    if admin is None:
        server = Postgres(tmp_path_factory.mktemp("notifier") / "postgres", durable=False)
        server.start()
        admin = server.dsn
    prefix = f"test_{uuid4().hex[:8]}_"
    dsn = databases.create(admin, prefix, ["notifier"])["notifier"]
    try:
        migrate(dsn, "notifier")
        yield dsn
    finally:
        databases.drop(admin, f"{prefix}notifier")
        if server is not None:
            server.stop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def db(notifier_dsn: str, clock: ManualClock) -> AsyncIterator[Database]:
    """The notifier's database, empty."""
    database = await Database.connect(notifier_dsn, service="notifier", origin="https://id.example", clock=clock, pool_size=10)
    async with database.transaction() as tx:
        names = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%'")
        await tx.execute("TRUNCATE " + ", ".join(row["tablename"] for row in names))
    yield database
    await database.close()
