"""Username reminders: what was typed, and what is refused before anything is counted."""

import pytest
from latchkey_contracts.configuration import IdentityStore, NotificationPolicy
from latchkey_contracts.http.recovery import ReminderRequest
from servicekit.errors import ValidationFailed

from ..conftest import APPLICATION, POLICY, Desk

OPEN = NotificationPolicy.model_validate({"name": "Default", "sms": {"countries": ["+1"]}}).model_dump(mode="json")


@pytest.fixture
def texting(desk: Desk) -> Desk:
    """Text messages go to the United States."""
    store = IdentityStore(name="Default").model_dump(mode="json")
    desk.made.tools.configuration.replace({"Default": store}, {"Default": POLICY}, {"demo": APPLICATION}, {"Default": OPEN})
    return desk


class TestPhone:
    @pytest.mark.parametrize(
        ("number", "code"),
        [
            ("+18764551234", "phone_country_closed"),
            ("+49 151 12345678", "phone_country_closed"),
            ("+19005550123", "phone_class_closed"),
        ],
    )
    async def test_closed(self, texting: Desk, number: str, code: str):
        """FRD-1, FRD-2: said at the field, whoever has the number, and nothing is counted against it."""
        with pytest.raises(ValidationFailed) as refused:
            await texting.made.reminders.start("demo", ReminderRequest(phone=number), texting.here)
        assert [(one["field"], one["code"]) for one in refused.value.extra["errors"]] == [("/phone", code)]
        async with texting.db.read() as conn:
            for table in ("throttle", "work", "outbox"):
                assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608 - a test's own words

    async def test_open(self, texting: Desk):
        flow = await texting.made.reminders.start("demo", ReminderRequest(phone="+12025550123"), texting.here)
        assert flow.status == "check_your_messages"
