"""How many round trips to the database a reset's steps may take: a bound for each, so that none grows unseen (ENU-2)."""

import pytest
from latchkey_contracts.http.links import ConfirmRequest
from testkit.statements import recorded

UNKNOWN = "nobody@posteo.example"


@pytest.mark.parametrize("typed", ["mira@posteo.example", UNKNOWN])
async def test_start(desk, typed: str):
    await desk.start(typed="somebody@posteo.example")  # whatever is done once is done
    with recorded(desk.db) as statements:
        await desk.start(typed=typed)
    assert len(statements) <= 5, statements


async def test_start_that_waits_its_turn(desk):
    """Its message is spaced (R19)."""
    await desk.start()
    with recorded(desk.db) as statements:
        await desk.start()
    assert len(statements) <= 10, statements


async def test_known_and_unknown_ask_the_same(desk):
    """ENU-2."""
    asked = []
    for typed in (desk.mail, UNKNOWN):
        with recorded(desk.db) as statements:
            await desk.start(typed=typed)
        asked.append(list(statements))
    assert asked[0] == asked[1]


async def test_confirm_by_code(desk):
    flow = await desk.asked()
    code = await desk.code()
    with recorded(desk.db) as statements:
        await desk.resets.by_code("demo", flow.id, code, desk.here)
    assert len(statements) <= 14, statements


async def test_confirm_by_link(desk):
    await desk.asked()
    token = await desk.token()
    with recorded(desk.db) as statements:
        await desk.made.links.confirm("demo", ConfirmRequest(token=token), desk.here)
    assert len(statements) <= 14, statements
