"""What the sweep of registrations takes away, against a real database (REG-8)."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from identity.registration.consumers import HANDLERS
from latchkey_contracts import notifier
from latchkey_contracts.event import Meta
from latchkey_contracts.http.links import ConfirmRequest
from servicekit.errors import TooManyRequests

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

    async def test_all_of_them_at_once(self, customers, clock):
        """REG-8: no load that the limits admit outruns it."""
        store_id = customers.configuration.application("demo").store.id
        many = "INSERT INTO account (id, store_id, status, created_at) SELECT gen_random_uuid(), $1, 'pending', $2 FROM generate_series(1, 450)"
        async with customers.db.transaction() as tx:
            await tx.execute(many, store_id, tx.now)
        clock.move(30 * DAY + 1)
        await customers.registrations.purge()
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM account") == 0
        assert len(await customers.told("registration_expired")) == 450


class TestDecided:
    async def test_no_password_is_kept(self, customers, clock):
        """PWD-5: neither the adopted one nor that of an attempt that lost."""
        await customers.register(customers.elsewhere, email=EMAIL, username="stranger")
        clock.move(21)
        await customers.join(email=EMAIL, username="mira")
        async with customers.db.read() as conn:
            rows = await conn.fetch("SELECT password_hash IS NULL AS gone, password_chosen FROM registration_attempt")
        assert [tuple(row.values()) for row in rows] == [(True, True), (True, True)]


class TestAskedForAgain:
    async def test_when_two_share_a_spacing_both_are_told_the_true_time(self, customers, clock):
        """D18, THR-6: of the second in a window of its own, with another username, the message waits for its turn; the next may be asked
        for when there is room behind that, and then it is taken.
        """
        begun = clock.now()
        await customers.register(email=EMAIL, username="mira")
        clock.move(5)
        flow = await customers.begin(customers.elsewhere, email=EMAIL, username="other")
        assert flow.resend.available_at == begun + timedelta(seconds=40)
        clock.move(15)
        await customers.work()
        shown = await customers.registrations.read("demo", flow.id, customers.elsewhere)
        assert shown.resend.available_at == begun + timedelta(seconds=40)
        with pytest.raises(TooManyRequests):
            await customers.registrations.resend("demo", flow.id, None, customers.elsewhere)
        clock.move(20)
        again = await customers.registrations.resend("demo", flow.id, None, customers.elsewhere)
        assert again.resend.available_at == clock.now() + timedelta(seconds=20)

    async def test_shows_the_new_message_at_once(self, customers, clock):
        """E33, REG-5: the answer and every look after it tell of the message that was asked for, not of the one before."""
        flow = await customers.register(email=EMAIL, username="mira")
        await customers.token(flow)
        older = uuid4()
        await hear(customers, flow.id, notifier.MessageHandedOver, older, 3)
        clock.move(59)
        answer = await customers.registrations.resend("demo", flow.id, None, customers.here)
        assert (answer.delivery.state, answer.delivery.at) == ("queued", clock.now())
        await hear(customers, flow.id, notifier.MessageDelivered, older, 4)
        shown = await customers.registrations.read("demo", flow.id, customers.here)
        assert (shown.delivery.state, shown.delivery.at) == ("queued", answer.delivery.at)
        await hear(customers, flow.id, notifier.MessageHandedOver, uuid4(), 5)
        assert (await customers.registrations.read("demo", flow.id, customers.here)).delivery.state == "handed_over"


async def hear(customers, flow_id: UUID, kind: type[notifier.MessageEvent], message: UUID, version: int) -> None:
    async with customers.db.transaction() as tx:
        about = {"account_id": uuid4(), "message_id": message, "flow_id": flow_id, "template": "activation", "channel": "email"}
        event = kind.model_validate({**about, "at": tx.now, "provider": "mail", "attempts": 1})
        await HANDLERS[kind](tx, event.received(Meta.model_construct(aggregateversion=version)))
