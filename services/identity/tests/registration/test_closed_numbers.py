"""A number that the notifier wouldn't text is refused at its field, before anything is counted (FRD-1, FRD-2, REG-7)."""

import pytest
from latchkey_contracts.http.registration import Identifiers, RegistrationRequest
from servicekit.errors import ValidationFailed

DOCUMENT = {
    "identity_stores": [
        {"name": "Phones", "identifiers": {"phone": {"use": "required"}, "email": {"use": "optional"}, "username": {"use": "hidden"}}}
    ],
    "notification_policies": [
        {"name": "Phones", "sms": {"countries": ["+1"]}, "spending": {"strangers": {"enabled": True}}},
    ],
    "applications": [
        {
            "slug": "phones",
            "store": "Phones",
            "notification_policy": "Phones",
            "brand": {"name": "Elmstead", "brand": "#0b3d45"},
        }
    ],
}  # fmt: skip


@pytest.fixture
async def phones(customers):
    checked = await customers.configuration.apply(DOCUMENT)
    assert not getattr(checked, "errors", None)
    return customers


async def start(customers, **identifiers: str):
    body = RegistrationRequest(identifiers=Identifiers(**identifiers), password=customers.old)
    return await customers.registrations.start("phones", body, customers.here)


class TestClosed:
    @pytest.mark.parametrize(
        ("number", "code"),
        [
            ("+1 876 455 1234", "phone_country_closed"),  # Jamaica shares the code of the United States
            ("+49 151 12345678", "phone_country_closed"),
            ("+1 900 555 0123", "phone_class_closed"),  # premium
        ],
    )
    async def test_nothing_is_begun_nor_counted(self, phones, number: str, code: str):
        with pytest.raises(ValidationFailed) as refused:
            await start(phones, phone=number)
        assert [(one["field"], one["code"]) for one in refused.value.extra["errors"]] == [("/identifiers/phone", code)]
        async with phones.db.read() as conn:
            for table in ("throttle", "registration_attempt", "work", "outbox"):
                where = " WHERE attributes->>'type' NOT LIKE '%published%'" if table == "outbox" else ""
                assert await conn.fetchval(f"SELECT count(*) FROM {table}{where}") == 0, table  # noqa: S608

    async def test_an_open_one_begins(self, phones):
        assert (await start(phones, phone="+1 202 555 0123")).status == "check_your_messages"

    async def test_beside_an_address_that_is_written_to(self, phones):
        """FRD-1: no text goes to the number, so it may be of any country."""
        flow = await start(phones, phone="+1 876 455 1234", email="mira@posteo.example")
        assert flow.status == "check_your_messages"
