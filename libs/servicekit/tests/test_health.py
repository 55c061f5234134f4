"""REL-12: liveness is the loop's heartbeat alone; readiness is start, schema, own database with hysteresis, no shutdown."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import httpx
import pytest
from devstack.databases import create, drop
from prometheus_client import REGISTRY
from servicekit.clock import Clock, ManualClock
from servicekit.db import Database
from servicekit.process import health as health_module
from servicekit.process.health import DEAD_AFTER_SECONDS, HEARTBEAT_SECONDS, READY_AFTER, UNREADY_AFTER, Health, management_app
from servicekit.process.migrations import migrate
from testkit.cable import Cable
from testkit.records import until


@pytest.fixture(scope="module")
def migrated_dsn(postgres_dsn: str, run_prefix: str) -> Iterator[str]:
    dsn = create(postgres_dsn, run_prefix, ["kit-health"])["kit-health"]
    migrate(dsn, "mfa")
    yield dsn
    drop(postgres_dsn, f"{run_prefix}kit-health")


@pytest.fixture
async def cable(migrated_dsn: str) -> AsyncIterator[Cable]:
    found = Cable(migrated_dsn)
    await found.plug()
    yield found
    await found.cut()


@pytest.fixture
async def health(cable: Cable, monkeypatch) -> AsyncIterator[Health]:
    monkeypatch.setattr(health_module, "CHECK_SECONDS", 0.5)
    db = await Database.connect(cable.dsn, service="mfa", origin="https://id.example", clock=Clock(), pool_size=1)
    found = Health("mfa", db, Clock(), None)
    found.started()
    yield found
    found._disconnect()
    db._pool.terminate()


@pytest.fixture
def wrong_clock(health: Health) -> ManualClock:
    """Of the process that looks."""
    health._clock = ManualClock()
    return health._clock


OUTBOX = "INSERT INTO outbox (topic, subject, aggregateversion, attributes, value, created_at) VALUES ('t', 's', 1, '{}', '', $1)"
WORK = "INSERT INTO work (kind, payload, trace, due_at, failed_at) VALUES ('k', '{}', '{}', $1, $2)"


class Probes:
    def __init__(self, health: Health) -> None:
        self._app = management_app(health)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self._app), base_url="http://management") as client:
            return await client.get(path)

    async def status(self, name: str) -> int:
        return (await self.get(f"/health/{name}")).status_code


@pytest.fixture
async def probes(health: Health):
    before = set(REGISTRY._collector_to_names)
    yield Probes(health)
    for one in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(one)


class TestReady:
    async def test_when_all_holds(self, health, probes):
        assert await probes.status("ready") == 503  # nothing is known yet
        await health.look()
        answer = await probes.get("/health/ready")
        assert answer.status_code == 200
        assert answer.json() == {
            "ready": True,
            "started": True,
            "schema": True,
            "database": True,
            "clock": True,
            "not_stopping": True,
        }

    async def test_not_before_the_start_is_done(self, health, probes):
        health._is_started = False
        await health.look()
        assert await probes.status("ready") == await probes.status("startup") == 503
        health.started()
        assert await probes.status("ready") == await probes.status("startup") == 200

    async def test_not_while_stopping(self, health, probes):
        """REL-11: unready first; alive all the same."""
        await health.look()
        health.stopping()
        assert (await probes.get("/health/ready")).json()["not_stopping"] is False
        assert await probes.status("ready") == 503
        assert await probes.status("live") == 200

    async def test_not_on_an_older_schema(self, kit_dsn, clock):
        """The database of these tests was made without the migrations' own record."""
        db = await Database.connect(kit_dsn, service="mfa", origin="https://id.example", clock=clock)
        health = Health("mfa", db, clock, None)
        health.started()
        await health.look()
        assert health.ready() == {"started": True, "schema": False, "database": True, "clock": True, "not_stopping": True}
        health._disconnect()
        await db.close()

    async def test_kafka_and_peers_are_no_condition(self, health):
        assert set(health.ready()) == {"started", "schema", "database", "clock", "not_stopping"}


class TestDatabaseAway:
    async def test_hysteresis(self, health, probes, cable):
        """Unready after three failed looks, ready after two good ones; never a reason for a restart."""
        await health.look()
        await cable.cut()
        seen = []
        for _ in range(UNREADY_AFTER + 1):
            await health.look()
            seen.append(await probes.status("ready"))
        assert seen == [200] * (UNREADY_AFTER - 1) + [503] * 2
        assert await probes.status("live") == 200
        await cable.plug()
        seen = []
        for _ in range(READY_AFTER + 1):
            await health.look()
            seen.append(await probes.status("ready"))
        assert seen == [503] * (READY_AFTER - 1) + [200] * 2

    async def test_a_flapping_one_changes_nothing(self, health, cable):
        await health.look()
        for _ in range(4):
            await cable.cut()
            for _ in range(UNREADY_AFTER - 1):
                await health.look()
            await cable.plug()
            await health.look()
            assert health.ready()["database"]

    async def test_one_that_does_not_answer_is_away_too(self, health, cable):
        await health.look()
        cable.hold()
        for _ in range(UNREADY_AFTER):
            await asyncio.wait_for(health.look(), 2)
        assert not health.ready()["database"]

    async def test_a_busy_pool_is_load_not_an_outage(self, health):
        """All connections in use: every look still gets its answer."""
        await health.look()
        async with health._db.transaction():
            for _ in range(UNREADY_AFTER + 1):
                await asyncio.wait_for(health.look(), 2)
        assert health.ready()["database"]


class TestClock:
    @pytest.mark.parametrize(("seconds", "believed"), [(0, True), (29, True), (-29, True), (31, False), (-600, False)])
    async def test_compared_with_the_database_s(self, health, wrong_clock, seconds, believed):
        """REL-15, INV-9: above 30 s this process answers nobody."""
        wrong_clock.set_wrong(seconds)
        await health.look()
        assert health.ready()["clock"] is believed
        assert [round(one.samples[0].value) for one in health.collect() if one.name == "latchkey_clock_skew_seconds"] == [seconds]

    async def test_told_once_when_it_begins_and_once_when_it_is_over(self, health, wrong_clock, logged):
        """REL-15: from 2 s on, and whoever reads it knows what follows."""
        for seconds in (1, 1, 3, 3, -40, 0, 0):
            wrong_clock.set_wrong(seconds)
            await health.look()
        found = [(one["level"], one["codes_and_links"]) for one in logged() if one["event"] == "health.clock_skew"]
        assert found == [("warning", "accepted"), ("warning", "refused"), ("info", "accepted")]

    async def test_time_that_a_test_moves_is_no_skew(self, health, wrong_clock):
        wrong_clock.move(86_400)
        await health.look()
        assert health.ready()["clock"]


class TestLive:
    async def test_while_the_loop_beats(self, health, probes):
        task = asyncio.create_task(health.run())
        health._beat -= DEAD_AFTER_SECONDS
        await asyncio.sleep(0)
        assert await probes.status("live") == 200
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert health._connection is None

    async def test_not_when_it_has_stopped(self, health, probes):
        health._beat -= DEAD_AFTER_SECONDS + HEARTBEAT_SECONDS
        assert await probes.status("live") == 503

    async def test_whatever_the_database_does(self, health, probes, cable):
        await health.look()
        assert health.ready()["database"]
        await cable.cut()
        task = asyncio.create_task(health.run())
        await until(lambda: asyncio.sleep(0.05, not health.ready()["database"]))
        assert await probes.status("live") == 200
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class TestMetrics:
    async def test_the_backlog(self, health, probes):
        await health.look()
        await health.measure()
        health.consuming()
        text = (await probes.get("/metrics")).text
        for line in (
            "latchkey_outbox 0.0",
            "latchkey_outbox_age_seconds 0.0",
            "latchkey_parked 0.0",
            "latchkey_work 0.0",
            "latchkey_consuming 1.0",
        ):
            assert line in text

    async def test_oldest_and_what_is_due(self, health, probes):
        """The oldest is the first by its id; what is given up isn't due."""
        await health.look()
        now = health._clock.now()
        async with health._db.transaction() as tx:
            for age in (30, 90):
                await tx.execute(OUTBOX, now - timedelta(seconds=age))
            for due, failed in ((-1, None), (60, None), (-1, now)):
                await tx.execute(WORK, now + timedelta(seconds=due), failed)
        await health.measure()
        async with health._db.transaction() as tx:
            await tx.execute("TRUNCATE outbox, work")
        found = {one.name: one.samples[0].value for one in health.collect()}
        assert (found["latchkey_outbox"], found["latchkey_work"], found["latchkey_work_given_up"]) == (2, 1, 1)
        assert 30 <= found["latchkey_outbox_age_seconds"] < 40

    async def test_counted_no_further_than_it_matters(self, health, probes, monkeypatch):
        monkeypatch.setattr(health_module, "COUNT_LIMIT", 3)
        await health.look()
        async with health._db.transaction() as tx:
            for _ in range(5):
                await tx.execute(OUTBOX, health._clock.now())
        await health.measure()
        async with health._db.transaction() as tx:
            await tx.execute("TRUNCATE outbox")
        assert health._backlog["outbox"] == 3

    async def test_one_that_takes_too_long_says_nothing_about_the_database(self, health, probes, monkeypatch):
        """REL-12: whatever waits, every look gets its answer; and PostgreSQL stops counting, too."""
        monkeypatch.setattr(health_module, "MEASURE_SECONDS", 0.3)
        await health.look()
        async with health._db.transaction() as tx:
            await tx.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
            for _ in range(UNREADY_AFTER + 1):
                await health.look()
                await asyncio.wait_for(health.measure(), 2)
            waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'outbox'::regclass AND NOT granted"
            await until(lambda: tx.fetchval(f"SELECT ({waiting}) = 0"))
        assert await probes.status("ready") == 200

    async def test_counted_beside_the_heartbeat(self, health, probes):
        task = asyncio.create_task(health.run())
        await until(lambda: asyncio.sleep(0, health._backlog and health.ready()["database"]))
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert health._connection is None
