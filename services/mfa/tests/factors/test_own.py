"""R22: what an activation or a reset has proven already is made a factor in one press."""

from dataclasses import replace

import pytest
from latchkey_contracts.http.factors import FactorRequest
from servicekit.errors import Overloaded, StepUpRequired, ValidationFailed
from servicekit.web.idempotency import Replay

OWN = FactorRequest(kind="email")
GRANT = {"kind": "email"}


async def test_it_counts_at_once(desk):
    added = await desk.made.confirming.add(OWN, desk.granted("factor.add", GRANT))
    assert (added.status, added.kind, added.to) == ("active", "email", "m•••@p•••")
    assert [enrolled for enrolled, _ in desk.identity.marked] == [True]
    async with desk.db.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM work WHERE kind = 'factor.activate'") == 1
    assert desk.identity.active_when_marked == [0], "identity knows first"
    assert [one.id for one in (await desk.made.factors.listing(desk.mira)).items] == [added.id]
    assert await desk.notices() == ["factor_added"]
    async with desk.db.read() as conn:
        assert await conn.fetchval("SELECT count(*) FROM one_time_secret") == 0, "nothing is sent"


async def test_needs_a_grant_of_its_own(desk):
    """STP-2: one for an address that was typed is another."""
    for caller in (desk.mira, desk.granted("factor.add", {"kind": "email", "target": "mira@posteo.example"})):
        with pytest.raises(StepUpRequired):
            await desk.made.confirming.add(OWN, caller)
    assert (await desk.made.factors.listing(desk.mira)).items == []


async def test_where_none_is_proven(desk):
    desk.identity.proven.clear()
    with pytest.raises(ValidationFailed) as refused:
        await desk.made.confirming.add(OWN, desk.granted("factor.add", GRANT))
    assert [(one.field, one.code) for one in refused.value.errors] == [("/target", "required")]


async def test_twice(desk):
    await desk.made.confirming.add(OWN, desk.granted("factor.add", GRANT))
    with pytest.raises(ValidationFailed):
        await desk.made.confirming.add(OWN, desk.granted("factor.add", GRANT))
    caller = replace(desk.granted("factor.add", {"kind": "totp"}), idempotency_key="ab" * 32, fingerprint="f")
    begun = await desk.made.confirming.add(FactorRequest(kind="totp"), caller)
    with pytest.raises(Replay) as again:
        await desk.made.confirming.add(FactorRequest(kind="totp"), caller)
    assert str(begun.id) in str(again.value.body)


async def test_identity_dies_in_between(desk):
    """It counts once identity knows, by itself."""
    ask = desk.identity.send

    async def send(method, url, *more):
        desk.identity.away = url.endswith("/second-factor")
        return await ask(method, url, *more)

    desk.identity.send = send
    with pytest.raises(Overloaded):
        await desk.made.confirming.add(OWN, desk.granted("factor.add", GRANT))
    assert [one.status for one in (await desk.made.factors.listing(desk.mira)).items] == ["pending"]
    desk.identity.send, desk.identity.away = ask, False
    desk.db.clock.move(31)
    await desk.work()
    assert [one.status for one in (await desk.made.factors.listing(desk.mira)).items] == ["active"]
