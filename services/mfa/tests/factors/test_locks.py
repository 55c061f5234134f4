"""INV-3: a code is used up while the work behind its factor's activation waits for the same factor; neither stands in the other's way."""

import asyncio

from mfa.factors import store
from testkit.records import until


async def test_a_code_beside_an_activation(desk):
    added = await desk.enrol()
    account_id = desk.mira.account_id
    holds = asyncio.Event()

    async def activating() -> None:
        async with desk.db.transaction() as tx:
            await store.lock_holder(tx, account_id)
            holds.set()
            await store.lock(tx, added.id, account_id)

    async def waits() -> bool:
        async with desk.db.read() as conn:
            blocked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            return bool(await conn.fetchval(blocked))

    async with desk.db.transaction() as tx:
        assert await store.use_step(tx, added.id, 2**40)
        behind = asyncio.create_task(activating())
        await holds.wait()
        await until(waits)
        await store.used(tx, added.id)
    await behind
