"""REL-1: state and events in one transaction; `Conn` reads, `Tx` writes and is the only thing that can publish."""

# ruff: noqa: PT012 - that the transaction ends is part of what raises

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts import wire
from latchkey_contracts.identity import SignInFailed
from latchkey_contracts.recovery import ResetCompleted
from servicekit.clock import Clock
from servicekit.context import new_trace, use_trace
from servicekit.db import Conn, Contention, Database, DatabaseUnavailable, Tx, UniqueViolation
from testkit.records import an_event, sample

WRITE = "INSERT INTO work (kind, payload, trace, due_at) VALUES ($1, $2, '{}', $3)"
KINDS = "SELECT kind FROM work ORDER BY id"
OUTBOX = "SELECT * FROM outbox ORDER BY id"

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def signals(db: Database) -> list[str]:
    found: list[str] = []
    db.signal = found.append
    return found


@pytest.fixture
async def narrow(kit_dsn: str) -> AsyncIterator[Database]:
    """One connection: whoever spoils it spoils it for the next."""
    database = await Database.connect(kit_dsn, service="identity", origin="https://id.example", clock=Clock(), pool_size=1)
    yield database
    await database.close()


async def write(tx: Tx, kind: str) -> None:
    await tx.execute(WRITE, kind, {}, tx.now)


async def read(db: Database, sql: str) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch(sql)


async def kinds(db: Database) -> list[str]:
    return [row["kind"] for row in await read(db, KINDS)]


class TestConn:
    async def test_only_reads(self, db):
        """docs/architecture.md: what can't be called can't be forgotten in a transaction."""
        async with db.read() as conn:
            assert not isinstance(conn, Tx)
            for name in ("execute", "executemany", "emit", "savepoint", "on_commit", "signal"):
                assert not hasattr(conn, name)
            assert await conn.fetchval("SELECT 1") == 1
            assert await conn.fetchrow("SELECT 1 WHERE false") is None
        assert isinstance(conn, Conn)


class TestPlans:
    async def test_a_small_table_is_read_by_its_index_too(self, db):
        """It is small until somebody fills it, and the planner hears of that late."""
        async with db.read() as conn:
            plan = await conn.fetchval("EXPLAIN SELECT id FROM work WHERE id = 7")
        assert plan.startswith("Index")

    async def test_nothing_is_compiled(self, db):
        async with db.read() as conn:
            assert await conn.fetchval("SHOW jit") == "off"


class TestTransaction:
    async def test_execute_answers_how_many(self, db):
        async with db.transaction() as tx:
            await tx.executemany(WRITE, [("one", {}, tx.now), ("two", {}, tx.now)])
            assert await tx.execute("UPDATE work SET attempts = 1") == 2
            assert await tx.execute("DELETE FROM work WHERE kind = 'three'") == 0

    async def test_one_moment_for_all_of_it(self, db, clock):
        """REL-15: the moment is the clock's, and the same from the first statement to the last."""
        async with db.transaction() as tx:
            first = tx.now
            clock.move(60)
            assert tx.now == first
        async with db.transaction() as tx:
            assert (tx.now - first).total_seconds() == 60

    async def test_json_comes_back_as_it_went(self, db):
        document = {"name": "Zoë", "count": 1, "nested": [{"a": None}]}
        async with db.transaction() as tx:
            await tx.execute(WRITE, "json", document, tx.now)
            assert await tx.fetchval("SELECT payload FROM work") == document

    async def test_a_cancelled_one_leaves_nothing(self, narrow):
        """REL-16: a client that goes away never leaves half a transaction, nor a spoiled connection."""
        written = asyncio.Event()

        async def use() -> None:
            async with narrow.transaction() as tx:
                await write(tx, "half")
                written.set()
                await tx.fetchval("SELECT pg_sleep(30)")

        task = asyncio.create_task(use())
        await written.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await kinds(narrow) == []
        async with narrow.transaction() as tx:
            await write(tx, "whole")
        assert await kinds(narrow) == ["whole"]

    async def test_more_at_once_than_connections_wait_their_turn(self, narrow):
        async def one(number: int) -> None:
            async with narrow.transaction() as tx:
                await write(tx, str(number))

        await asyncio.gather(*(one(number) for number in range(20)))
        assert await kinds(narrow) == [str(number) for number in range(20)]


class TestEmit:
    async def test_with_the_state_or_not_at_all(self, db):
        """REL-1."""
        with pytest.raises(RuntimeError):
            async with db.transaction() as tx:
                await write(tx, "lost")
                await tx.emit(an_event())
                raise RuntimeError
        assert await kinds(db) == await read(db, OUTBOX) == []
        async with db.transaction() as tx:
            await write(tx, "kept")
            await tx.emit(an_event())
        assert await kinds(db) == ["kept"]
        assert len(await read(db, OUTBOX)) == 1

    async def test_the_record_is_a_cloud_event(self, db, clock):
        """EVT-1, EVT-4, EVT-5."""
        event = sample("latchkey.identity.activation_requested.v1")
        trace = new_trace(correlation_id="story", causation_id="cause", authtype="admin", tenant="default")
        with use_trace(trace):
            async with db.transaction() as tx:
                await tx.emit(event, expirytime=clock.now())
        (row,) = await read(db, OUTBOX)
        assert (row["topic"], row["subject"], row["aggregateversion"]) == (
            "latchkey.identity.events.v1",
            str(event.account_id),
            1,
        )
        assert row["created_at"] == clock.now()
        received = wire.decode(row["value"], wire.headers(row["attributes"]))
        assert received.model_dump() == event.model_dump()
        meta = received.meta
        assert (meta.correlationid, meta.causationid, meta.traceparent) == ("story", "cause", trace.traceparent)
        assert (meta.authtype, meta.tenant, meta.source) == ("admin", "default", "https://id.example/services/identity")
        assert meta.time == meta.expirytime == clock.now()
        assert meta.id.version == 7

    async def test_counts_per_subject(self, db):
        """EVT-4: without gaps, whoever writes; a transaction that fails takes no number."""
        one, other = uuid4(), uuid4()
        for account in (one, other, one):
            async with db.transaction() as tx:
                await tx.emit(an_event(account))
        with pytest.raises(RuntimeError):
            async with db.transaction() as tx:
                await tx.emit(an_event(one))
                raise RuntimeError
        async with db.transaction() as tx:
            await tx.emit(an_event(one))
            await tx.emit(an_event(one))
        found = [(UUID(row["subject"]), row["aggregateversion"]) for row in await read(db, OUTBOX)]
        assert found == [(one, 1), (other, 1), (one, 2), (one, 3), (one, 4)]

    async def test_two_events_at_once_about_one_subject(self, db):
        """EVT-4: the second waits for the first one's commit, so that ids and versions rise together."""
        account = uuid4()

        async def one(number: int) -> None:
            async with db.transaction() as tx:
                await tx.emit(an_event(account))
                await asyncio.sleep(0.001 * (number % 3))

        await asyncio.gather(*(one(number) for number in range(16)))
        assert [row["aggregateversion"] for row in await read(db, OUTBOX)] == list(range(1, 17))

    async def test_every_id_is_another(self, db):
        """EVT-2."""
        event = an_event()
        async with db.transaction() as tx:
            for _ in range(3):
                await tx.emit(event)
        assert len({row["attributes"]["id"] for row in await read(db, OUTBOX)}) == 3

    async def test_nobody_elses_events(self, db):
        """EVT-3: one owner per topic."""
        async with db.transaction() as tx:
            with pytest.raises(ValueError, match="identity may not publish"):
                await tx.emit(ResetCompleted(account_id=uuid4(), flow_id=uuid4(), application="demo"))
        assert await read(db, OUTBOX) == []

    async def test_wakes_the_relay_after_the_commit(self, db, signals):
        async with db.transaction() as tx:
            await tx.emit(an_event())
            assert signals == []
        assert signals == ["outbox"]


class TestOnCommit:
    async def test_sees_what_was_committed(self, db):
        seen: list[asyncio.Task[list[str]]] = []
        async with db.transaction() as tx:
            await write(tx, "there")
            tx.on_commit(lambda: seen.append(asyncio.create_task(kinds(db))))
            assert seen == []
        assert await seen[0] == ["there"]

    async def test_not_for_what_nobody_waits_for(self, db, signals):
        """The relay looks by itself within a second, and takes it along with others."""
        quiet = SignInFailed(account_id=uuid4(), application="demo", reason="credentials_wrong")
        async with db.transaction() as tx:
            await tx.emit(quiet)
        assert signals == []
        assert len(await read(db, OUTBOX)) == 1
        async with db.transaction() as tx:
            await tx.emit(quiet)
            await tx.emit(an_event())
        assert signals == ["outbox"]

    async def test_after_a_single_statement(self, db, signals):
        async with db.single() as tx:
            await write(tx, "one")
            tx.signal("work")
            assert signals == []
        assert signals == ["work"]

    async def test_no_event_without_a_transaction(self, db):
        with pytest.raises(RuntimeError):
            async with db.single() as tx:
                await tx.emit(an_event())
        assert await read(db, OUTBOX) == []

    async def test_not_after_a_rollback(self, db, signals):
        with pytest.raises(RuntimeError):
            async with db.transaction() as tx:
                tx.signal("work")
                raise RuntimeError
        assert signals == []

    async def test_not_when_the_commit_fails(self, db, signals):
        async with db.transaction() as tx:
            await tx.execute(
                "CREATE TABLE deferred (id int PRIMARY KEY, other int REFERENCES deferred DEFERRABLE INITIALLY DEFERRED)"
            )
        try:
            with pytest.raises(Exception, match="deferred_other_fkey"):
                async with db.transaction() as tx:
                    await tx.execute("INSERT INTO deferred VALUES (1, 2)")
                    tx.signal("work")
            assert signals == []
        finally:
            async with db.transaction() as tx:
                await tx.execute("DROP TABLE deferred")


class TestSavepoint:
    async def test_what_is_inside_is_undone_alone(self, db, signals):
        """REL-4: one record's effects, its events and its wake-ups go; the others' stay."""
        account = uuid4()
        async with db.transaction() as tx:
            await write(tx, "before")
            await tx.emit(an_event(account))
            with pytest.raises(RuntimeError):
                async with tx.savepoint():
                    await write(tx, "inside")
                    await tx.emit(an_event(account))
                    tx.signal("work")
                    raise RuntimeError
            await write(tx, "after")
            await tx.emit(an_event(account))
        assert await kinds(db) == ["before", "after"]
        assert [row["aggregateversion"] for row in await read(db, OUTBOX)] == [1, 2]
        assert signals == ["outbox"], "one for all"

    async def test_a_failed_statement_spoils_nothing_outside(self, db):
        async with db.transaction() as tx:
            with pytest.raises(UniqueViolation):
                async with tx.savepoint():
                    await tx.execute("INSERT INTO aggregate_version VALUES ('a', 1)")
                    await tx.execute("INSERT INTO aggregate_version VALUES ('a', 1)")
            await write(tx, "after")
        assert await kinds(db) == ["after"]
        assert await read(db, "SELECT * FROM aggregate_version") == []

    async def test_what_is_left_well_is_kept(self, db, signals):
        async with db.transaction() as tx:
            async with tx.savepoint():
                await write(tx, "inside")
                tx.signal("work")
            assert signals == []
        assert await kinds(db) == ["inside"]
        assert signals == ["work"]


class TestFailures:
    """REL-5: only a real outage may be waited for; anything else is somebody's mistake and waits for ever in vain."""

    @pytest.mark.parametrize("argument", [2**63, "text", object()])
    @pytest.mark.parametrize("how", ["fetch", "fetchrow", "fetchval", "execute", "executemany"])
    async def test_an_argument_that_does_not_fit_is_no_outage(self, db, how, argument):
        async with db.transaction() as tx:
            with pytest.raises(Exception, match="invalid input for query argument") as caught:
                await getattr(tx, how)("SELECT $1::bigint", [(argument,)] if how == "executemany" else argument)
        assert not isinstance(caught.value, (*DatabaseUnavailable, *Contention))

    @pytest.mark.parametrize(
        "state", ["57P01", "57P02", "57P03", "57014", "53100", "53200", "53300", "25006", "08006"], ids=lambda one: f"state-{one}"
    )
    async def test_what_the_server_calls_an_outage(self, db, state):
        """Shut down, crashed, starting, cancelled, disk, memory and connections used up, read only, connection lost."""
        async with db.transaction() as tx:
            with pytest.raises(DatabaseUnavailable):
                async with tx.savepoint():
                    await tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'away' USING ERRCODE = '{state}'; END $$")

    @pytest.mark.parametrize("state", ["40P01", "40001", "55P03"], ids=lambda one: f"state-{one}")
    async def test_what_the_next_try_may_pass(self, db, state):
        async with db.transaction() as tx:
            with pytest.raises(Contention):
                async with tx.savepoint():
                    await tx.execute(f"DO $$ BEGIN RAISE EXCEPTION 'busy' USING ERRCODE = '{state}'; END $$")

    async def test_a_session_that_is_ended_while_it_works(self, db, narrow):
        """A server that is shut down ends what runs; the next use has a new connection."""
        pids = asyncio.Queue[int]()

        async def use() -> None:
            async with narrow.transaction() as tx:
                pids.put_nowait(await tx.fetchval("SELECT pg_backend_pid()"))
                await tx.fetchval("SELECT pg_sleep(30)")

        task = asyncio.create_task(use())
        async with db.transaction() as tx:
            await tx.execute("SELECT pg_terminate_backend($1)", await pids.get())
        with pytest.raises(DatabaseUnavailable):
            await task
        async with narrow.transaction() as tx:
            await write(tx, "again")
        assert await kinds(db) == ["again"]

    async def test_nobody_listens(self):
        with pytest.raises(DatabaseUnavailable):
            await Database.connect("postgresql://x@127.0.0.1:9/x", service="identity", origin="", clock=Clock())
