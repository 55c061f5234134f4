"""Providers in order, fail-over, other ways, lanes, what it may cost, who can't be reached (E15, FRD-3, FRD-10, NOT-3)."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.messages import Reach
from notifier.channels.base import Mail, Refused, Transient, Unknown
from notifier.channels.chain import Chain
from notifier.delivery import sending, store
from notifier.suppression import store as suppression
from notifier.suppression.rules import fingerprint
from servicekit.process.configuration import Configuration

from ..conftest import APPLICATION, MAIL, PHONE, POLICY, PROVEN, Notifier, Provider, until

OTHERS = [Reach(channel="voice", to=PHONE, proven_at=PROVEN), Reach(channel="email", to=MAIL)]
CODE = timedelta(minutes=6)


@pytest.fixture
def backup() -> Provider:
    return Provider("backup", "email", "sms")


@pytest.fixture
def chain(clock, provider: Provider, phones: Provider, backup: Provider) -> Chain:
    return Chain([provider, phones, backup], clock)


async def code(notifier: Notifier, *, others: Sequence[Reach] = ()) -> Any:
    return await notifier.queue(channel="sms", template="password_reset", code="482193", lifetime=CODE, others=others)


class TestHushed:
    @pytest.mark.parametrize("template", ["activation", "account_exists"])
    async def test_told_as_any_other_and_given_to_nobody(self, notifier, provider, backup, template: str):
        """REG-9, ENU-3: a mailbox that is full by names that the asker must not learn of."""
        sent = await notifier.queue(template=template, code="482193")
        hushed = await notifier.queue(template=template, code="482193", hushed=True)
        async with notifier.running():
            for one in (sent, hushed):
                await notifier.wait(one, "handed_over")
        assert (provider.ids, backup.ids) == ([str(sent)], [])
        assert await notifier.told() == ["message_handed_over"] * 2

    async def test_waits_for_its_provider_as_any_other(self, notifier, provider, backup):
        """ENU-3: else an outage would show it."""
        provider.always = backup.always = Transient("refused", down=True)
        for _ in range(3):
            await notifier.queue()
        async with notifier.running():
            await until(lambda: _left_alone(notifier, provider, backup))
            hushed = await notifier.queue(hushed=True)
            await asyncio.sleep(0.3)
            assert (await notifier.row(hushed))["state"] in {"queued", "sending"}


async def _left_alone(notifier: Notifier, *providers: Provider) -> bool:
    return not any(notifier.chain.breaker(one).is_closed for one in providers)


class TestFailOver:
    @pytest.mark.parametrize(
        "trouble", [Transient("refused", down=True), Transient("429"), Transient("500", down=True, counted=True)]
    )
    async def test_the_next_one_takes_it_at_once(self, notifier, provider, backup, trouble: Transient):
        """E15: well within 5 s."""
        provider.always = trouble
        message_id = await notifier.queue()
        began = time.monotonic()
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over")
        assert time.monotonic() - began < 5
        assert (provider.ids, backup.ids, found["provider"]) == ([], [str(message_id)], "backup")

    async def test_under_load_too(self, notifier, provider, backup):
        """E15: a provider that takes a second to fail keeps a crowd no longer than a first few; all leave within 5 s."""
        provider.always, provider.seconds = Transient("no answer", down=True), 1.0
        messages = [await notifier.queue() for _ in range(60)]
        began = time.monotonic()
        async with notifier.running():
            for one in messages:
                await notifier.wait(one, "handed_over")
        assert time.monotonic() - began < 5
        assert sorted(backup.ids) == sorted(map(str, messages))
        assert len(provider.urls) <= 3 * notifier.concurrency

    async def test_after_three_the_dead_one_is_left_alone(self, notifier, provider, backup):
        """REL-16: a breaker, so that nobody waits for a provider that isn't there; half open it gets one probe."""
        provider.always = Transient("refused", down=True)
        notifier.concurrency = 1
        messages = [await notifier.queue() for _ in range(12)]
        async with notifier.running():
            for one in messages:
                await notifier.wait(one, "handed_over")
            assert len(provider.urls) < 12
            assert "mail" in set(notifier.chain.troubled())
            provider.always = None
            await asyncio.sleep(1.1)  # the breaker's own time, which is no clock that a test could move

            async def well_again() -> bool:
                await notifier.wait(await notifier.queue(), "handed_over")
                return not set(notifier.chain.troubled())

            await until(well_again, 10)
        assert provider.ids

    async def test_at_most_one_second_copy(self, notifier, clock, phones, backup):
        """FRD-10: a provider that takes it and then says 500 may have sent it; one more may, then it is over, and both cost."""
        phones.always = Unknown("cut")
        backup.always = Unknown("cut")
        message_id = await code(notifier)
        async with notifier.running():
            await notifier.wait(message_id, "failed")
        found = await notifier.row(message_id)
        assert len(phones.sent) + len(backup.sent) == 2
        assert (found["attempts"], found["cost"]) == (2, 1600)
        async with notifier.db.read() as conn:
            assert {row["amount"] for row in await conn.fetch("SELECT amount FROM budget")} == {1600}

    async def test_what_sent_nothing_cost_nothing(self, notifier, phones, backup):
        phones.always = Transient("refused", down=True)
        message_id = await code(notifier)
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over")
        assert (found["attempts"], found["cost"], found["provider"]) == (1, 800, "backup")
        async with notifier.db.read() as conn:
            assert {row["amount"] for row in await conn.fetch("SELECT amount FROM budget")} == {800}

    async def test_what_was_refused_cost_nothing(self, notifier, phones):
        """FRD-3: a refusal is no crash; the provider said that it sends nothing."""
        phones.always = Refused("twilio 21211")
        message_id = await code(notifier)
        async with notifier.running():
            found = await notifier.wait(message_id, "failed")
        assert (found["attempts"], found["cost"], found["reason"]) == (0, 0, "twilio 21211")
        async with notifier.db.read() as conn:
            assert {row["amount"] for row in await conn.fetch("SELECT amount FROM budget")} == {0}

    async def test_a_refusal_gives_back_its_own_price_only(self, notifier, phones, backup):
        """FRD-3, FRD-10: the first may have sent it."""
        phones.always, backup.always = Unknown("cut"), Refused("http 400")
        message_id = await code(notifier)
        async with notifier.running():
            found = await notifier.wait(message_id, "failed")
        assert (found["attempts"], found["cost"]) == (1, 800)

    async def test_what_ran_out_at_the_last_moment_cost_nothing(self, notifier, clock, phones, monkeypatch):
        """EVT-9: its price was reserved already."""
        notifier.lease_seconds = 600
        message_id = await code(notifier)
        monkeypatch.setattr(sending, "failpoint", lambda name: clock.move(361) if name == "before_provider" else None)
        async with notifier.running():
            found = await notifier.wait(message_id, "expired")
        assert (found["attempts"], found["cost"], phones.sent) == (0, 0, [])

    async def test_the_policy_names_the_order(self, notifier, phones, backup, policy):
        changed = Configuration()
        changed.replace(
            {"Default": {"name": "Default"}}, {"Default": {"name": "Default"}}, {"demo": APPLICATION},
            {"Default": {**POLICY, "sms": {**POLICY["sms"], "providers": ["backup", "unheard-of", "phones"]}}},
        )  # fmt: skip
        other = Notifier(notifier.db, notifier.keys, notifier.clock, changed, notifier.chain)
        message_id = await code(other)
        async with other.running():
            await other.wait(message_id, "handed_over")
        assert (backup.ids, phones.ids) == ([str(message_id)], [])

    async def test_a_policy_that_names_nobody_we_have(self, notifier):
        """Told at once, instead of waiting for ever."""
        changed = Configuration()
        changed.replace(
            {"Default": {"name": "Default"}}, {"Default": {"name": "Default"}}, {"demo": APPLICATION},
            {"Default": {**POLICY, "sms": {**POLICY["sms"], "providers": ["unheard-of"]}}},
        )  # fmt: skip
        other = Notifier(notifier.db, notifier.keys, notifier.clock, changed, notifier.chain)
        message_id = await code(other)
        async with other.running():
            assert (await other.wait(message_id, "suppressed"))["reason"] == "no_provider"


class TestWhatCantBeWritten:
    async def test_it_ends_before_anybody_is_asked(self, notifier, provider, phones):
        """REL-7: told as what it is, never as one that may have gone out; the phone is tried (E15)."""
        provider.unwritable = Refused("the mail can't be written: UnicodeEncodeError")
        first = await notifier.queue(
            template="password_reset", code="482193", others=[Reach(channel="sms", to=PHONE, proven_at=PROVEN)]
        )
        async with notifier.running():
            found = await notifier.wait(first, "failed")
            await until(lambda: asyncio.sleep(0, bool(phones.sent)))
        assert (found["reason"], found["attempts"], found["provider"]) == (
            "the mail can't be written: UnicodeEncodeError",
            0,
            None,
        )
        assert provider.urls == []
        assert notifier.chain.breaker(provider).is_closed


class TestOtherWays:
    async def rows(self, notifier: Notifier) -> dict[str, Any]:
        return {row["channel"]: row for row in await notifier.rows()}

    async def test_sms_then_voice_then_mail(self, notifier, phones, backup, provider):
        """E15: refused by SMS, refused by voice, so by e-mail; each told, none of them twice."""
        phones.always = Refused("twilio 21614")
        await code(notifier, others=OTHERS)
        async with notifier.running():

            async def by_mail() -> bool:
                return "email" in (found := await self.rows(notifier)) and found["email"]["state"] == "handed_over"

            await until(by_mail)
        found = await self.rows(notifier)
        assert {channel: row["state"] for channel, row in found.items()} == {
            "sms": "failed",
            "voice": "failed",
            "email": "handed_over",
        }
        assert (list(found["voice"]["went"]), list(found["email"]["went"])) == (["sms"], ["sms", "voice"])
        (mail,) = [*provider.sent, *backup.sent]
        assert isinstance(mail, Mail)
        assert mail.to == MAIL
        assert "482 193" in mail.text
        assert await notifier.told() == [
            "message_failed", "message_queued", "message_failed", "message_queued", "message_handed_over",
        ]  # fmt: skip

    async def test_it_lives_no_longer_than_its_code(self, notifier, clock, provider, phones, backup):
        """EVT-9, OTP-2: the mail's link lives for an hour, the code in the text message for six minutes."""
        provider.always, phones.always, backup.always = Refused("smtp 550"), Transient("refused", down=True), Refused("no")
        first = await notifier.queue(
            template="password_reset",
            code="482193",
            code_lifetime=CODE,
            others=[Reach(channel="sms", to=PHONE, proven_at=PROVEN)],
        )
        began = clock.now()
        async with notifier.running():
            await notifier.wait(first, "failed")
        found = await self.rows(notifier)
        assert (found["email"]["expires_at"] - began, found["sms"]["expires_at"] - began) == (timedelta(hours=1), CODE)

    async def test_no_word_of_it_in_time(self, notifier, clock, phones):
        """Handed over, and no receipt after 30 s: the phone rings."""
        await code(notifier, others=OTHERS)
        async with notifier.running():
            sms = (await notifier.rows())[0]["id"]
            await notifier.wait(sms, "handed_over")
            clock.move(29)
            await asyncio.sleep(0.1)
            assert len(await notifier.rows()) == 1
            clock.move(2)

            async def rings() -> bool:
                return "voice" in await self.rows(notifier)

            await until(rings)

    async def test_never_a_dead_code(self, notifier, clock, phones):
        """E15, EVT-9."""
        notifier.lease_seconds = 600  # longer than the time that passes, else another look takes the message up again
        phones.seconds = 0.05
        phones.during = self.later(clock, 361)
        phones.trouble = [Refused("twilio 30003")]
        message_id = await code(notifier, others=OTHERS)
        async with notifier.running():
            await notifier.wait(message_id, "failed")
        assert len(await notifier.rows()) == 1

    @staticmethod
    def later(clock, seconds: float):
        async def move() -> None:
            clock.move(seconds)

        return move

    async def test_where_a_newer_one_of_its_flow_has_begun_nobody_is_told_of_another_way(self, notifier, clock, phones):
        """D16: its code is dead; a word of it after the newer one's would show the newer one as not sent (E33)."""
        row = await notifier.row(await code(notifier, others=OTHERS))

        async def newer() -> None:
            phones.during = None
            clock.move(20)
            same = (
                "account_id",
                "flow_id",
                "application",
                "language",
                "template",
                "channel",
                "lane",
                "short",
                "sealed",
                "contact",
            )
            async with notifier.db.transaction() as tx:
                values = {**{name: row[name] for name in same}, "trace": dict(row["trace"])}
                await store.insert(tx, store.New(**values, id=uuid4(), caused_at=tx.now, expires_at=tx.now + CODE))

        phones.during, phones.trouble = newer, [Refused("twilio 21211")]
        async with notifier.running():
            await notifier.wait(row["id"], "failed")
        assert "message_queued" not in await notifier.told()
        assert "voice" not in {one["channel"] for one in await notifier.rows() if one["state"] != "suppressed"}

    async def test_a_mailbox_that_bounced_is_not_tried_and_the_phone_is(self, notifier, provider, phones):
        """REL-8."""
        first = await notifier.queue(
            template="password_reset", code="482193", others=[Reach(channel="sms", to=PHONE, proven_at=PROVEN)]
        )
        async with notifier.db.transaction() as tx:
            key = notifier.keys.secret("lookup")
            await suppression.add(tx, "email", fingerprint(key, "email", MAIL.upper()), "bounced", tx.now + timedelta(days=1))
        async with notifier.running():
            found = await notifier.wait(first, "suppressed")

            async def by_sms() -> bool:
                return "sms" in (rows := await self.rows(notifier)) and rows["sms"]["state"] == "handed_over"

            await until(by_sms)
        assert found["reason"] == "bounced"
        assert provider.sent == []
        assert phones.sent[0].to == PHONE

    async def test_an_operators_no_is_no_reason_to_go_another_way(self, notifier, phones, policy):
        """A closed country stays closed, by whatever channel (FRD-1)."""
        abroad = await notifier.queue(
            channel="sms", template="password_reset", code="482193", to="+8811234567", others=OTHERS, lifetime=CODE
        )
        async with notifier.running():
            found = await notifier.wait(abroad, "suppressed")
        assert found["reason"] == "country"
        assert len(await notifier.rows()) == 1


class TestLanes:
    async def test_a_security_notice_passes_by_all_that_waits(self, notifier, provider, backup):
        """NOT-3, REL-9: behind 100,000 others it is among the first to leave."""
        notifier.concurrency = 4
        provider.seconds = 0.002
        for _ in range(10):
            await notifier.queue(template="welcome")
        async with notifier.db.transaction() as tx:
            await tx.execute(COPIES, 9_999)
        async with notifier.running():
            notice = await notifier.queue(template="password_changed")
            ahead = len(provider.ids)
            await notifier.wait(notice, "handed_over")
        assert provider.ids.index(str(notice)) < ahead + 100


COPIES = """
INSERT INTO delivery (id, account_id, flow_id, application, language, template, channel, lane, short, sealed, contact, trace, went, caused_at,
    expires_at, state, due_at, created_at)
SELECT gen_random_uuid(), account_id, flow_id, application, language, template, channel, lane, short, sealed, contact, trace, went, caused_at,
    expires_at, state, due_at, created_at FROM delivery, generate_series(1, $1)
"""
