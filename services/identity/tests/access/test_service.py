"""What mfa is told of an account: where it is reached, as far as that is proven (R22)."""

from uuid import uuid4

import pytest
from identity.accounts import store as accounts
from identity.accounts.rules import Identifier
from servicekit.errors import NotFound


async def test_only_what_is_proven(customers, db):
    account_id = await customers.join(email="mira@posteo.example", username="mira", phone="+493415550141")
    assert (await customers.second_factors.proven(account_id, "email")).value == "mira@posteo.example"
    with pytest.raises(NotFound):
        await customers.second_factors.proven(account_id, "phone")
    async with db.transaction() as tx:
        await accounts.verify_identifier(tx, account_id, Identifier("phone", "+493415550141", "+493415550141"))
    assert (await customers.second_factors.proven(account_id, "phone")).value


async def test_of_nobody(customers):
    with pytest.raises(NotFound):
        await customers.second_factors.proven(uuid4(), "email")
