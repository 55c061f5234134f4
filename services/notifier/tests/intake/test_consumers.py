"""From events to messages: each once, however often the event comes (REL-3, REL-7, NOT-1)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from latchkey_contracts.identity import AccountFrozen, ActivationRequested, PasswordChanged, RegistrationRepeated, UserActivated
from latchkey_contracts.recovery import ResetRequested, TotalLossRecoveryAnnounced, UsernameReminderRequested
from latchkey_contracts.sealed import Sealed
from notifier.intake.consumers import HANDLERS
from servicekit.db import Database
from servicekit.ids import uuid7

ACCOUNT, FLOW = UUID("3f1f9a34-9f8e-4a53-8a2f-0a6c9b1d2e3f"), UUID("9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d")
SOON = datetime.now(UTC) + timedelta(hours=1)
LATER = SOON + timedelta(hours=5)


def sealed(until: datetime = SOON) -> Sealed:
    return Sealed(jwe="a.b.c.d.e", kid="k", expires_at=until)


def received(event: Event) -> Event:
    meta = wire.new_meta(
        event,
        id=uuid7(),
        origin="https://id.example",
        time=datetime.now(UTC),
        aggregateversion=1,
        correlationid="c",
        causationid=None,
        traceparent=None,
        authtype="system",
        tenant=None,
        expirytime=None,
    )
    return event.received(meta)


FLOWS = {"account_id": ACCOUNT, "flow_id": FLOW, "application": "demo", "language": "ar"}
MESSAGE = {**FLOWS, "channel": "email", "message": sealed(), "expires_at": SOON}
EVENTS = [
    (ActivationRequested(**MESSAGE), ["activation"]),
    (RegistrationRepeated(**MESSAGE), ["account_exists"]),
    (UserActivated(**FLOWS, store_id=uuid4(), method="link", welcome=sealed()), ["welcome"]),
    (UserActivated(**FLOWS, store_id=uuid4(), method="reset"), []),
    (ResetRequested(**MESSAGE, contact=sealed(LATER)), ["password_reset"]),
    (UsernameReminderRequested(**MESSAGE, contact=sealed(LATER)), ["username_reminder"]),
    (PasswordChanged(account_id=ACCOUNT, reason="reset", application="demo", notices=[sealed()]), ["reset_succeeded"]),
    (PasswordChanged(account_id=ACCOUNT, reason="change", application="demo", notices=[sealed()] * 2), ["password_changed"] * 2),
    (AccountFrozen(account_id=ACCOUNT, application="demo", language="en", notices=[sealed()]), ["account_frozen"]),
    (
        TotalLossRecoveryAnnounced(**FLOWS, takes_effect_at=SOON, contacts=[sealed(), sealed()], message=sealed()),
        ["total_loss_announced"] * 2,
    ),
]


async def handle(db: Database, event: Event) -> None:
    async with db.transaction() as tx:
        await HANDLERS[event.publisher][type(event)](tx, event)


async def queued(db: Database) -> list[Any]:
    async with db.read() as conn:
        return await conn.fetch("SELECT * FROM delivery ORDER BY id")


class TestEveryEvent:
    @pytest.mark.parametrize(("event", "templates"), EVENTS, ids=lambda one: type(one).__name__ if isinstance(one, Event) else "")
    async def test_its_messages_once(self, db: Database, event: Event, templates: list[str]):
        """Handled three times, as after a replay without the inbox's memory: one message for each recipient."""
        received(event)
        for _ in range(3):
            await handle(db, event)
        rows = await queued(db)
        assert sorted(row["template"] for row in rows) == sorted(templates)
        assert all(row["expires_at"] == SOON for row in rows), "never after the first of its envelopes is over (EVT-9)"
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM outbox") == len(templates), "MessageQueued, each once"

    def test_no_event_is_forgotten_here(self):
        tested = {type(event) for event, _ in EVENTS}
        assert {cls for handlers in HANDLERS.values() for cls in handlers} == tested

    async def test_language_and_contact_travel_along(self, db: Database):
        event = received(ResetRequested(**MESSAGE, contact=sealed(LATER)))
        await handle(db, event)
        (row,) = await queued(db)
        assert (row["language"], row["flow_id"], row["contact"]["kid"]) == ("ar", FLOW, "k")

    async def test_a_channel_without_a_provider_is_told(self, db: Database):
        """An honest state instead of a message that waits for ever."""
        event = received(ResetRequested(**{**MESSAGE, "channel": "sms"}, contact=sealed(LATER)))
        await handle(db, event)
        assert await queued(db) == []
        async with db.read() as conn:
            (row,) = await conn.fetch("SELECT attributes FROM outbox")
        assert row["attributes"]["type"] == "latchkey.notifier.message_suppressed.v1"
