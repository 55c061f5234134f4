"""R23, E23, E24: the help desk helps with factors; who did what and why is kept, the customer is told, and no secret is seen."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from mfa.assistance.schemas import Act, CallerCode, NewBypass, NewCallerCheck, NewFactor, NoticeAgain
from pydantic import ValidationError
from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    FlowEnded,
    NotAllowedByPolicy,
    NotFound,
    TooManyRequests,
    ValidationFailed,
)

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


class TestCaller:
    """E24: whoever calls proves who they are by a code that goes to the account's own address or number."""

    async def begin(self, desk, channel: Any = "email") -> Any:
        return await desk.made.callers.begin(desk.identity.account_id, NewCallerCheck(**said(), channel=channel))

    async def tell(self, desk, check: Any, code: str | None, actor: str = "rep-1") -> Any:
        mine = desk.identity.account_id
        return await desk.made.callers.code(mine, check.id, CallerCode(**said(actor), code=code or ""))

    async def test_to_what_the_account_has_proven(self, desk):
        """Also of who never had a factor; the helper sees where it went, masked, and never the code."""
        check = await self.begin(desk)
        assert (check.state, check.to, check.asked_by, check.verified_until) == ("waiting", "m•••@p•••", "rep-1", None)
        issued = (await desk.told("challenge_issued"))[-1]
        assert (issued["purpose"], issued["channel"], issued["factor_id"]) == ("caller", "email", None)
        code = (await desk.sent()).code
        assert code not in check.model_dump_json()
        desk.db.clock.move(1)
        done = await self.tell(desk, check, f" {code[:3]} {code[3:]} ", "rep-2")
        assert (done.state, done.verified_by) == ("verified", "rep-2")
        assert done.verified_until == desk.db.clock.now() + timedelta(minutes=15)
        assert await told(desk) == [("caller_code_sent", "rep-1"), ("caller_verified", "rep-2")]
        assert await desk.notices() == ["assisted"]
        found = await desk.made.assistances.look(desk.identity.account_id, "demo")
        assert [one.verified_until for one in found.caller_checks] == [done.verified_until]
        assert [(one.act, one.reason) for one in found.acts] == [("caller_verified", WHY), ("caller_code_sent", WHY)]
        assert await self.tell(desk, check, "000000") == done, "the lost answer comes again"

    async def test_to_a_factor_where_there_is_one(self, desk):
        factor = await desk.enrol("email", MAIL)
        await self.begin(desk)
        assert (await desk.told("challenge_issued"))[-1]["factor_id"] == str(factor.id)
        flow, _ = await desk.ask()
        code = (await desk.sent()).code
        with pytest.raises(CodeWrong):
            await desk.code(flow, code)  # it opens nothing else

    async def test_wrong_ones_are_counted(self, desk):
        check = await self.begin(desk)
        right = (await desk.sent()).code
        for left in (4, 3, 2, 1):
            with pytest.raises(CodeWrong) as refused:
                await self.tell(desk, check, "00000x")
            assert refused.value.extra["tries_left"] == left
        with pytest.raises(CodeBurned):
            await self.tell(desk, check, "00000x")
        with pytest.raises(FlowEnded):
            await self.tell(desk, check, right)
        assert await told(desk) == [("caller_code_sent", "rep-1"), ("caller_refused", "rep-1")]
        assert await desk.notices() == ["assisted"], "the owner is told that somebody tried"

    async def test_too_late(self, desk):
        check = await self.begin(desk)
        code = (await desk.sent()).code
        desk.db.clock.move(360)
        with pytest.raises(CodeExpired):
            await self.tell(desk, check, code)
        (shown,) = (await desk.made.assistances.look(desk.identity.account_id, "demo")).caller_checks
        assert shown.state == "ended"

    async def test_again_by_the_20_s_rule(self, desk):
        """D18: and the code before is dead."""
        check = await self.begin(desk)
        first = (await desk.sent()).code
        with pytest.raises(TooManyRequests):
            await self.begin(desk)
        desk.db.clock.move(20)
        other = await self.begin(desk)
        for one in (check, other):
            with pytest.raises((CodeWrong, FlowEnded)):
                await self.tell(desk, one, first)
        assert (await self.tell(desk, other, (await desk.sent()).code)).state == "verified"

    async def test_many_at_once(self, desk):
        """One right one, said once."""
        check = await self.begin(desk)
        code = (await desk.sent()).code
        found = await asyncio.gather(*(self.tell(desk, check, code) for _ in range(10)))
        assert {one.state for one in found} == {"verified"}
        assert [one for one, _ in await told(desk)].count("caller_verified") == 1

    async def test_nothing_is_reached_that_way(self, desk):
        with pytest.raises(ValidationFailed):
            await self.begin(desk, "sms")
        desk.identity.proven["phone"] = "+493415550141"
        assert (await self.begin(desk, "sms")).to == "•••41"

    async def test_of_another_person(self, desk):
        check = await self.begin(desk)
        with pytest.raises(NotFound):
            await desk.made.callers.code(uuid4(), check.id, CallerCode(**said(), code="000000"))


class TestToldAgain:
    """E24: the last notice once more; never a code or a link that opens something."""

    async def again(self, desk, what: str | None = None) -> None:
        await desk.made.assistances.tell_again(desk.identity.account_id, NoticeAgain(**said(), what=what))

    async def test_the_newest(self, desk, app):
        await desk.made.assistances.lift(desk.identity.account_id, Act(**said()))
        await desk.notices()
        listed = (await desk.made.assistances.look(desk.identity.account_id, "demo")).notices
        assert sorted(one.what for one in listed) == ["assisted", "factor_added"]
        await self.again(desk)
        assert await desk.notices() == ["assisted", "factor_added", "factor_added"]
        first, second = [one for one in await desk.told("security_notice_requested") if one["what"] == "factor_added"]
        assert first["at"] == second["at"], "of when it happened"
        assert (await told(desk))[-1] == ("notice_sent", "rep-1")

    async def test_by_its_kind_and_by_the_20_s_rule(self, desk, app):
        await self.again(desk, "factor_added")
        with pytest.raises(TooManyRequests):
            await self.again(desk)
        desk.db.clock.move(20)
        with pytest.raises(NotFound):
            await self.again(desk, "factor_removed")

    async def test_forgotten_after_90_days(self, desk, app):
        desk.db.clock.move(91 * 86400)
        await desk.made.notices.purge()
        with pytest.raises(NotFound):
            await self.again(desk)


async def test_what_was_done_is_kept_for_a_year(desk, app):
    await desk.made.assistances.lift(desk.identity.account_id, Act(**said()))
    desk.db.clock.move(366 * 86400)
    await desk.made.assistances.purge()
    assert (await desk.made.assistances.look(desk.identity.account_id, "demo")).acts == []
