"""BRF-1, BRF-3: from the hundredth wrong password in a row on strangers have one try an hour; known devices, and nobody else, go on."""

from dataclasses import replace
from typing import Any

import pytest
from identity.credentials.slowdown import RUN, Count, Slowdown
from servicekit.errors import CredentialsWrong, TooManyRequests
from servicekit.keys import Keys
from servicekit.throttle import Throttle

EMAIL, NOBODY = "mira@posteo.example", "nobody@posteo.example"
WRONG = "not the password at all"
PACE = 181  # seconds: as many as there may be in an hour


@pytest.fixture
def slowdown(keys: Keys) -> Slowdown:
    return Slowdown(Throttle(keys))


async def guess(customers: Any, slowdown: Slowdown, count: Count, times: int) -> None:
    for _ in range(times):
        await slowdown.take(customers.db, count)
        customers.db.clock.move(PACE)


@pytest.mark.parametrize("name", [EMAIL, NOBODY])
async def test_a_stranger(customers, slowdown, name: str):
    """The same for a name that nobody has (ENU-2)."""
    account_id = await customers.join(email=EMAIL, username="mira")
    app = customers.configuration.application("demo")
    count = slowdown.at_sign_in(app, name, account_id if name == EMAIL else None, customers.here)
    await guess(customers, slowdown, count, RUN - 1)
    await guess(customers, slowdown, count, 1)
    with pytest.raises(TooManyRequests) as refused:
        await slowdown.take(customers.db, count)
    assert 3300 < refused.value.extra["retry_after_seconds"] <= 3600
    customers.db.clock.move(3600)
    await slowdown.take(customers.db, count)
    customers.db.clock.move(3000)
    with pytest.raises(TooManyRequests):
        await slowdown.take(customers.db, count)


async def test_where_the_owner_signed_in_before(customers, slowdown):
    account_id = await customers.join(email=EMAIL, username="mira")
    app = customers.configuration.application("demo")
    await guess(customers, slowdown, slowdown.at_sign_in(app, EMAIL, account_id, customers.here), RUN)
    own = replace(customers.here, device="d" * 32, device_account_id=account_id)
    with pytest.raises(CredentialsWrong):
        await customers.sign_in(EMAIL, WRONG, own)
    assert (await customers.sign_in(EMAIL, caller=own)).status == "complete"
    with pytest.raises(TooManyRequests):
        await customers.sign_in(EMAIL)


async def test_a_right_one_ends_it(customers, slowdown):
    account_id = await customers.join(email=EMAIL, username="mira")
    count = slowdown.at_sign_in(customers.configuration.application("demo"), EMAIL, account_id, customers.here)
    await guess(customers, slowdown, count, RUN)
    customers.db.clock.move(3600)
    assert (await customers.sign_in(EMAIL)).status == "complete"
    await guess(customers, slowdown, count, 5)


async def test_its_owner_is_told_once(customers, slowdown):
    account_id = await customers.join(email=EMAIL, username="mira")
    count = slowdown.at_sign_in(customers.configuration.application("demo"), EMAIL, account_id, customers.here)
    await guess(customers, slowdown, count, RUN - 2)
    for told in (0, 1, 1):
        customers.db.clock.move(3600)
        with pytest.raises(CredentialsWrong):
            await customers.sign_in(EMAIL, WRONG)
        await customers.work()
        found = await customers.told("password_guessed")
        assert len(found) == told
    assert len(found[0]["notices"]) == 1
