"""Sending on a real database: once, in time, never after it, told at every step (REL-7, EVT-9, INV-17)."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from latchkey_contracts.templates import LANES
from notifier.channels.base import Mail, Refused, Text, Transient, Unknown
from notifier.delivery import store

from ..conftest import LINK, MAIL, PHONE, Notifier, Provider, number, until

ROOMS = [("email", lane, 10, 10) for lane in range(len(LANES))]


async def claim(notifier: Notifier, lease) -> list:
    async with notifier.db.transaction() as tx:
        return await store.claim(tx, lease, 60, ROOMS, 10)


class TestSent:
    async def test_once_and_its_content_is_forgotten(self, notifier: Notifier, provider: Provider):
        message_id = await notifier.queue()
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over")
        assert provider.ids == [str(message_id)]
        assert (found["sealed"], found["contact"], found["attempts"], found["provider"]) == (None, None, 1, "mail")
        assert (found["masked"], found["provider_id"]) == ("m•••@p•••", "mail-1")
        assert MAIL.encode() not in bytes(found["recipient"])
        assert await notifier.told() == ["message_handed_over"]
        assert provider.urls == [f"https://id.example/v1/callbacks/mail?message={message_id}"]

    async def test_two_envelopes_make_one_mail(self, notifier: Notifier, provider: Provider):
        """Whom to reach comes from identity, what to say from the service that asked."""
        message_id = await notifier.queue(template="password_reset", two_envelopes=True)
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over")
        (mail,) = provider.sent
        assert isinstance(mail, Mail)
        assert mail.to == MAIL
        assert LINK in mail.text
        assert "Mira" in mail.text
        assert found["contact"] is None

    async def test_an_sms(self, notifier: Notifier, phones: Provider):
        message_id = await notifier.queue(channel="sms", template="password_reset", code="482193")
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over")
        (text,) = phones.sent
        assert isinstance(text, Text)
        assert text.to == PHONE
        assert "482193" in text.body
        assert (found["segments"], found["cost"], found["masked"]) == (1, 800, "+49•••34")

    async def test_four_replicas_never_double(self, notifier: Notifier, provider: Provider):
        """INV-17: two hundred messages, four that share the table."""
        provider.seconds = 0.002
        messages = [await notifier.queue() for _ in range(200)]
        async with notifier.running(replicas=4):

            async def all_gone() -> bool:
                return all(row["state"] == "handed_over" for row in await notifier.rows())

            await until(all_gone, 60)
        assert sorted(provider.ids) == sorted(map(str, messages))


class TestTrouble:
    async def test_transient_is_tried_again_later(self, notifier: Notifier, clock, provider: Provider):
        """REL-7: with back-off; nothing is lost, and the Message-ID stays."""
        provider.trouble = [Transient("421"), Transient("421")]
        message_id = await notifier.queue()
        async with notifier.running():
            for tries in (1, 2):

                async def tried(tries: int = tries) -> bool:
                    found = await notifier.row(message_id)
                    return found["state"] == "queued" and found["tries"] == tries

                await until(tried)
                assert (await notifier.row(message_id))["due_at"] > clock.now()
                clock.move(10)
            await notifier.wait(message_id, "handed_over")
        assert provider.ids == [str(message_id)]
        assert (await notifier.row(message_id))["attempts"] == 1, "what is known to have sent nothing is no attempt"

    async def test_refused_is_final(self, notifier: Notifier, provider: Provider):
        """FRD-10: a permanent no is never tried again."""
        provider.trouble = [Refused("550 no such mailbox")]
        message_id = await notifier.queue()
        async with notifier.running():
            found = await notifier.wait(message_id, "failed")
        assert provider.sent == []
        assert await notifier.told() == ["message_failed"]
        assert found["sealed"] is None

    async def test_unknown_goes_once_more_and_not_again(self, notifier: Notifier, clock, provider: Provider):
        """INV-17, docs/decisions/0004: twice at most, under one Message-ID."""
        provider.always = Unknown("cut")
        message_id = await notifier.queue()
        async with notifier.running():

            async def over() -> bool:
                clock.move(5)
                return (await notifier.row(message_id))["state"] == "failed"

            await until(over)
        assert provider.ids == [str(message_id)] * 2
        assert await notifier.told() == ["message_failed"]

    async def test_unknown_of_a_provider_without_a_key_is_told_and_not_repeated(self, notifier: Notifier, phones: Provider):
        """REL-7: a code is asked for again by who misses it, not sent again by itself."""
        phones.trouble = [Unknown("cut")]
        message_id = await notifier.queue(channel="sms", template="password_reset", code="482193")
        async with notifier.running():
            await notifier.wait(message_id, "failed")
        assert len(phones.sent) == 1

    async def test_unknown_security_notice_is_repeated(self, notifier: Notifier, clock, phones: Provider):
        """REL-7: rather twice than not at all."""
        phones.trouble = [Unknown("cut")]
        message_id = await notifier.queue(channel="sms", template="password_changed")
        async with notifier.running():

            async def gone() -> bool:
                clock.move(2)
                return (await notifier.row(message_id))["state"] == "handed_over"

            await until(gone)
        assert len(phones.sent) == 2

    async def test_a_killed_processs_message_is_taken_up_when_its_lease_is_over(self, notifier: Notifier, clock, provider):
        """REL-7."""
        message_id = await notifier.queue()
        assert await claim(notifier, uuid4())  # by somebody who dies now
        async with notifier.running():
            await asyncio.sleep(0.1)
            assert provider.sent == []
            clock.move(61)
            await notifier.wait(message_id, "handed_over")

    @pytest.mark.parametrize(
        ("channel", "template", "copies", "state"),
        [
            ("email", "activation", 1, "handed_over"),
            ("sms", "password_reset", 0, "failed"),
            ("sms", "password_changed", 1, "handed_over"),
        ],
    )
    async def test_killed_in_the_middle(self, notifier, clock, provider, phones, channel, template, copies, state):
        """REL-7: an e-mail goes again under its Message-ID and a security notice by any way; a code by SMS doesn't."""
        message_id = await notifier.queue(channel=channel, template=template, code="482193")
        rooms, lease = [(channel, lane, 10, 10) for lane in range(5)], uuid4()
        name = "mail" if channel == "email" else "phones"
        async with notifier.db.transaction() as tx:
            assert await store.claim(tx, lease, 60, rooms, 10)
            await tx.execute("UPDATE delivery SET state = 'submitting', attempts = 1, provider = $1", name)
        clock.move(61)
        async with notifier.running():
            await notifier.wait(message_id, state)
        assert len(provider.sent) + len(phones.sent) == copies

    async def test_who_lost_the_lease_changes_nothing(self, notifier: Notifier, clock):
        message_id, mine, theirs = await notifier.queue(), uuid4(), uuid4()
        await claim(notifier, mine)
        clock.move(61)
        await claim(notifier, theirs)
        submission = store.Submission(
            message_id, mine, clock.now(), "mail", "email", b"r", "m", essential=True, segments=None, cost=0
        )
        async with notifier.db.transaction() as tx:
            assert await store.submitting(tx, [submission]) == {message_id: (False, None)}
            assert await store.handed_over(tx, [store.HandedOver(message_id, mine, None, None)]) == {}
            assert not await store.finish(tx, message_id, mine, "failed")
            assert not await store.again(tx, message_id, mine, due_at=tx.now, reason="x")
            assert not await store.not_sent(tx, message_id, mine, 0)
        assert (await notifier.row(message_id))["lease"] == theirs

    async def test_our_own_mistake_loses_nothing(self, notifier: Notifier, clock, provider: Provider):
        """Something breaks in the middle: it waits, and goes when that is mended."""
        provider.trouble = [KeyError("ours")]
        message_id = await notifier.queue()
        async with notifier.running():

            async def gone() -> bool:
                row = await notifier.row(message_id)
                if row["due_at"] is not None and row["due_at"] > clock.now():
                    clock.move(2)
                return row["state"] == "handed_over"

            await until(gone)
        assert provider.ids == [str(message_id)]


class TestTime:
    async def test_never_after_its_time(self, notifier: Notifier, clock, provider: Provider):
        """EVT-9, INV-9."""
        message_id = await notifier.queue(lifetime=timedelta(minutes=6))
        clock.move(361)
        async with notifier.running():
            await notifier.wait(message_id, "expired")
        assert provider.sent == []
        assert await notifier.told() == ["message_expired"]

    async def test_half_an_hour_without_the_provider(self, notifier: Notifier, clock, provider, phones):
        """Provider down for 30 minutes: links wait and all go within a minute of its return, once; dead codes never do (INV-18)."""
        provider.always = phones.always = Transient("refused", down=True)
        notifier.lease_seconds = 3600  # the clock jumps further than any attempt lasts
        mails = [await notifier.queue() for _ in range(40)]
        codes = [
            await notifier.queue(
                channel="sms", template="password_reset", code="482193", lifetime=timedelta(minutes=6), to=number(one)
            )
            for one in range(10)
        ]
        async with notifier.running(replicas=2):
            for _ in range(90):
                clock.move(20)
                await asyncio.sleep(0.02)
            assert {row["state"] for row in await notifier.rows() if row["id"] in mails} <= {"queued", "sending"}
            assert provider.sent == phones.sent == []
            provider.always = phones.always = None
            moved = 0.0
            while {row["state"] for row in await notifier.rows()} & {"queued", "sending", "submitting"}:
                clock.move(0.2)
                moved += 0.2
                assert moved < 60, "drained within a minute"
                await asyncio.sleep(0.02)
        assert sorted(provider.ids) == sorted(map(str, mails))
        assert phones.sent == []
        assert {(await notifier.row(one))["state"] for one in codes} == {"expired"}

    async def test_purged_when_it_is_long_over(self, notifier: Notifier, clock):
        message_id, one = await notifier.queue(), notifier.delivery()
        async with notifier.running():
            await notifier.wait(message_id, "handed_over")
        clock.move(89 * 86400)
        await one.purge()
        assert await notifier.row(message_id)
        clock.move(2 * 86400)
        await one.purge()
        assert await notifier.row(message_id) is None


class TestBadContent:
    async def test_an_envelope_that_cant_be_opened_fails_and_holds_up_nothing(self, notifier: Notifier, provider: Provider):
        bad, good = await notifier.queue(), await notifier.queue()
        async with notifier.db.transaction() as tx:
            await tx.execute("UPDATE delivery SET sealed = jsonb_set(sealed, '{kid}', '\"other\"') WHERE id = $1", bad)
        async with notifier.running():
            await notifier.wait(bad, "failed")
            await notifier.wait(good, "handed_over")
        assert len(provider.sent) == 1

    async def test_an_application_that_is_not_known_yet_waits(self, notifier: Notifier, clock, provider: Provider):
        message_id = await notifier.queue(application="later")
        async with notifier.running():

            async def waits() -> bool:
                found = await notifier.row(message_id)
                return found["state"] == "queued" and found["reason"] == "the application is not known yet"

            await until(waits)
        assert provider.sent == []

    async def test_a_template_without_that_channel(self, notifier: Notifier, phones: Provider):
        message_id = await notifier.queue(channel="voice", template="welcome")
        async with notifier.running():
            found = await notifier.wait(message_id, "failed")
        assert found["reason"] == "welcome has no text for voice"
        assert phones.sent == []
