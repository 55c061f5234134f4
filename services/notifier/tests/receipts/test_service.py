"""What providers tell later: signed, any number of times, in any order (REL-8, PST-4, E15)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.messages import Reach
from notifier.channels.base import Call, Callback, CallStep, Receipt, Transient
from servicekit.errors import NotFound

from ..conftest import MAIL, PHONE, PROVEN, Notifier, Provider, until

OTHERS = [Reach(channel="voice", to=PHONE, proven_at=PROVEN), Reach(channel="email", to=MAIL)]
URL = "https://id.example/v1/callbacks/phones?message="


async def tell(notifier: Notifier, provider: Provider, told: Any, *, signed: bool = True, step: str = "") -> Any:
    provider.told = told
    url = f"{URL}{told.message_id if isinstance(told, CallStep) else ''}{step}"
    return await notifier.receipts.take(provider.name, Callback(url, {}, b"signed" if signed else b"forged"))


async def sent(notifier: Notifier, channel: Any = "sms", **more: Any) -> UUID:
    """A code that its provider has."""
    one = await notifier.queue(
        channel=channel, template="password_reset", code="482193", lifetime=timedelta(minutes=6), **{"others": OTHERS, **more}
    )
    async with notifier.running():
        await notifier.wait(one, "handed_over")
    return one


class TestReceipts:
    async def test_accepted_then_delivered(self, notifier: Notifier, phones: Provider):
        one = await sent(notifier)
        for state in ("accepted", "delivered"):
            assert (await tell(notifier, phones, [Receipt(one, state)])).status == 204
            assert (await notifier.row(one))["state"] == state
        assert await notifier.told() == ["message_handed_over", "message_accepted", "message_delivered"]
        row = await notifier.row(one)
        assert (row["sealed"], row["watch_at"]) == (None, None), "nothing is waited for any more"

    async def test_twice_and_out_of_order_changes_nothing(self, notifier: Notifier, phones: Provider):
        """REL-8: idempotent, and a late word never takes back a later state."""
        one = await sent(notifier)
        for state in ("delivered", "delivered", "accepted", "failed"):
            await tell(notifier, phones, [Receipt(one, state)])
        assert (await notifier.row(one))["state"] == "delivered"
        assert await notifier.told() == ["message_handed_over", "message_delivered"]

    async def test_nothing_moves_a_bounce(self, notifier: Notifier, provider: Provider):
        """REL-8: it takes back what was told as delivered; the same words once more, in any order, tell nothing new."""
        one = await sent(notifier, "email")
        for state in ("delivered", "bounced", "delivered", "bounced", "accepted", "failed", "delivered"):
            await tell(notifier, provider, [Receipt(one, state)])
        assert (await notifier.row(one))["state"] == "failed"
        assert await notifier.told() == ["message_handed_over", "message_delivered", "message_failed"]

    async def test_nor_one_that_was_told_as_failed_before(self, notifier: Notifier, provider: Provider):
        one = await sent(notifier, "email")
        for state in ("failed", "bounced", "delivered"):
            await tell(notifier, provider, [Receipt(one, state)])
        assert await notifier.told() == ["message_handed_over", "message_failed"]

    async def test_a_late_delivered_takes_back_a_failed(self, notifier: Notifier, phones: Provider):
        one = await sent(notifier, others=[])
        for state in ("failed", "delivered"):
            await tell(notifier, phones, [Receipt(one, state)])
        assert (await notifier.row(one))["state"] == "delivered"

    async def test_not_delivered_goes_another_way(self, notifier: Notifier, phones: Provider):
        """E15."""
        one = await sent(notifier)
        await tell(notifier, phones, [Receipt(one, "failed", "twilio 30003")])
        row = await notifier.row(one)
        assert (row["state"], row["reason"], row["sealed"]) == ("failed", "twilio 30003", None)
        other = next(row for row in await notifier.rows() if row["id"] != one)
        assert (other["channel"], list(other["went"]), other["flow_id"]) == ("voice", ["sms"], row["flow_id"])
        assert await notifier.told() == ["message_handed_over", "message_failed", "message_queued"]

    async def test_a_receipt_that_is_quicker_than_the_answer(self, notifier: Notifier, phones: Provider):
        """The provider calls back before its 2xx is read: no state goes backwards, and the hand-over is told first."""
        one = await notifier.queue(channel="sms", template="password_reset", code="482193", lifetime=timedelta(minutes=6))

        async def at_once() -> None:
            await tell(notifier, phones, [Receipt(one, "delivered")])

        phones.during = at_once
        async with notifier.running():
            await notifier.wait(one, "delivered")
        assert (await notifier.row(one))["state"] == "delivered"
        assert await notifier.told() == ["message_handed_over", "message_delivered"]

    async def early(
        self, notifier: Notifier, provider: Provider, state: Any, channel: Any, others: list[Reach]
    ) -> tuple[Any, Any]:
        """The row of a message whose receipt was quicker than the answer, and when it was told."""
        one = await notifier.queue(channel=channel, template="password_reset", code="482193", others=others)

        async def at_once() -> None:
            await tell(notifier, provider, [Receipt(one, state)])

        provider.during = at_once
        async with notifier.running():
            await notifier.wait(one, "failed" if state == "bounced" else state)
        return await notifier.row(one), notifier.clock.now()

    async def test_a_mail_is_not_watched_because_its_receipt_was_quicker(self, notifier: Notifier, clock, provider: Provider):
        """E15: nobody asked for a text message after it; and what it said is forgotten."""
        row, _ = await self.early(notifier, provider, "accepted", "email", [Reach(channel="sms", to=PHONE, proven_at=PROVEN)])
        assert (row["watch_at"], row["sealed"]) == (None, None)
        clock.move(101)
        await notifier.delivery().keep_house()
        assert len(await notifier.rows()) == 1

    async def test_a_bounce_that_is_quicker_goes_another_way(self, notifier: Notifier, provider: Provider):
        """E15: what it says is still there."""
        row, _ = await self.early(notifier, provider, "bounced", "email", [Reach(channel="sms", to=PHONE, proven_at=PROVEN)])
        assert row["sealed"] is None
        assert {one["channel"] for one in await notifier.rows()} == {"email", "sms"}

    async def test_a_text_is_watched_as_long_as_the_policy_says(self, notifier: Notifier, phones: Provider):
        row, now = await self.early(notifier, phones, "accepted", "sms", OTHERS)
        assert row["watch_at"] - now == timedelta(seconds=30)
        assert row["sealed"] is not None

    async def test_a_text_without_another_way_is_not_watched(self, notifier: Notifier, phones: Provider):
        row, _ = await self.early(notifier, phones, "accepted", "sms", [])
        assert (row["watch_at"], row["sealed"]) == (None, None)

    async def test_a_call_is_watched_until_it_is_over(self, notifier: Notifier, phones: Provider):
        row, now = await self.early(notifier, phones, "accepted", "voice", [])
        assert row["watch_at"] - now == timedelta(seconds=100)

    async def test_a_receipt_of_what_was_not_known_to_have_left(self, notifier: Notifier, clock, phones: Provider):
        """Accepted, then 500: it waits for a second try, but the receipt says that it is there; so it never goes twice."""
        phones.trouble = [Transient("http 500", down=True, counted=True)]
        one = await notifier.queue(channel="sms", template="password_reset", code="482193", lifetime=timedelta(minutes=6))
        async with notifier.running():

            async def waits() -> bool:
                row = await notifier.row(one)
                return row["state"] == "queued" and row["attempts"] == 1

            await until(waits)
            await tell(notifier, phones, [Receipt(one, "delivered")])
            clock.move(60)
            assert (await notifier.row(one))["state"] == "delivered"
        assert phones.sent == []

    async def test_another_providers_word_counts_nothing(self, notifier: Notifier, provider: Provider, phones: Provider):
        one = await sent(notifier)
        assert (await tell(notifier, provider, [Receipt(one, "failed")])).status == 204
        await tell(notifier, phones, [Receipt(uuid4(), "failed")])
        assert (await notifier.row(one))["state"] == "handed_over"

    async def test_forged(self, notifier: Notifier, phones: Provider):
        one = await sent(notifier)
        assert (await tell(notifier, phones, [Receipt(one, "delivered")], signed=False)).status == 403
        assert (await notifier.row(one))["state"] == "handed_over"

    async def test_of_a_provider_that_is_none(self, notifier: Notifier):
        with pytest.raises(NotFound):
            await notifier.receipts.take("nobody", Callback(URL, {}, b""))


class TestSuppression:
    async def test_a_bounce_is_remembered_by_a_keyed_hash(self, notifier: Notifier, clock, provider: Provider, phones: Provider):
        """REL-8, PRV-22: that mailbox is left alone for a while, the phone is tried, and no address is kept."""
        one = await sent(notifier, "email", others=[Reach(channel="sms", to=PHONE, proven_at=PROVEN)])
        provider.told = [Receipt(one, "bounced", "5.1.1")]
        await notifier.receipts.take("mail", Callback(URL, {}, b"signed"))
        assert (await notifier.row(one))["state"] == "failed"
        async with notifier.db.read() as conn:
            (row,) = await conn.fetch("SELECT channel, recipient, reason FROM suppression")
        assert (row["channel"], row["reason"], len(row["recipient"])) == ("email", "bounced", 32)
        other = await notifier.queue(template="password_changed")
        async with notifier.running():
            assert (await notifier.wait(other, "suppressed"))["reason"] == "bounced"
        clock.move(31 * 86400)
        later = await notifier.queue(template="password_changed")
        async with notifier.running():
            await notifier.wait(later, "handed_over")

    async def test_a_complaint_stops_what_is_not_needed(self, notifier: Notifier, provider: Provider):
        """A security notice still goes (NOT-3); a welcome doesn't."""
        one = await sent(notifier, "email", others=[])
        provider.told = [Receipt(one, "complained")]
        await notifier.receipts.take("mail", Callback(URL, {}, b"signed"))
        welcome, notice = await notifier.queue(template="welcome"), await notifier.queue(template="password_changed")
        async with notifier.running():
            assert (await notifier.wait(welcome, "suppressed"))["reason"] == "complained"
            await notifier.wait(notice, "handed_over")


class TestCalls:
    async def ask(self, notifier: Notifier, phones: Provider, one: UUID, *, key: bool) -> str:
        step = "&step=key" if key else "&step=answer"
        return str((await tell(notifier, phones, CallStep(one, key_pressed=key), step=step)).body)

    def digits(self, twiml: str) -> bool:
        return "4" in twiml and "8" in twiml and "9" in twiml and "Gather" not in twiml

    async def test_the_code_is_said_only_after_a_key(self, notifier: Notifier, phones: Provider):
        """PST-4: what a voicemail records has no digit of it."""
        one = await sent(notifier, "voice")
        assert isinstance(phones.sent[0], Call)
        prompt = await self.ask(notifier, phones, one, key=False)
        assert "<Gather" in prompt
        assert "482193" not in prompt.replace(", ", "").replace(" ", "")
        assert not self.digits(prompt)
        assert (await notifier.row(one))["state"] == "handed_over"
        assert self.digits(await self.ask(notifier, phones, one, key=True))
        assert (await notifier.row(one))["state"] == "delivered"
        assert await notifier.told() == ["message_handed_over", "message_delivered"]

    async def test_twice_at_most(self, notifier: Notifier, phones: Provider):
        """PST-4."""
        one = await sent(notifier, "voice")
        said = [self.digits(await self.ask(notifier, phones, one, key=True)) for _ in range(3)]
        assert said == [True, True, False]

    async def test_never_a_dead_code(self, notifier: Notifier, clock, phones: Provider):
        one = await sent(notifier, "voice")
        clock.move(361)
        assert not self.digits(await self.ask(notifier, phones, one, key=True))

    async def test_a_heard_call_is_not_followed_by_another_way(self, notifier: Notifier, clock, phones: Provider):
        one = await sent(notifier, "voice")
        await self.ask(notifier, phones, one, key=True)
        clock.move(120)
        await notifier.delivery().keep_house()
        assert len(await notifier.rows()) == 1
        assert (await notifier.row(one))["sealed"] is None

    async def test_nobody_pressed(self, notifier: Notifier, phones: Provider):
        """An answering machine: the call failed, and a text goes out."""
        one = await sent(notifier, "voice", others=[Reach(channel="sms", to=PHONE, proven_at=PROVEN)])
        await self.ask(notifier, phones, one, key=False)
        await tell(notifier, phones, [Receipt(one, "failed", "no key was pressed")])
        assert sorted(row["channel"] for row in await notifier.rows()) == ["sms", "voice"]
