"""R23, E23, E24: the help desk helps with factors; who did what and why is kept, the customer is told, and no secret is seen."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from mfa.assistance.schemas import Act, NewBypass, NewFactor
from pydantic import ValidationError
from servicekit.errors import CodeWrong, FlowEnded, NotAllowedByPolicy, NotFound, TooManyRequests

MAIL = "mira.second@posteo.example"
WHY = "She lost her phone; asked by call 4711"


def said(actor: str = "rep-1") -> Any:
    return {"application": "demo", "actor": actor, "reason": WHY}


@pytest.fixture
async def app(desk):
    found = await desk.enrol()
    await desk.notices()
    return found


async def told(desk) -> list[tuple[str, str]]:
    return [(one["action"], one["actor"]) for one in await desk.told("assistance_given")]


class TestLook:
    async def test_masked_and_without_secrets(self, desk, app):
        await desk.begin("email", MAIL)
        found = await desk.made.assistances.look(desk.identity.account_id, "demo")
        assert [(one.kind, one.status, one.to, one.totp, one.codes) for one in found.factors] == [
            ("totp", "active", None, None, None), ("email", "pending", "m•••@p•••", None, None),
        ]  # fmt: skip
        assert (found.acts, found.bypasses) == ([], [])

    async def test_who_never_had_one(self, desk):
        with pytest.raises(NotFound):
            await desk.made.assistances.look(uuid4(), "demo")


class TestActs:
    async def test_added_it_counts_once_the_customer_has_confirmed_it(self, desk):
        """Nobody but who reads that mailbox sees the code."""
        mine = desk.identity.account_id
        factor_id = await desk.made.assistances.add(mine, NewFactor(**said(), kind="email", target=MAIL))
        assert (await desk.ask())[1].decision == "allow", "nothing counts yet"
        assert await told(desk) == [("factor_added", "rep-1")]
        assert await desk.notices() == ["assisted"]
        desk.db.clock.move(3600)
        await desk.made.assistances.send_again(mine, factor_id, Act(**said("rep-2")))
        code = (await desk.sent()).code
        assert (await desk.made.confirming.confirm(factor_id, code, desk.mira)).status == "active"
        acts = (await desk.made.assistances.look(mine, "demo")).acts
        assert [(one.act, one.actor, one.reason) for one in acts] == [("code_sent", "rep-2", WHY), ("factor_added", "rep-1", WHY)]

    async def test_added_for_nobody(self, desk):
        desk.identity.account_id, nobody = None, uuid4()
        with pytest.raises(NotFound):
            await desk.made.assistances.add(nobody, NewFactor(**said(), kind="email", target=MAIL))

    async def test_removed(self, desk, app):
        """With the last one the marker; devices are trusted no more; the reason stands in no event."""
        await desk.made.assistances.remove(desk.identity.account_id, app.id, Act(**said()))
        assert (await desk.ask())[1].decision == "allow"
        removed = await desk.told("factor_removed")
        assert [one["reason"] for one in removed] == ["admin"]
        assert "assisted" in await desk.notices()
        assert desk.identity.marked[-1][0] is False
        async with desk.db.read() as conn:
            assert not await conn.fetch("SELECT 1 FROM outbox WHERE value::text LIKE '%lost her phone%'")

    async def test_waits_are_lifted(self, desk, app):
        """OTP-5: strangers' guesses begin anew, and so do her own."""
        for _ in range(2):
            flow, _ = await desk.ask()
            for _ in range(5):
                with pytest.raises(Exception, match=r"isn't right|Too many|no longer"):
                    await desk.code(flow, "000000")
        flow, _ = await desk.ask()
        with pytest.raises(TooManyRequests):
            await desk.code(flow, "000000")
        await desk.made.assistances.lift(desk.identity.account_id, Act(**said()))
        with pytest.raises(CodeWrong):
            await desk.code(flow, "000000")
        assert await told(desk) == [("limit_lifted", "rep-1")]

    async def test_no_act_without_a_reason(self):
        for wrong in ({"reason": ""}, {"actor": ""}, {"reason": None}):
            with pytest.raises(ValidationError):
                Act(**{**said(), **wrong})

    async def test_of_another_store_or_person(self, desk, app):
        with pytest.raises(NotFound):
            await desk.made.assistances.remove(uuid4(), app.id, Act(**said()))
        with pytest.raises(NotFound):
            await desk.made.assistances.remove(desk.identity.account_id, UUID(int=1), Act(**said()))


class TestBypass:
    """E24: a while without the second step, by two people (E23)."""

    async def asked(self, desk, **more: Any) -> UUID:
        return await desk.made.assistances.ask_bypass(desk.identity.account_id, NewBypass(**said(), **more))

    async def approve(self, desk, bypass: UUID, actor: str = "rep-2") -> None:
        await desk.made.assistances.approve_bypass(desk.identity.account_id, bypass, Act(**said(actor)))

    async def test_needs_a_second_person(self, desk, app):
        bypass = await self.asked(desk)
        assert (await desk.ask())[1].decision == "challenge"
        for same in ("rep-1", " REP-1 "):
            with pytest.raises(NotAllowedByPolicy):
                await self.approve(desk, bypass, same)
        await self.approve(desk, bypass)
        assert (await desk.ask())[1].decision == "allow"
        assert (await desk.told("access_decided"))[-1]["reasons"] == ["bypass"]
        assert await told(desk) == [("bypass_requested", "rep-1"), ("bypass_granted", "rep-2")]
        assert (await desk.notices()).count("assisted") == 1

    async def test_once(self, desk, app):
        await self.approve(desk, await self.asked(desk))
        found = await asyncio.gather(*(desk.ask() for _ in range(10)))
        assert sorted(state.decision for _, state in found) == ["allow"] + ["challenge"] * 9

    async def test_for_a_time(self, desk, app):
        await self.approve(desk, await self.asked(desk, once=False, hours=2))
        for _ in range(2):
            assert (await desk.ask())[1].decision == "allow"
        desk.db.clock.move(2 * 3600)
        assert (await desk.ask())[1].decision == "challenge"

    async def test_never_for_a_step_up(self, desk, app):
        """STP-1: what is sensitive asks for the factor all the same."""
        await self.approve(desk, await self.asked(desk, once=False))
        assert (await desk.ask(desk.mira, "step_up"))[1].decision == "challenge"

    async def test_ended(self, desk, app):
        bypass = await self.asked(desk, once=False)
        await self.approve(desk, bypass)
        await desk.made.assistances.end_bypass(desk.identity.account_id, bypass, Act(**said()))
        assert (await desk.ask())[1].decision == "challenge"
        (shown,) = (await desk.made.assistances.look(desk.identity.account_id, "demo")).bypasses
        assert (shown.state, shown.requested_by, shown.approved_by) == ("ended", "rep-1", "rep-2")

    async def test_too_late_to_approve(self, desk, app):
        bypass = await self.asked(desk)
        desk.db.clock.move(86400)
        with pytest.raises(FlowEnded):
            await self.approve(desk, bypass)

    async def test_no_longer_than_a_day(self):
        for hours in (0, 25):
            with pytest.raises(ValidationError):
                NewBypass(**said(), hours=hours)


async def test_what_was_done_is_kept_for_a_year(desk, app):
    await desk.made.assistances.lift(desk.identity.account_id, Act(**said()))
    desk.db.clock.move(366 * 86400)
    await desk.made.assistances.purge()
    assert (await desk.made.assistances.look(desk.identity.account_id, "demo")).acts == []
