"""A mail between two real mail servers: what is no word about its recipient doesn't end it (REL-7, REL-16, E15)."""

import time

import pytest
from notifier.channels.chain import Chain
from notifier.channels.smtp import SmtpProvider
from notifier.channels.smtp_server import SmtpServer
from servicekit.clock import Clock

from ..conftest import MAIL, Notifier, until
from ..mail_servers import Server, start

__all__ = ["start"]

BLOCKED, QUOTA = "554 5.7.1 client host blocked", "550 5.4.5 sending limit exceeded"


@pytest.fixture
def first() -> Server:
    return Server()


@pytest.fixture
def second() -> Server:
    return Server()


@pytest.fixture
def both() -> bool:
    return True


@pytest.fixture
def chain(start, clock, first: Server, second: Server, both: bool) -> Chain:
    servers = {"first": first, "second": second} if both else {"first": first}
    found = [
        SmtpProvider(SmtpServer.of(f"smtp://127.0.0.1:{start(one)}"), clock=Clock(), ehlo="id.example", name=name)
        for name, one in servers.items()
    ]
    return Chain(found, clock)


class TestANoToUs:
    @pytest.mark.parametrize(
        ("step", "answer"), [("rcpt", BLOCKED), ("data", QUOTA), ("ehlo", "421 4.3.2 closing"), ("sender", "550 no")]
    )
    async def test_the_next_one_takes_it(self, notifier: Notifier, first: Server, second: Server, step: str, answer: str):
        """E15: within 5 s, and the customer gets the mail once."""
        setattr(first, step, answer)
        message_id, began = await notifier.queue(), time.monotonic()
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over", "failed")
        assert time.monotonic() - began < 5
        assert (found["state"], found["provider"]) == ("handed_over", "second")
        assert (first.taken, [one.rcpt_tos for one in second.taken]) == ([], [[MAIL]])

    @pytest.mark.parametrize("both", [False])
    @pytest.mark.parametrize(("step", "answer"), [("rcpt", BLOCKED), ("data", QUOTA)])
    async def test_alone_it_waits_and_the_channel_is_down(self, notifier: Notifier, clock, first: Server, step: str, answer: str):
        """REL-16: nothing is lost, the pages say the truth, and it goes once the provider takes mail of ours again."""
        setattr(first, step, answer)
        messages = [await notifier.queue() for _ in range(3)]
        async with notifier.running():
            await until(lambda: down(notifier))
            assert {row["state"] for row in await notifier.rows()} <= {"queued", "sending", "submitting"}
            setattr(first, step, "250 ok")
            for one in messages:
                await until(lambda one=one: moved(notifier, one, clock))
        assert len(first.taken) == 3

    @pytest.mark.parametrize("both", [False])
    @pytest.mark.parametrize("answer", ["421 4.3.2 closing", "504 5.5.2 need a fully-qualified name"])
    async def test_a_no_to_our_name_is_told_after_one_message(self, notifier: Notifier, first: Server, answer: str):
        """REL-16: `channels()` tells it at once, not after a third message."""
        first.ehlo = answer
        message_id = await notifier.queue()
        async with notifier.running():
            await until(lambda: down(notifier), 5)
        assert (await notifier.row(message_id))["tries"] <= 1


class TestANoToTheMailbox:
    async def test_ends_it_and_nobody_else_is_asked(self, notifier: Notifier, first: Server, second: Server):
        """REL-8."""
        first.rcpt = "550 5.1.1 no such user"
        message_id = await notifier.queue()
        async with notifier.running():
            found = await notifier.wait(message_id, "handed_over", "failed")
        assert (found["state"], found["reason"], second.taken) == ("failed", "smtp 550 5.1.1", [])


class TestALongWait:
    async def test_its_lease_is_renewed(self, notifier: Notifier, chain: Chain, first: Server, second: Server):
        """INV-17: a server that takes its time is no reason for another replica to take the message up, too."""
        notifier.lease_seconds, first.slow, second.slow = 0.6, 1.0, 1.0
        message_id = await notifier.queue()
        async with notifier.running(replicas=2):
            await notifier.wait(message_id, "handed_over")
        assert len(first.taken) + len(second.taken) == 1


async def down(notifier: Notifier) -> bool:
    return (await notifier.delivery().channels())["email"] == "down"


async def moved(notifier: Notifier, message_id, clock) -> bool:
    """Time goes on, so that breaker and waiting end."""
    clock.move(0.2)
    return (await notifier.row(message_id))["state"] == "handed_over"
