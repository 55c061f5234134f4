"""REL-13: migrations go forward only, once, one job at a time, and never wait long for a table."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from devstack.databases import create, drop
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.process import migrations
from servicekit.process.migrations import directories, migrate, missing, required

TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


@pytest.fixture
def dsn(postgres_dsn: str, run_prefix: str) -> Iterator[str]:
    """A database without any table."""
    name = f"kit-migrations-{uuid4().hex[:6]}"
    yield create(postgres_dsn, run_prefix, [name])[name]
    drop(postgres_dsn, f"{run_prefix}{name}")


@pytest.fixture
def own(tmp_path: Path, monkeypatch) -> Path:
    """The service's own directory, to which a test adds files."""
    monkeypatch.setattr(migrations, "service_directory", lambda _service: tmp_path)
    return tmp_path


def tables(dsn: str) -> set[str]:
    with psycopg.connect(dsn) as connection:
        return {row[0] for row in connection.execute(TABLES)}


class TestMigrate:
    def test_all_then_nothing(self, dsn):
        """Idempotent: the second run finds nothing to do."""
        assert sorted(migrate(dsn, "identity")) == required("identity")
        assert {"outbox", "inbox", "parked", "work", "account"} <= tables(dsn)
        assert migrate(dsn, "identity") == []

    def test_only_what_is_new(self, dsn, own):
        (own / "mine.0001.first.sql").write_text("CREATE TABLE first (id int);")
        assert "mine.0001.first" in migrate(dsn, "mfa")
        (own / "mine.0002.second.sql").write_text("-- depends: mine.0001.first\nALTER TABLE first ADD COLUMN more int;")
        assert migrate(dsn, "mfa") == ["mine.0002.second"]

    def test_one_that_fails_leaves_nothing(self, dsn, own):
        """Each file in a transaction of its own; what is mended is applied the next time."""
        bad = own / "mine.0001.bad.sql"
        bad.write_text("CREATE TABLE half (id int);\nSELECT 1 / 0;")
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(dsn, "mfa")
        assert "half" not in tables(dsn)
        bad.write_text("CREATE TABLE whole (id int);")
        assert migrate(dsn, "mfa")[-1] == "mine.0001.bad"
        assert "whole" in tables(dsn)

    async def test_two_at_once(self, dsn):
        """Two jobs on an empty database: each migration by one of them, and both succeed."""
        found = await asyncio.gather(*(asyncio.to_thread(migrate, dsn, "identity") for _ in range(2)))
        assert sorted(found[0] + found[1]) == required("identity")

    def test_a_job_that_was_killed_blocks_nobody(self, dsn, own):
        """Its lock is gone with its session; nobody has to break it by hand."""
        (own / "mine.0001.slow.sql").write_text("SELECT pg_sleep(60);")
        program = (
            "import sys; from pathlib import Path; from servicekit.process import migrations; "
            "migrations.service_directory = lambda _: Path(sys.argv[2]); migrations.migrate(sys.argv[1], 'mfa')"
        )
        job = subprocess.Popen([sys.executable, "-c", program, dsn, str(own)])
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                asleep = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND pid <> pg_backend_pid() AND datname = current_database()"
                end = time.monotonic() + 15
                while not (found := connection.execute(asleep).fetchone()):
                    assert time.monotonic() < end
                    time.sleep(0.02)
                os.kill(job.pid, signal.SIGKILL)
                connection.execute("SELECT pg_terminate_backend(%s)", found)  # the server notices by itself, later
        finally:
            job.kill()
            job.wait()
        (own / "mine.0001.slow.sql").write_text("SELECT 1;")
        began = time.monotonic()
        assert "mine.0001.slow" in migrate(dsn, "mfa")
        assert time.monotonic() - began < 10

    def test_waits_2_s_at_most_for_a_table(self, dsn, own):
        """A migration that waited for a lock would hold up all who come after it."""
        migrate(dsn, "mfa")
        (own / "mine.0001.alter.sql").write_text("ALTER TABLE work ADD COLUMN more int;")
        with psycopg.connect(dsn) as busy:
            busy.execute("LOCK TABLE work IN ACCESS SHARE MODE")
            began = time.monotonic()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                migrate(dsn, "mfa")
            assert 1.5 < time.monotonic() - began < 6
        assert migrate(dsn, "mfa") == ["mine.0001.alter"]


class TestMissing:
    async def test_until_all_are_applied(self, dsn, own):
        """REL-12: readiness asks it; an older schema is unready, a newer one is fine (expand, then contract)."""
        first = own / "mine.0001.first.sql"
        first.write_text("SELECT 1;")

        async def ask() -> Any:
            db = await Database.connect(dsn, service="mfa", origin="", clock=ManualClock(), pool_size=1)
            async with db.read() as conn:
                found = await missing(conn, "mfa")
            await db.close()
            return found

        assert await ask() == required("mfa")
        await asyncio.to_thread(migrate, dsn, "mfa")
        assert await ask() == []
        second = own / "mine.0002.second.sql"
        second.write_text("SELECT 1;")
        assert await ask() == ["mine.0002.second"]
        await asyncio.to_thread(migrate, dsn, "mfa")
        second.unlink()
        assert await ask() == []


class TestFiles:
    @pytest.mark.parametrize("service", ["identity", "recovery", "mfa", "notifier", "privacy", "gateway"])
    def test_every_id_once(self, service):
        """An id that stood twice would be applied once."""
        assert len(required(service)) == len(set(required(service))) > 0
        assert all(path.is_dir() for path in directories(service)[:1])

    def test_no_such_package(self):
        with pytest.raises(LookupError):
            directories("invented")
