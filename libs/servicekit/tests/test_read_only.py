"""REL-12: a spell in which the database takes no writes is over for us when it is over for the database."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from devstack.databases import create, drop
from devstack.infrastructure import Infrastructure
from psycopg import sql
from servicekit.clock import Clock
from servicekit.db import Database, DatabaseUnavailable, database_name
from servicekit.events.kafka import KafkaSettings
from servicekit.events.outbox import Relay
from servicekit.events.wakeups import Wakeups
from servicekit.process.health import READY_AFTER, UNREADY_AFTER, Health
from servicekit.process.migrations import migrate
from testkit.records import an_event, until

POOL = 8
WRITE = "INSERT INTO work (kind, payload, trace, due_at) VALUES ('kind', '{}', '{}', $1)"


class Spell:
    """Sessions that begin while it lasts stay read-only for good, as after a failover to a standby."""

    def __init__(self, admin: str, name: str) -> None:
        self._admin, self._name = admin, name

    def _run(self, *statements: str) -> None:
        with psycopg.connect(self._admin, autocommit=True) as connection:
            for one in statements:
                connection.execute(sql.SQL(one).format(sql.Identifier(self._name), sql.Literal(self._name)))  # type: ignore[arg-type]

    def begin(self) -> None:
        end_sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {1} AND pid <> pg_backend_pid()"
        self._run("ALTER DATABASE {0} SET default_transaction_read_only = on", end_sessions)

    def end(self) -> None:
        self._run("ALTER DATABASE {0} RESET default_transaction_read_only")


@pytest.fixture(scope="module")
def dsn(infrastructure: Infrastructure, run_prefix: str) -> Iterator[str]:
    found = create(infrastructure.postgres_dsn, run_prefix, ["kit-read-only"])["kit-read-only"]
    migrate(found, "mfa")
    yield found
    drop(infrastructure.postgres_dsn, f"{run_prefix}kit-read-only")


@pytest.fixture
def spell(infrastructure: Infrastructure, dsn: str) -> Iterator[Spell]:
    found = Spell(infrastructure.postgres_dsn, database_name(dsn))
    yield found
    found.end()


@pytest.fixture
async def db(dsn: str, spell: Spell, kafka: KafkaSettings) -> AsyncIterator[Database]:
    found = await Database.connect(
        dsn, service="identity", origin="https://id.example", clock=Clock(), pool_size=POOL, topic_prefix=kafka.topic_prefix
    )
    yield found
    await found.close()


async def write(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(WRITE, tx.now)


async def read(db: Database) -> None:
    async with db.read() as conn:
        await conn.fetchval("SELECT pg_sleep(0.05)")  # so that each has a session of its own


async def at_once(*all_of_them) -> list[object]:
    return await asyncio.gather(*all_of_them, return_exceptions=True)


async def single(db: Database) -> None:
    async with db.single() as tx:
        await tx.execute(WRITE, tx.now)


@contextlib.asynccontextmanager
async def running(loop) -> AsyncIterator[None]:
    task = asyncio.create_task(loop())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TestPool:
    @pytest.mark.parametrize("use", [write, single])
    async def test_after_it_every_write_works(self, db, spell, use):
        """Also over sessions that only read meanwhile, and idle in the pool since."""
        await at_once(*(read(db) for _ in range(POOL)))
        spell.begin()
        await at_once(*(read(db) for _ in range(POOL)))  # the sessions that were ended say so once
        refused = await at_once(*(use(db) for _ in range(POOL)))
        assert all(isinstance(one, DatabaseUnavailable) for one in refused)
        assert await at_once(*(read(db) for _ in range(POOL))) == [None] * POOL
        spell.end()
        assert await at_once(*(use(db) for _ in range(POOL))) == [None] * POOL

    async def test_a_session_that_failed_is_not_used_again(self, db):
        """Of every error that says the session or its server can't go on."""
        async with db.read() as conn:
            pid = await conn.fetchval("SELECT pg_backend_pid()")
        for error in (OSError, TimeoutError):
            with pytest.raises(error):  # noqa: PT012
                async with db.read() as conn:
                    pid = await conn.fetchval("SELECT pg_backend_pid()")
                    raise error
            async with db.read() as conn:
                assert await conn.fetchval("SELECT pg_backend_pid()") != pid

    async def test_one_whose_statement_was_wrong_is(self, db):
        with pytest.raises(Exception, match="nothing"):  # noqa: PT012
            async with db.read() as conn:
                pid = await conn.fetchval("SELECT pg_backend_pid()")
                await conn.fetchval("SELECT nothing")
        async with db.read() as conn:
            assert await conn.fetchval("SELECT pg_backend_pid()") == pid


class TestHealth:
    async def test_unready_while_it_lasts(self, db, spell):
        health = Health("mfa", db, Clock(), None)
        health.started()
        await health.look()
        assert all(health.ready().values())
        spell.begin()
        for _ in range(UNREADY_AFTER):
            await health.look()
        assert health.ready()["database"] is False
        spell.end()
        for _ in range(READY_AFTER + 1):  # the first finds out that its session is of no use any more
            await health.look()
        assert health.ready()["database"] is True
        health._disconnect()


class TestLoops:
    async def test_the_relay_leads_again(self, db, spell, kafka):
        wakeups = Wakeups(db)
        relay = Relay(db, kafka, wakeups, poll_seconds=0.1)
        spell.begin()
        async with running(relay.run):
            await asyncio.sleep(0.3)
            assert not relay.leading
            spell.end()
            await until(lambda: asyncio.sleep(0, relay.leading))
            async with db.transaction() as tx:
                await tx.emit(an_event())
            async with db.read() as conn:
                await until(lambda: conn.fetchval("SELECT count(*) = 0 FROM outbox"))

    async def test_a_leader_gives_up_before_it_sends(self, db, dsn, kafka, monkeypatch):
        """Rows that can't be deleted would be sent again and again."""
        relay = Relay(db, kafka, Wakeups(db), poll_seconds=0.05)
        sent: list[object] = []
        send = relay._send

        async def noted(rows) -> None:
            sent.extend(rows)
            await send(rows)

        monkeypatch.setattr(relay, "_send", noted)
        async with running(relay.run):
            await until(lambda: asyncio.sleep(0, relay.leading))
            monkeypatch.setattr("servicekit.connection.is_read_only", lambda _raw: True)
            await until(lambda: asyncio.sleep(0, not relay.leading))
            async with db.transaction() as tx:
                await tx.emit(an_event())
            await asyncio.sleep(0.3)
            assert not sent
            monkeypatch.undo()
            async with db.read() as conn:
                await until(lambda: conn.fetchval("SELECT count(*) = 0 FROM outbox"))

    async def test_wakeups_hear_again(self, db, spell, monkeypatch):
        """A side session of the spell isn't kept."""
        monkeypatch.setattr("servicekit.events.wakeups.wait", lambda event, _seconds, wait=asyncio.sleep: wait(0.05))
        spell.begin()
        made: list[object] = []
        dedicated = db.dedicated

        async def noted(**settings: str):
            made.append(settings)
            return await dedicated(**settings)

        monkeypatch.setattr(db, "dedicated", noted)
        async with running(Wakeups(db).run):
            await until(lambda: asyncio.sleep(0, len(made) >= 2))
