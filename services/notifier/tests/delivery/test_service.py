"""Sending on a real database: once, in time, never after it, told at every step (REL-7, EVT-9, INV-17)."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.messages import Contact, MessageContent, Secrets
from notifier.channels.base import Mail, Refused, Transient, Unknown
from notifier.channels.health import ChannelHealth
from notifier.delivery import store
from notifier.delivery.service import Delivery
from notifier.templates.render import Renderer
from servicekit.context import new_trace
from servicekit.db import Database
from servicekit.sealing import Opener, Sealer
from servicekit.wakeups import Wakeups

LINK = "https://id.example/demo/l/" + "x" * 43
TRACE = {name: getattr(new_trace(), name) for name in new_trace().__slots__}


class Provider:
    """A mail server's place: what it was given, and the trouble that it makes."""

    name = "test"

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.trouble: list[Exception] = []
        self.seconds = 0.0

    async def send(self, mail: Mail) -> None:
        await asyncio.sleep(self.seconds)
        if self.trouble:
            error = self.trouble.pop(0)
            if isinstance(error, Unknown):
                self.sent.append(mail)  # it may well have gone out
            raise error
        self.sent.append(mail)

    async def close(self) -> None: ...


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def delivery(db, keys, clock, configuration, provider) -> Callable[[], Delivery]:
    def make() -> Delivery:
        return Delivery(
            db=db,
            wakeups=Wakeups(db),
            opener=Opener(keys, clock),
            renderer=Renderer("no-reply@localhost"),
            configuration=configuration,
            provider=provider,
            health=ChannelHealth(clock),
            concurrency=8,
            lease_seconds=60,
            keep_days=90,
            poll_seconds=0.02,
        )

    return make


@asynccontextmanager
async def running(*deliveries: Delivery) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in deliveries]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def queue(db: Database, keys, *, lifetime: timedelta = timedelta(hours=1), two_envelopes: bool = False) -> UUID:
    sealer, message_id = Sealer(keys), uuid4()
    async with db.transaction() as tx:
        until = tx.now + lifetime
        contact = None
        if two_envelopes:
            contact = sealer.seal(Contact(channel="email", to="mira@posteo.example", given_name="Mira"), expires_at=until)
            sealed = sealer.seal(Secrets(link=LINK, link_expires_at=until), expires_at=until)
        else:
            content = MessageContent(channel="email", to="mira@posteo.example", link=LINK, link_expires_at=until)
            sealed = sealer.seal(content, expires_at=until)
        await store.insert(
            tx,
            message_id,
            account_id=uuid4(),
            flow_id=None,
            application="demo",
            language="en",
            template="activation",
            channel="email",
            sealed=sealed.model_dump(mode="json"),
            contact=contact.model_dump(mode="json") if contact else None,
            trace=TRACE,
            expires_at=until,
        )
    return message_id


async def row(db: Database, message_id: UUID) -> Any:
    async with db.read() as conn:
        return await conn.fetchrow("SELECT * FROM delivery WHERE id = $1", message_id)


async def told(db: Database) -> list[str]:
    async with db.read() as conn:
        rows = await conn.fetch("SELECT attributes FROM outbox ORDER BY id")
    return [one["attributes"]["type"].split(".")[2] for one in rows]


async def until(look: Callable[[], Any], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not await look():
            await asyncio.sleep(0.01)


def is_in(db: Database, message_id: UUID, *states: str) -> Callable[[], Any]:
    async def look() -> bool:
        return (await row(db, message_id))["state"] in states

    return look


class TestSent:
    async def test_once_and_its_content_is_forgotten(self, db, keys, delivery, provider):
        message_id = await queue(db, keys)
        async with running(delivery()):
            await until(is_in(db, message_id, "handed_over"))
        assert [one.message_id for one in provider.sent] == [str(message_id)]
        found = await row(db, message_id)
        assert (found["sealed"], found["contact"], found["attempts"], found["provider"]) == (None, None, 1, "test")
        assert await told(db) == ["message_handed_over"]

    async def test_two_envelopes_make_one_mail(self, db, keys, delivery, provider):
        """design.md §3.15: whom to reach from identity, what to say from the service that asked."""
        message_id = await queue(db, keys, two_envelopes=True)
        async with running(delivery()):
            await until(is_in(db, message_id, "handed_over"))
        (mail,) = provider.sent
        assert mail.to == "mira@posteo.example"
        assert LINK in mail.text
        assert "Mira" in mail.text
        assert (await row(db, message_id))["contact"] is None

    async def test_two_replicas_never_double(self, db, keys, delivery, provider):
        """INV-17: fifty messages, two that share the table."""
        provider.seconds = 0.005
        messages = [await queue(db, keys) for _ in range(50)]
        async with running(delivery(), delivery()):
            await until(is_in(db, messages[-1], "handed_over"))

            async def all_gone() -> bool:
                async with db.read() as conn:
                    return await conn.fetchval("SELECT count(*) FROM delivery WHERE state <> 'handed_over'") == 0

            await until(all_gone)
        assert sorted(one.message_id for one in provider.sent) == sorted(map(str, messages))


class TestTrouble:
    async def test_transient_is_tried_again_later(self, db, keys, clock, delivery, provider):
        """REL-8: with back-off; nothing is lost, and the Message-ID stays."""
        provider.trouble = [Transient("421"), Transient("421")]
        message_id = await queue(db, keys)
        async with running(delivery()):
            for tries in (1, 2):

                async def tried(tries: int = tries) -> bool:
                    found = await row(db, message_id)
                    return found["state"] == "queued" and found["tries"] == tries

                await until(tried)
                assert (await row(db, message_id))["due_at"] > clock.now()
                clock.move(10)
            await until(is_in(db, message_id, "handed_over"))
        assert [one.message_id for one in provider.sent] == [str(message_id)]
        assert (await row(db, message_id))["attempts"] == 1, "what is known to have sent nothing is no attempt"

    async def test_refused_is_final(self, db, keys, delivery, provider):
        provider.trouble = [Refused("550 no such mailbox")]
        message_id = await queue(db, keys)
        async with running(delivery()):
            await until(is_in(db, message_id, "failed"))
        assert provider.sent == []
        assert await told(db) == ["message_failed"]
        assert (await row(db, message_id))["sealed"] is None

    async def test_unknown_goes_once_more_and_not_again(self, db, keys, clock, delivery, provider):
        """INV-17, docs/decisions/0004: twice at most, under one Message-ID."""
        provider.trouble = [Unknown("cut"), Unknown("cut"), Unknown("cut")]
        message_id = await queue(db, keys)
        async with running(delivery()):

            async def over() -> bool:
                clock.move(5)
                return (await row(db, message_id))["state"] == "failed"

            await until(over)
        assert [one.message_id for one in provider.sent] == [str(message_id)] * 2
        assert await told(db) == ["message_failed"]

    async def test_a_killed_processs_message_is_taken_up_when_its_lease_is_over(self, db, keys, clock, delivery, provider):
        """REL-7."""
        message_id = await queue(db, keys)
        async with db.transaction() as tx:
            assert await store.claim(tx, uuid4(), 60, 10)  # by somebody who dies now
        async with running(delivery()):
            await asyncio.sleep(0.1)
            assert provider.sent == []
            clock.move(61)
            await until(is_in(db, message_id, "handed_over"))

    async def test_who_lost_the_lease_changes_nothing(self, db, keys, clock):
        message_id, mine, theirs = await queue(db, keys), uuid4(), uuid4()
        async with db.transaction() as tx:
            await store.claim(tx, mine, 60, 10)
        clock.move(61)
        async with db.transaction() as tx:
            await store.claim(tx, theirs, 60, 10)
        async with db.transaction() as tx:
            assert not await store.submitting(tx, message_id, mine)
            assert await store.finish(tx, message_id, mine, "failed") is None
            assert not await store.again(tx, message_id, mine, due_at=tx.now, reason="x", not_sent=True)
        assert (await row(db, message_id))["lease"] == theirs


class TestTime:
    async def test_never_after_its_time(self, db, keys, clock, delivery, provider):
        """EVT-9."""
        message_id = await queue(db, keys, lifetime=timedelta(minutes=6))
        clock.move(361)
        async with running(delivery()):
            await until(is_in(db, message_id, "expired"))
        assert provider.sent == []
        assert await told(db) == ["message_expired"]

    async def test_purged_when_it_is_long_over(self, db, keys, clock, delivery):
        message_id, one = await queue(db, keys), delivery()
        async with running(one):
            await until(is_in(db, message_id, "handed_over"))
        clock.move(89 * 86400)
        await one.purge()
        assert await row(db, message_id)
        clock.move(2 * 86400)
        await one.purge()
        assert await row(db, message_id) is None


class TestBadContent:
    async def test_an_envelope_that_cant_be_opened_fails_and_holds_up_nothing(self, db, keys, delivery, provider):
        bad, good = await queue(db, keys), await queue(db, keys)
        async with db.transaction() as tx:
            await tx.execute("UPDATE delivery SET sealed = jsonb_set(sealed, '{kid}', '\"other\"') WHERE id = $1", bad)
        async with running(delivery()):
            await until(is_in(db, bad, "failed"))
            await until(is_in(db, good, "handed_over"))
        assert len(provider.sent) == 1
