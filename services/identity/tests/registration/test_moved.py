"""An application that changes its store while flows run: they end in words, and nothing of the one store becomes the other's (INV-14)."""

from typing import Any

import pytest
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInRequest
from servicekit.errors import FlowEnded, LinkEnded
from servicekit.ids import random_id

EMAIL = "mira@posteo.example"


async def move(customers: Any) -> None:
    """To an empty store."""
    application = {"slug": "demo", "store": "Other", "brand": {"name": "Elmstead", "brand": "#0b3d45"}}
    await customers.configuration.apply({"identity_stores": [{"name": "Other"}], "applications": [application]})


async def accounts_of(customers: Any) -> list[tuple[Any, ...]]:
    async with customers.db.read() as conn:
        rows = await conn.fetch("SELECT store_id, status FROM account")
    return [tuple(row.values()) for row in rows]


class TestRegistration:
    async def test_before_its_message_left(self, customers, monkeypatch):
        flow = await customers.begin(email=EMAIL, username="mira")
        await move(customers)
        await customers.work()
        assert await accounts_of(customers) == []
        assert (await customers.registrations.read("demo", flow.id, customers.here)).status == "ended"
        assert await customers.told("activation_requested") == []

    @pytest.mark.parametrize("caller", ["here", "elsewhere"])
    async def test_link(self, customers, caller: str):
        token = await customers.token(await customers.register(email=EMAIL, username="mira"))
        before = await accounts_of(customers)
        await move(customers)
        with pytest.raises(LinkEnded):
            await customers.activations.confirm("demo", ConfirmRequest(token=token), getattr(customers, caller))
        with pytest.raises(LinkEnded):
            await customers.activations.renew("demo", token, customers.here)
        assert await accounts_of(customers) == before

    async def test_code_and_resend(self, customers, clock):
        flow = await customers.register(email=EMAIL, username="mira")
        await move(customers)
        clock.move(21)
        with pytest.raises(FlowEnded):
            await customers.registrations.resend("demo", flow.id, None, customers.here)
        with pytest.raises(FlowEnded):
            await customers.activations.by_code("demo", flow.id, "123456", customers.here)


class TestSignIn:
    async def test_password(self, customers):
        await customers.join(email=EMAIL, username="mira")
        flow = await customers.sign_ins.start("demo", SignInRequest(identifier=EMAIL), customers.here)
        await move(customers)
        assert (await customers.sign_ins.read("demo", flow.id, customers.here)).status == "ended"
        with pytest.raises(FlowEnded):
            await customers.sign_ins.password("demo", flow.id, PasswordRequest(password=customers.old), customers.here)

    async def test_what_is_newly_required(self, customers, clock):
        await customers.join(email=EMAIL, username="mira")
        clock.move(21)
        await customers.join(email="other@posteo.example", username="mira")
        flow = await customers.sign_in("other@posteo.example")
        assert flow.actions == ["username"]
        await move(customers)
        with pytest.raises(FlowEnded):
            await customers.actions.act("demo", flow.id, RequiredActionRequest(username="other"), customers.here)


async def test_reset(customers):
    account_id = await customers.join(email=EMAIL, username="mira")
    await move(customers)
    with pytest.raises(FlowEnded):
        await customers.changes.reset(account_id, "demo", random_id(), customers.new, customers.here)
