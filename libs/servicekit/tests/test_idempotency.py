"""API-4, E19: one effect and one answer per Idempotency-Key, kept for 24 h and readable by nobody else."""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from pydantic import BaseModel
from servicekit.db import Contention, Database
from servicekit.errors import IdempotencyKeyReused
from servicekit.keys import Keys, init
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency, Replay, purge

from .conftest import race


class Answer(BaseModel):
    id: str
    secret: str = "canary-7f3a"


class Shop:
    """A use case with an effect that can be counted: a row of its own in the table of tries."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self.db, self.idempotency = db, Idempotency(keys)
        self.flow = uuid4()

    async def buy(self, caller: Caller, db: Database | None = None) -> Answer:
        async with (db or self.db).transaction() as tx:
            await self.idempotency.begin(tx, caller)
            await tx.execute("INSERT INTO one_time_tries VALUES ($1, $2, 1)", self.flow, str(uuid4()))
            answer = Answer(id=str(uuid4()))
            await self.idempotency.store(tx, caller, 202, answer)
        return answer

    async def effects(self) -> int:
        async with self.db.read() as conn:
            return await conn.fetchval("SELECT count(*) FROM one_time_tries WHERE flow_id = $1", self.flow)


@pytest.fixture
def shop(db: Database, keys: Keys) -> Shop:
    return Shop(db, keys)


def caller(**more: str) -> Caller:
    return replace(Caller("gateway", idempotency_key=str(uuid4()), fingerprint="body-1"), **more)


class TestOnce:
    async def test_a_repetition_gets_the_first_answer(self, shop):
        mine = caller()
        answer = await shop.buy(mine)
        with pytest.raises(Replay) as again:
            await shop.buy(mine)
        assert (again.value.status, again.value.body) == (202, answer.model_dump())
        assert await shop.effects() == 1

    async def test_another_body_is_refused(self, shop):
        mine = caller()
        await shop.buy(mine)
        with pytest.raises(IdempotencyKeyReused):
            await shop.buy(replace(mine, fingerprint="body-2"))
        assert await shop.effects() == 1

    async def test_twenty_at_once_have_one_effect(self, shop, db, replica):
        """API-4: race(20) over two pools; the others wait and get the stored answer."""
        mine = caller()
        results = await race(20, lambda number: shop.buy(mine, (db, replica)[number % 2]))
        assert Counter(type(one).__name__ for one in results) == {"Answer": 1, "Replay": 19}
        (answer,) = [one for one in results if isinstance(one, Answer)]
        assert all(one.body == answer.model_dump() for one in results if isinstance(one, Replay))
        assert await shop.effects() == 1

    async def test_other_keys_and_no_key_are_other_requests(self, shop):
        await shop.buy(caller())
        await shop.buy(caller())
        for _ in range(2):
            await shop.buy(Caller("gateway"))
        assert await shop.effects() == 4

    async def test_a_failure_is_not_kept(self, shop, db):
        mine = caller()
        with suppress(RuntimeError):
            async with db.transaction() as tx:
                await shop.idempotency.begin(tx, mine)
                raise RuntimeError
        await shop.buy(mine)
        assert await shop.effects() == 1

    async def test_an_answer_that_was_not_stored_is_made_again(self, shop, db):
        """A wrong try is committed without an answer: asked again, it is tried again."""
        mine = caller()
        async with db.transaction() as tx:
            await shop.idempotency.begin(tx, mine)
        await shop.buy(mine)
        assert await shop.effects() == 1

    async def test_a_twin_does_not_wait_for_ever(self, shop, db):
        """After 2 s (lock_timeout) it is told to come again; HTTP makes 503 of it."""
        mine = caller()
        async with db.transaction() as tx:
            await shop.idempotency.begin(tx, mine)
            with pytest.raises(Contention):
                await asyncio.wait_for(shop.buy(mine), 4)


class TestKept:
    async def test_nothing_to_say_is_an_answer_too(self, shop, db):
        """Of a 204."""
        mine = caller()
        async with db.transaction() as tx:
            await shop.idempotency.begin(tx, mine)
            await shop.idempotency.store(tx, mine, 204, None)
        async with db.read() as conn:
            with pytest.raises(Replay) as again:
                await shop.idempotency.recall(conn, mine)
        assert (again.value.status, again.value.body) == (204, None)

    async def test_for_24_hours(self, shop, clock):
        mine = caller()
        await shop.buy(mine)
        clock.move(86400 - 1)
        with pytest.raises(Replay):
            await shop.buy(mine)
        clock.move(2)
        await shop.buy(mine)
        assert await shop.effects() == 2

    async def test_purge(self, shop, db, clock):
        await shop.buy(caller())
        clock.move(86401)
        await shop.buy(caller())
        async with db.transaction() as tx:
            await purge(tx)
            assert await tx.fetchval("SELECT min(created_at) >= $1 FROM idempotency", clock.now())

    async def test_nothing_readable_at_rest(self, shop, db):
        """Canary rule: neither the answer nor the key of the request is in the table."""
        mine = caller()
        await shop.buy(mine)
        async with db.read() as conn:
            rows = await conn.fetch("SELECT to_jsonb(t)::text AS text FROM idempotency t")
        for canary in ("canary-7f3a", mine.idempotency_key, "body-1"):
            for spelling in (canary, canary.encode().hex()):
                assert not any(spelling in row["text"] for row in rows)

    async def test_an_answer_belongs_to_its_key(self, shop, db):
        """Swapping stored answers between rows is noticed (AES-GCM, bound to the row)."""
        mine, other = caller(), caller()
        await shop.buy(mine)
        await shop.buy(other)
        async with db.transaction() as tx:
            mine_key, other_key = (shop.idempotency._row_key(one.idempotency_key) for one in (mine, other))
            await tx.execute(
                "UPDATE idempotency SET answer = (SELECT answer FROM idempotency WHERE key = $2) WHERE key = $1",
                mine_key,
                other_key,
            )
        with pytest.raises(IdempotencyKeyReused):
            await shop.buy(mine)

    async def test_after_the_key_file_was_replaced_all_is_new(self, shop, db, tmp_path):
        mine = caller()
        await shop.buy(mine)
        init(tmp_path)
        fresh = Shop(db, Keys(tmp_path))
        await fresh.buy(mine)
        assert await fresh.effects() == 1
