"""The waiting page's delivery state, from the notifier's events in any order (E33)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from identity.accounts.rules import Identifier
from identity.registration import store
from identity.registration.consumers import HANDLERS
from latchkey_contracts import notifier
from latchkey_contracts.event import Meta
from servicekit.db import Database
from servicekit.events import messages
from servicekit.ids import random_id

PUBLISHED: dict[str, type[notifier.MessageEvent]] = {
    "queued": notifier.MessageQueued,
    "handed_over": notifier.MessageHandedOver,
    "accepted": notifier.MessageAccepted,
    "delivered": notifier.MessageDelivered,
    "failed": notifier.MessageFailed,
    "suppressed": notifier.MessageSuppressed,
    "expired": notifier.MessageExpired,
}


class Flow:
    """A registration attempt that waits, and what it is told of its messages."""

    def __init__(self, db: Database) -> None:
        self.db, self.id, self.account_id = db, random_id(), uuid4()

    async def begin(self) -> None:
        async with self.db.transaction() as tx:
            number = Identifier("phone", "+49 341 5550141", "+493415550141")
            attempt = store.Attempt(
                id=self.id, store_id=uuid4(), application="demo", identifiers=[number], recipient=number, password_hash=None,
                profile={}, consents=[], language="en", return_to=None, browser=None, match="41", requested_from=None,
                expires_at=tx.now + timedelta(days=1),
            )  # fmt: skip
            await store.insert(tx, attempt)

    async def ask(self) -> UUID:
        """A message is asked for; the event's id."""
        cause = uuid4()
        async with self.db.transaction() as tx:
            await store.message_left(tx, self.id, self.account_id, tx.now + timedelta(days=1))
            await messages.left(tx, self.id, cause)
        return cause

    async def hear(
        self, state: str, message: UUID, version: int, channel: str = "sms", template: str = "activation", **more: Any
    ) -> None:
        kind = PUBLISHED[state]
        values: dict[str, Any] = {"provider": "twilio", "attempts": 1, "reason": "http 400"}
        async with self.db.transaction() as tx:
            meta = Meta.model_construct(aggregateversion=version)
            event = kind.model_validate(
                {
                    "account_id": self.account_id, "message_id": message, "flow_id": self.id, "template": template,
                    "channel": channel, "at": tx.now, **more, **{name: one for name, one in values.items() if name in kind.model_fields},
                }
            ).received(meta)  # fmt: skip
            await HANDLERS[kind](tx, event)

    async def shown(self) -> tuple[str, str | None]:
        async with self.db.read() as conn:
            told = await messages.told(conn, self.id)
        return (told.state, told.channel) if told is not None else ("queued", None)


@pytest.fixture
async def flow(db: Database) -> Flow:
    made = Flow(db)
    await made.begin()
    return made


@pytest.mark.parametrize("state", PUBLISHED)
async def test_every_state_is_told(flow: Flow, state: str) -> None:
    await flow.hear(state, uuid4(), 1)
    assert await flow.shown() == (state, "sms")


async def test_never_back_by_a_late_event(flow: Flow) -> None:
    """EVT-4: a parked record that is replayed changes nothing."""
    message = uuid4()
    for version, state in enumerate(("queued", "handed_over", "accepted", "delivered"), 1):
        await flow.hear(state, message, version)
    for version, state in ((1, "queued"), (2, "handed_over"), (3, "accepted")):
        await flow.hear(state, message, version)
    assert (await flow.shown())[0] == "delivered"


async def test_a_bounce_takes_back_what_was_delivered(flow: Flow) -> None:
    """The last server knows best."""
    message = uuid4()
    for version, state in enumerate(("queued", "delivered", "failed"), 1):
        await flow.hear(state, message, version)
    assert (await flow.shown())[0] == "failed"


async def test_the_newest_message_and_its_channel(flow: Flow) -> None:
    """E15: the fall-back's is told; a receipt of the first that comes after it is not."""
    first, second = uuid4(), uuid4()
    await flow.hear("queued", first, 1)
    await flow.hear("handed_over", first, 2)
    await flow.hear("queued", second, 3, "voice", way=1)
    await flow.hear("failed", first, 4)
    assert await flow.shown() == ("queued", "voice")
    await flow.hear("handed_over", second, 5, "voice", way=1)
    assert await flow.shown() == ("handed_over", "voice")


async def test_one_that_was_asked_for_again_is_told_at_once(flow: Flow) -> None:
    """From the moment that it leaves identity it is queued, whatever becomes of the older one."""
    first, second = uuid4(), uuid4()
    one = await flow.ask()
    await flow.hear("handed_over", first, 1, asked_by=one)
    other = await flow.ask()
    await flow.hear("delivered", first, 2, asked_by=one)
    assert await flow.shown() == ("queued", None)
    await flow.hear("queued", second, 3, asked_by=other)
    await flow.hear("delivered", second, 4, asked_by=other)
    assert (await flow.shown())[0] == "delivered"


async def test_a_late_word_of_an_older_message_changes_nothing(flow: Flow) -> None:
    """E33: of which nothing was ever heard before, neither while the newer one is asked for nor after it."""
    older = await flow.ask()
    async with flow.db.transaction() as tx:
        await messages.asked_again(tx, flow.id)
    await flow.hear("handed_over", uuid4(), 1, asked_by=older)
    assert await flow.shown() == ("queued", None)
    newer = await flow.ask()
    await flow.hear("handed_over", uuid4(), 2, asked_by=newer)
    await flow.hear("failed", uuid4(), 3, "email", asked_by=older)
    assert await flow.shown() == ("handed_over", "sms")


async def test_a_late_word_of_the_way_before_changes_nothing(flow: Flow) -> None:
    """E15: nor of the first way, of which nothing was heard before the fall-back's."""
    cause = await flow.ask()
    await flow.hear("queued", uuid4(), 2, "voice", asked_by=cause, way=1)
    await flow.hear("failed", uuid4(), 3, asked_by=cause)
    assert await flow.shown() == ("queued", "voice")


async def test_other_messages_of_the_account_are_none_of_its_business(flow: Flow) -> None:
    await flow.hear("failed", uuid4(), 1, "email", "welcome")
    assert await flow.shown() == ("queued", None)
