"""What the sweep of registrations takes away, against a real database (REG-8)."""

from datetime import timedelta

import pytest
from latchkey_contracts.http.links import ConfirmRequest

EMAIL = "mira@posteo.example"
DAY = timedelta(days=1).total_seconds()


class TestNeverActivated:
    async def test_goes_with_its_links(self, customers, clock):
        """REG-8: its identifiers are free again."""
        token = await customers.token(await customers.register(email=EMAIL, username="mira"))
        clock.move(30 * DAY + 1)
        await customers.registrations.purge()
        assert (await customers.activations.inspect("demo", token, customers.here)).state == "malformed"
        assert len(await customers.told("registration_expired")) == 1
        await customers.join(email=EMAIL, username="mira")

    @pytest.mark.parametrize("caller", ["here", "elsewhere"])
    async def test_stays_while_somebody_has_just_been_sent_a_link(self, customers, clock, caller: str):
        """REG-8: however long ago another attempt began it."""
        await customers.register(email=EMAIL, username="mira")
        clock.move(30 * DAY - 600)
        asking = getattr(customers, caller)
        flow = await customers.register(asking, email=EMAIL, username="mira")
        token = await customers.token(flow)
        clock.move(1200)
        await customers.registrations.purge()
        assert (await customers.registrations.read("demo", flow.id, asking)).status == "check_your_messages"
        assert (await customers.activations.confirm("demo", ConfirmRequest(token=token), asking)).status == "activated"

    async def test_goes_once_the_last_link_is_over(self, customers, clock):
        await customers.register(email=EMAIL, username="mira")
        clock.move(30 * DAY - 600)
        await customers.register(email=EMAIL, username="mira")
        clock.move(DAY + 1)
        await customers.registrations.purge()
        assert len(await customers.told("registration_expired")) == 1
