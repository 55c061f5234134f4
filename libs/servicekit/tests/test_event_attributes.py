"""Every event that there is, published by its service: whose it is, who did it, how long it is of use (EVT-5, EVT-9)."""

from datetime import timedelta

import pytest
from latchkey_contracts import wire
from latchkey_contracts.event import Event
from servicekit.clock import ManualClock
from servicekit.context import new_trace, use_trace
from servicekit.db import Database
from testkit.records import OF_NO_STORE, an_event, faults_of, sample

pytestmark = pytest.mark.usefixtures("clean")
STORE = an_event().store_id


async def published(kit_dsn: str, clock: ManualClock, event: Event, **more: object) -> dict[str, str]:
    db = await Database.connect(kit_dsn, service=event.publisher, origin="https://id.example", clock=clock, pool_size=1)
    try:
        with use_trace(new_trace(authtype="unauthenticated")):
            async with db.transaction() as tx:
                await tx.emit(event, **more)  # type: ignore[arg-type]
        async with db.read() as conn:
            row = await conn.fetchrow("SELECT * FROM outbox")
    finally:
        await db.close()
    received = wire.decode(row["value"], wire.headers(row["attributes"]))
    assert received.model_dump() == event.model_dump()
    return row["attributes"]


class TestEveryEvent:
    @pytest.mark.parametrize("event_type", sorted(Event.registry))
    async def test_has_what_consumers_sort_by(self, kit_dsn: str, clock: ManualClock, event_type: str):
        """EVT-5: the store, too, where the work at hand doesn't know it: by the event itself, or as the use case says."""
        event = sample(event_type)
        more = {"expirytime": clock.now() + timedelta(hours=1)} if event.may_expire else {}
        tenant = None if isinstance(event, OF_NO_STORE) or getattr(event, "store_id", None) else STORE
        attributes = await published(kit_dsn, clock, event, tenant=tenant, **more)
        assert faults_of(event, attributes) == []
        assert attributes["dataschema"].endswith(f"/schemas/events/{event_type}.json")

    @pytest.mark.parametrize("event_type", sorted(one for one, cls in Event.registry.items() if not cls.may_expire))
    async def test_a_fact_never_expires(self, kit_dsn: str, clock: ManualClock, event_type: str):
        """EVT-9: a consumer that is late must hear of an activation all the same, however old its welcome mail is."""
        with pytest.raises(ValueError, match="never expires"):
            await published(kit_dsn, clock, sample(event_type), expirytime=clock.now())

    async def test_what_asks_for_a_message_may(self):
        assert {one for one, cls in Event.registry.items() if cls.may_expire} == {
            "latchkey.identity.activation_requested.v1",
            "latchkey.identity.contact_change_requested.v1",
            "latchkey.identity.contact_claimed.v1",
            "latchkey.identity.registration_repeated.v1",
            "latchkey.mfa.challenge_issued.v1",
            "latchkey.recovery.reset_requested.v1",
            "latchkey.recovery.username_reminder_requested.v1",
        }
