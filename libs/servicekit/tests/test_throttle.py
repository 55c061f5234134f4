"""THR-1, THR-2, THR-5: the limits to a tenth of a second, for known and unknown alike, over all replicas."""

from collections import Counter
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.throttle import Decision, Limit, Throttle, purge

from .conftest import race

SPACING, HOUR, DAY = Limit(1, 20), Limit(5, 3600), Limit(10, 86400)
MAIL = (SPACING, HOUR, DAY)  # THR-1


@pytest.fixture
def throttle(keys: Keys) -> Throttle:
    return Throttle(keys)


class Recipient:
    def __init__(self, db: Database, throttle: Throttle, limits: tuple[Limit, ...] = MAIL) -> None:
        self.db, self.throttle, self.limits = db, throttle, limits
        self.key = throttle.key("mail", str(uuid4()))

    async def take(self, db: Database | None = None) -> Decision:
        async with (db or self.db).transaction() as tx:
            return await self.throttle.take(tx, [(self.key, self.limits)])

    async def peek(self) -> Decision:
        async with self.db.read() as conn:
            return await self.throttle.peek(conn, [(self.key, self.limits)])


@pytest.fixture
def recipient(db: Database, throttle: Throttle) -> Recipient:
    return Recipient(db, throttle)


class TestSpacing:
    @pytest.mark.parametrize(
        ("seconds", "allowed"), [(0, False), (0.1, False), (19, False), (19.9, False), (20, True), (21, True)]
    )
    async def test_exact_to_a_tenth_of_a_second(self, recipient, clock: ManualClock, seconds, allowed):
        """THR-1: at 19 s refused, at 20 s sent."""
        start = clock.now()
        assert (await recipient.take()).allowed
        clock.move(seconds)
        decision = await recipient.take()
        assert decision.allowed is allowed
        if not allowed:
            assert decision.available_at == start + timedelta(seconds=20)

    async def test_retry_after_is_never_too_early(self, recipient, clock):
        await recipient.take()
        clock.move(0.3)
        refused = await recipient.take()
        assert refused.retry_after_seconds == 20
        clock.move(refused.retry_after_seconds)
        assert (await recipient.take()).allowed

    async def test_a_refused_one_does_not_count(self, recipient, clock):
        """Pressing again does not push the moment away."""
        await recipient.take()
        for _ in range(19):
            clock.move(1)
            assert not (await recipient.take()).allowed
        clock.move(1)
        assert (await recipient.take()).allowed

    async def test_peek_tells_and_does_not_count(self, recipient, clock):
        """ENU-1: `resend` is computed from the submitted identifier alone."""
        assert (await recipient.peek()).allowed
        assert (await recipient.peek()).retry_after_seconds == 0
        await recipient.take()
        for _ in range(3):
            found = await recipient.peek()
            assert (found.allowed, found.available_at) == (False, clock.now() + timedelta(seconds=20))
        clock.move(20)
        assert (await recipient.take()).allowed

    async def test_what_was_counted_tells_when_the_next_may(self, recipient, clock):
        """As a look right after it would; allowed or refused."""
        for _ in range(3):
            assert (await recipient.take()).next_at == (await recipient.peek()).available_at
            clock.move(12)


class TestSeveral:
    """As one after the other, whatever they have in common."""

    async def test_the_same_key_twice(self, recipient, throttle, db):
        other = throttle.key("mail", str(uuid4()))
        wanted = [[(key, MAIL)] for key in (recipient.key, other, recipient.key)]
        async with db.transaction() as tx:
            decisions = await throttle.take_several(tx, wanted)
        assert [one.allowed for one in decisions] == [True, True, False]
        assert decisions[2].available_at == decisions[0].next_at == (await recipient.peek()).available_at

    async def test_a_cap_in_common_runs_out_in_order(self, throttle, db, clock):
        cap = (throttle.key("recipient", str(uuid4())), [Limit(3, 3600)])
        own = [throttle.key("own", str(uuid4())) for _ in range(5)]
        async with db.transaction() as tx:
            decisions = await throttle.take_several(tx, [[(key, [SPACING]), cap] for key in own])
        assert [one.allowed for one in decisions] == [True, True, True, False, False]
        async with db.read() as conn:
            free = [(await throttle.peek(conn, [(key, [SPACING])])).allowed for key in own]
            assert free == [False, False, False, True, True], "a refused one counts nowhere"
            assert (await throttle.peek(conn, [cap])).available_at == clock.now() + timedelta(hours=1)

    async def test_as_one_by_one(self, throttle, db, clock):
        """The same decisions over some minutes, taken together and taken alone."""
        alone, together = ([throttle.key(name, str(uuid4())) for name in "abc"] for _ in range(2))
        order = [0, 1, 0, 2, 2, 1, 0]
        for _ in range(8):
            expected = []
            for number in order:
                async with db.transaction() as tx:
                    expected.append(await throttle.take(tx, [(alone[number], MAIL)]))
            async with db.transaction() as tx:
                found = await throttle.take_several(tx, [[(together[number], MAIL)] for number in order])
            assert found == expected
            clock.move(13)

    async def test_none(self, throttle, db):
        async with db.transaction() as tx:
            assert await throttle.take_several(tx, []) == []


class TestCaps:
    async def test_the_sixth_in_an_hour(self, recipient, clock):
        """THR-1: at most 5 in any hour, and the answer names the moment of the next."""
        start = clock.now()
        for _ in range(5):
            assert (await recipient.take()).allowed
            clock.move(60)
        sixth = await recipient.take()
        assert not sixth.allowed
        assert sixth.available_at == start + timedelta(hours=1)

    async def test_the_edge_of_the_hour_lets_no_burst_through(self, recipient, clock):
        """THR-1: around 59:59/60:01 not 10 in two seconds: a sliding window, no fixed one."""
        clock.move(3600 - 100)
        allowed = 0
        for _ in range(12):
            allowed += (await recipient.take()).allowed
            clock.move(20)
        assert allowed == 5

    async def test_ten_a_day(self, recipient, clock):
        allowed = 0
        for _ in range(47):
            allowed += (await recipient.take()).allowed
            clock.move(1800)
        assert allowed == 10
        clock.move(1800)
        assert (await recipient.take()).allowed

    @pytest.mark.parametrize("limits", [MAIL, (Limit(3, 7),), (Limit(2, 10), Limit(7, 60))])
    async def test_no_window_anywhere_ever_holds_more(self, db, throttle, clock, limits):
        """Against the definition, over a thousand irregular tries."""
        person, taken = Recipient(db, throttle, limits), []
        step = 1
        for _ in range(1000):
            if (await person.take()).allowed:
                taken.append(clock.now())
            step = step * 7 % 61  # without rhythm; on the average 1000 tries pass the longest window twice
            clock.move((step / 10 + 0.1) * max(one.seconds for one in limits) / 1500)
        assert len(taken) > sum(one.count for one in limits) / 2
        for limit in limits:
            for number in range(len(taken) - limit.count):
                assert taken[number + limit.count] - taken[number] >= timedelta(seconds=limit.seconds)


class TestKeys:
    def test_known_and_unknown_look_alike(self, throttle):
        """THR-2: a keyed hash of what was typed, no account in it; parts don't run together."""
        assert throttle.key("mail", "store", "a@b.example") == throttle.key("mail", "store", "a@b.example")
        assert (
            len(
                {
                    throttle.key("mail", "ab"),
                    throttle.key("maila", "b"),
                    throttle.key("mail", "a", "b"),
                    throttle.key("sms", "ab"),
                }
            )
            == 4
        )
        assert len(throttle.key("mail", "\ud800")) == 32

    def test_keyed(self, tmp_path, throttle):
        from servicekit import keys as key_files

        key_files.init(tmp_path)
        assert Throttle(Keys(tmp_path)).key("mail", "a@b.example") != throttle.key("mail", "a@b.example")

    async def test_nothing_typed_is_stored(self, db, throttle):
        async with db.transaction() as tx:
            await throttle.take(tx, [(throttle.key("mail", "canary@b.example"), MAIL)])
            rows = await tx.fetch("SELECT to_jsonb(t)::text AS text FROM throttle t")
        assert not any("canary" in row["text"] for row in rows)

    async def test_separate_buckets(self, db, throttle):
        """THR-3: per identifier and per network; a stranger at one network stops nobody else's."""
        one, two, network = (throttle.key("x", str(uuid4())) for _ in range(3))

        async def take(key: bytes) -> bool:
            async with db.transaction() as tx:
                return (await throttle.take(tx, [(key, [SPACING]), (network, [Limit(3, 60)])])).allowed

        assert [await take(one), await take(one), await take(two)] == [True, False, True]

    async def test_all_or_nothing_over_several_keys(self, db, throttle):
        full, free = throttle.key("x", str(uuid4())), throttle.key("x", str(uuid4()))
        async with db.transaction() as tx:
            await throttle.take(tx, [(full, [SPACING])])
            assert not (await throttle.take(tx, [(full, [SPACING]), (free, [SPACING])])).allowed
            assert (await throttle.peek(tx, [(free, [SPACING])])).allowed


class TestReplicas:
    """THR-5."""

    async def test_a_hundred_at_once_over_two_pools(self, recipient, db, replica):
        results = await race(100, lambda number: recipient.take((db, replica)[number % 2]))
        assert Counter(one.allowed for one in results) == {True: 1, False: 99}

    async def test_a_count_is_exact_under_load(self, db, replica, throttle):
        person = Recipient(db, throttle, (Limit(37, 60),))
        results = await race(100, lambda number: person.take((db, replica)[number % 2]))
        assert Counter(one.allowed for one in results) == {True: 37, False: 63}

    async def test_keys_in_any_order_never_deadlock(self, db, replica, throttle):
        keys = [throttle.key("x", str(uuid4())) for _ in range(4)]

        async def take(number: int) -> bool:
            order = keys[number % 4 :] + keys[: number % 4]
            async with (db, replica)[number % 2].transaction() as tx:
                return (await throttle.take(tx, [(key, [Limit(50, 60)]) for key in order])).allowed

        assert Counter(await race(80, take)) == {True: 50, False: 30}

    async def test_it_survives_a_restart(self, recipient, kit_dsn, clock):
        await recipient.take()
        fresh = await Database.connect(kit_dsn, service="identity", origin="https://id.example", clock=clock)
        assert not (await recipient.take(fresh)).allowed
        await fresh.close()

    async def test_without_its_store_nothing_is_allowed(self, recipient, kit_dsn, clock):
        """Fails closed: the caller gets an error, no decision."""
        cut = await Database.connect(kit_dsn, service="identity", origin="https://id.example", clock=clock)
        await cut.close()
        with pytest.raises(Exception, match="pool is clos"):
            await recipient.take(cut)

    async def test_a_use_case_that_fails_was_not_counted(self, recipient, db):
        with suppress(RuntimeError):
            async with db.transaction() as tx:
                await recipient.throttle.take(tx, [(recipient.key, MAIL)])
                raise RuntimeError
        assert (await recipient.take()).allowed


class TestCleaning:
    async def test_purge_and_forget(self, db, throttle, clock):
        old, fresh = Recipient(db, throttle, (SPACING,)), Recipient(db, throttle)
        await old.take()
        await fresh.take()
        clock.move(21)
        async with db.transaction() as tx:
            await purge(tx)
            left = {row["key"] for row in await tx.fetch("SELECT key FROM throttle")}
            assert old.key not in left
            assert fresh.key in left
            await throttle.forget(tx, [fresh.key])
        assert (await fresh.peek()).allowed

    async def test_old_moments_are_dropped(self, recipient, db, clock):
        for _ in range(30):
            clock.move(86400)
            assert (await recipient.take()).allowed
        async with db.read() as conn:
            assert len(await conn.fetchval("SELECT hits FROM throttle WHERE key = $1", recipient.key)) <= 10
