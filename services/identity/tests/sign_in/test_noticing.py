"""BRF-4, E9: the owner is told of a sign-in from a new device, and of one that looks odd; against a real database."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from latchkey_contracts.http.access import SecondFactor
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.errors import CredentialsWrong
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"


@pytest.fixture
async def mira(customers) -> UUID:
    """Has signed in once."""
    account_id = await customers.join(email=EMAIL, username="mira")
    await customers.sign_in(EMAIL)
    await customers.work()
    assert await customers.told("sign_in_notice_requested") == [], "the first sign-in is no news"
    return account_id


async def signs_in(customers: Any, caller: Caller, wrong: int = 0) -> list[list[str]]:
    """After so many wrong passwords: of what the owner was told, and what looked odd."""
    for number in range(wrong):
        with pytest.raises(CredentialsWrong):
            await customers.sign_in(EMAIL, "not the password at all", caller)
        customers.db.clock.move(301 if number % 5 == 4 else 1)
    customers.db.clock.move(301)
    await customers.sign_in(EMAIL, customers.old, caller)
    await customers.work()
    return [one["reasons"] for one in await customers.told("sign_in_notice_requested")]


class TestNewDevice:
    async def test_told_by_mail_with_a_way_to_lock_the_account(self, customers, mira):
        """NOT-2."""
        assert await signs_in(customers, customers.elsewhere) == [["new_device"]]
        (told,) = await customers.told("sign_in_notice_requested")
        (notice,) = told["notices"]
        said = customers._opener.open(Sealed.model_validate(notice), MessageContent)
        assert (said.to, said.reasons) == (EMAIL, ["new_device"])
        assert (
            await customers.freezes.confirm(
                "demo", ConfirmRequest(token=(said.link or "").rsplit("/", 1)[1]), customers.elsewhere
            )
        ).state == "frozen"
        assert await customers.told("sign_in_suspicious") == []

    async def test_not_where_she_was_before(self, customers, mira):
        known = replace(customers.here, device="her-laptop", device_account_id=mira)
        assert await signs_in(customers, known) == []
        somebody_elses = replace(known, device_account_id=UUID(int=1))
        assert await signs_in(customers, somebody_elses) == [["new_device"]]

    async def test_an_app_that_keeps_nothing_is_told_once_a_day(self, customers, mira):
        app = replace(customers.here, user_agent="Elmstead/3.1", ip="203.0.113.7")
        for _ in range(3):
            assert len(await signs_in(customers, app)) == 1
        assert len(await signs_in(customers, replace(app, ip="198.51.100.9"))) == 2, "from elsewhere it is another one"
        customers.db.clock.move(86401)
        assert len(await signs_in(customers, app)) == 3


class TestSuspicious:
    async def test_after_many_wrong_passwords(self, customers, mira):
        assert await signs_in(customers, customers.here, wrong=9) == [["new_device"]]
        customers.db.clock.move(3601)
        assert (await signs_in(customers, customers.here, wrong=10))[1:] == [["wrong_passwords", "new_device"]]
        (odd,) = await customers.told("sign_in_suspicious")
        assert (odd["account_id"], odd["reasons"]) == (str(mira), ["wrong_passwords"])

    async def test_after_a_long_time(self, customers, mira):
        customers.db.clock.move(91 * 86400)
        assert await signs_in(customers, customers.here) == [["long_idle", "new_device"]]
        assert [one["reasons"] for one in await customers.told("sign_in_suspicious")] == [["long_idle"]]

    async def test_remembered_until_the_second_factor_is_proven(self, customers, mira):
        """A right password alone is no sign-in: what is told of it then is another thing (MFA-10)."""
        await customers.second_factors.put(mira, SecondFactor(enrolled=True, version=1))
        assert await signs_in(customers, customers.here, wrong=10) == []
        flow_id = customers.mfa.asked[-1].flow_id
        customers.mfa.prove(flow_id, customers.db.clock.now())
        assert (await customers.sign_ins.read("demo", flow_id, customers.here)).status == "complete"
        await customers.work()
        assert [one["reasons"] for one in await customers.told("sign_in_suspicious")] == [["wrong_passwords"]]
