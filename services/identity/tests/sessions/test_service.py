"""Sessions that end together, against a real database (SES-4, PWD-6)."""

from identity.sessions import store


class TestRevokeOthers:
    async def test_idle_ones_too(self, customers, clock):
        """PWD-6: their last use may still be on its way from a gateway, and would bring them back."""
        account_id = await customers.join(email="mira@posteo.example", username="mira")
        for caller in (customers.here, customers.elsewhere):
            await customers.sign_in("mira@posteo.example", caller=caller)
            clock.move(1)
        async with customers.db.read() as conn:
            own, other = [row["id"] for row in await store.live(conn, account_id)]
        clock.move(1700)
        used = clock.now()
        clock.move(130)
        await customers.sessions.touch([(own, used)])
        async with customers.db.transaction() as tx:
            assert await customers.sessions.revoke_others(tx, account_id, own, "password_changed") == 0, "none was signed in"
        await customers.sessions.touch([(other, used)])
        async with customers.db.read() as conn:
            assert [row["id"] for row in await store.live(conn, account_id)] == [own]
        assert [one["session_id"] for one in await customers.told("session_revoked")] == [str(other)]

    async def test_live_ones_are_counted(self, customers, clock):
        account_id = await customers.join(email="mira@posteo.example", username="mira")
        for _ in range(3):
            await customers.sign_in("mira@posteo.example")
            clock.move(1)
        async with customers.db.read() as conn:
            own = (await store.live(conn, account_id))[1]["id"]
        async with customers.db.transaction() as tx:
            assert await customers.sessions.revoke_others(tx, account_id, own, "password_changed") == 2
        async with customers.db.read() as conn:
            assert [row["id"] for row in await store.live(conn, account_id)] == [own]
