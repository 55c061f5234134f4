"""Activation against a real database: what of an attempt becomes the account's (D32, REG-3)."""

from typing import Any

from latchkey_contracts.http.sign_in import RequiredActionRequest

TAKEN = {"phone": "+49 341 5550141", "username": "mira"}


async def kinds(customers: Any, account_id: Any) -> set[str]:
    async with customers.db.read() as conn:
        rows = await conn.fetch("SELECT kind FROM identifier WHERE account_id = $1", account_id)
    return {row["kind"] for row in rows}


class TestTaken:
    async def test_number_is_dropped_and_asked_for_by_nobody(self, customers, clock):
        """D32: nothing at sign-in could give another number, so nothing there may wait for one."""
        await customers.join(email="mira@posteo.example", **TAKEN)
        clock.move(30)
        account_id = await customers.join(email="other@posteo.example", phone="+49 (341) 555-0141", username="other")
        assert await kinds(customers, account_id) == {"email", "username"}
        assert (await customers.sign_in("other@posteo.example")).status == "complete"

    async def test_username_is_asked_for(self, customers, clock):
        """D32: also where the number is taken, too."""
        await customers.join(email="mira@posteo.example", **TAKEN)
        clock.move(30)
        account_id = await customers.join(email="other@posteo.example", **TAKEN)
        flow = await customers.sign_in("other@posteo.example")
        assert (flow.status, flow.actions) == ("needs_action", ["username"])
        done = await customers.sign_ins.act("demo", flow.id, RequiredActionRequest(username="other"), customers.here)
        assert done.status == "complete"
        assert await kinds(customers, account_id) == {"email", "username"}
