"""R22, R39, MFA-8, D29, D30, D39: factors of the signed-in customer, against a real database."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from latchkey_contracts.http.factors import FactorRequest
from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    NotAllowedByPolicy,
    NotFound,
    Overloaded,
    StepUpRequired,
    ValidationFailed,
)

NOBODY = UUID(int=1)


class TestAdding:
    async def test_needs_a_grant(self, desk):
        """STP-1: a session alone adds nothing."""
        with pytest.raises(StepUpRequired) as refused:
            await desk.made.factors.add(FactorRequest(kind="totp"), desk.mira)
        assert refused.value.extra == {"action": "factor.add", "payload": {"kind": "totp"}}
        assert (await desk.made.factors.listing(desk.mira)).items == []

    async def test_counts_once_it_is_confirmed(self, desk):
        """MFA-4: active only after a confirmed code."""
        pending = await desk.begin()
        assert (pending.status, pending.totp is not None) == ("pending", True)
        (shown,) = (await desk.made.factors.listing(desk.mira)).items
        assert (shown.id, shown.status, shown.totp) == (pending.id, "pending", None), "its secret is not told again"
        assert (await desk.ask())[1].decision == "allow"
        done = await desk.made.confirming.confirm(pending.id, desk.app_code(pending), desk.mira)
        assert (done.status, done.totp) == ("active", None)
        assert [one.id for one in (await desk.made.factors.listing(desk.mira)).items] == [pending.id]
        assert [one["kind"] for one in await desk.told("factor_enrolled")] == ["totp"]
        assert await desk.notices() == ["factor_added"]

    async def test_what_can_no_longer_be_confirmed_is_not_shown(self, desk):
        await desk.begin("totp")
        await desk.begin("email", "mira.codes@posteo.example")
        assert [one.status for one in (await desk.made.factors.listing(desk.mira)).items] == ["pending", "pending"]
        desk.db.clock.move(900)
        assert (await desk.made.factors.listing(desk.mira)).items == []

    async def test_identity_knows_before_it_counts(self, desk):
        """An acknowledged enrolment protects the very next sign-in, also while Kafka is away."""
        await desk.enrol()
        assert desk.identity.marked == [(True, 1)]
        assert desk.identity.active_when_marked == [0]

    async def test_identity_away(self, desk):
        """Nothing counts that identity doesn't know of; what was proven goes on by itself, once."""
        pending = await desk.begin()
        desk.identity.away = True
        with pytest.raises(Overloaded):
            await desk.made.confirming.confirm(pending.id, desk.app_code(pending), desk.mira)
        assert (await desk.made.factors.one(pending.id, desk.mira)).status == "pending"
        desk.identity.away = False
        desk.db.clock.move(6)
        await desk.work()
        assert (await desk.made.factors.one(pending.id, desk.mira)).status == "active"
        assert len(await desk.told("factor_enrolled")) == 1

    async def test_confirmed_again_after_a_lost_answer(self, desk):
        pending = await desk.begin()
        code = desk.app_code(pending)
        for _ in range(2):
            assert (await desk.made.confirming.confirm(pending.id, code, desk.mira)).status == "active"
        desk.db.clock.move(6)
        await desk.work()
        assert len(await desk.told("factor_enrolled")) == 1

    async def test_wrong_codes_end_it(self, desk):
        pending = await desk.begin()
        for left in (4, 3, 2, 1):
            with pytest.raises(CodeWrong) as refused:
                await desk.made.confirming.confirm(pending.id, "000000", desk.mira)
            assert refused.value.extra == {"tries_left": left}
        with pytest.raises(CodeBurned):
            await desk.made.confirming.confirm(pending.id, "000000", desk.mira)
        with pytest.raises(NotFound):
            await desk.made.confirming.confirm(pending.id, desk.app_code(pending), desk.mira)
        assert desk.identity.marked == []

    async def test_no_code_is_no_guess(self, desk):
        pending = await desk.begin()
        with pytest.raises(ValidationFailed):
            await desk.made.confirming.confirm(pending.id, None, desk.mira)

    async def test_too_late(self, desk):
        pending = await desk.begin()
        desk.db.clock.move(15 * 60)
        with pytest.raises(CodeExpired):
            await desk.made.confirming.confirm(pending.id, desk.app_code(pending), desk.mira)
        with pytest.raises(NotFound):
            await desk.made.factors.one(pending.id, desk.mira)

    async def test_begun_again(self, desk):
        """The newer one counts; two half-made ones never lie side by side."""
        first, second = await desk.begin(), await desk.begin()
        with pytest.raises(NotFound):
            await desk.made.confirming.confirm(first.id, desk.app_code(first), desk.mira)
        assert (await desk.made.confirming.confirm(second.id, desk.app_code(second), desk.mira)).status == "active"

    async def test_a_target_where_there_is_none(self, desk):
        with pytest.raises(ValidationFailed):
            await desk.made.factors.add(FactorRequest(kind="totp", target="x"), desk.mira)

    async def test_secrets_are_encrypted(self, desk, db):
        pending = await desk.begin()
        async with db.read() as conn:
            stored = await conn.fetchval("SELECT secret FROM factor")
        assert pending.totp.secret.encode() not in stored
        assert len(stored) == 12 + 20 + 16

    async def test_switched_off(self, desk):
        """D30: hidden at once, and kept; on again there is no new enrolment."""
        await desk.enrol()
        desk.policy(totp={"enabled": False})
        assert (await desk.made.factors.listing(desk.mira)).items == []
        assert "totp" not in (await desk.made.factors.listing(desk.mira)).offered
        with pytest.raises(NotAllowedByPolicy):
            await desk.begin()
        desk.policy()
        assert len((await desk.made.factors.listing(desk.mira)).items) == 1


class TestRecoveryCodes:
    async def test_only_beside_another_factor(self, desk):
        """MFA-6: they stand in for one."""
        assert "recovery_codes" not in (await desk.made.factors.listing(desk.mira)).offered
        with pytest.raises(NotAllowedByPolicy):
            await desk.begin("recovery_codes")

    async def test_shown_until_confirmed_and_never_again(self, desk, db):
        """MFA-5."""
        await desk.enrol()
        pending = await desk.begin("recovery_codes")
        assert (await desk.made.factors.one(pending.id, desk.mira)).codes == pending.codes
        done = await desk.made.confirming.confirm(pending.id, None, desk.mira)
        assert (done.codes, done.codes_left) == (None, 10)
        assert (await desk.made.factors.one(pending.id, desk.mira)).codes is None
        async with db.read() as conn:
            assert await conn.fetchval("SELECT secret FROM factor WHERE kind = 'recovery_codes'") is None

    async def test_a_new_set_replaces_the_old_one(self, desk):
        await desk.enrol()
        old = await desk.enrol("recovery_codes")
        new = await desk.begin("recovery_codes")
        flow, _ = await desk.ask()
        assert await desk.code(flow, old.codes[0]) == "complete", "until the new set is confirmed"
        await desk.made.confirming.confirm(new.id, None, desk.mira)
        flow, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(flow, old.codes[1])
        assert await desk.code(flow, new.codes[0]) == "complete"
        assert [(one["kind"], one["reason"]) for one in await desk.told("factor_removed")] == [("recovery_codes", "replaced")]


class TestRemoving:
    def granted(self, desk, factor_id):
        return desk.granted("factor.remove", {"factor_id": str(factor_id)})

    async def test_needs_a_grant_for_this_very_factor(self, desk):
        factor, other = await desk.enrol(), await desk.enrol()
        for caller in (desk.mira, self.granted(desk, other.id)):
            with pytest.raises(StepUpRequired) as refused:
                await desk.made.factors.remove(factor.id, caller)
            assert refused.value.extra == {"action": "factor.remove", "payload": {"factor_id": str(factor.id)}}
        await desk.made.factors.remove(factor.id, self.granted(desk, factor.id))
        assert [one.id for one in (await desk.made.factors.listing(desk.mira)).items] == [other.id]
        assert (await desk.ask())[1].decision == "challenge"

    async def test_the_last_one_takes_the_marker_and_the_recovery_codes_with_it(self, desk):
        factor = await desk.enrol()
        await desk.enrol("recovery_codes")
        await desk.notices()
        await desk.made.factors.remove(factor.id, self.granted(desk, factor.id))
        assert (await desk.ask())[1].decision == "allow"
        assert "factor_removed" in await desk.notices()
        assert desk.identity.marked[-1] == (False, 3)
        assert [one["kind"] for one in await desk.told("factor_removed")] == ["totp", "recovery_codes"]

    async def test_a_late_unmark_is_older_than_a_new_enrolment(self, desk):
        """Whatever order the two calls reach identity in, the newer version wins there."""
        factor = await desk.enrol()
        await desk.made.factors.remove(factor.id, self.granted(desk, factor.id))
        await desk.enrol()
        await desk.work()
        assert max(desk.identity.marked, key=lambda one: one[1])[0] is True

    async def test_one_that_was_only_begun_goes_without(self, desk):
        pending = await desk.begin()
        await desk.made.factors.remove(pending.id, desk.mira)
        assert await desk.told("factor_removed") == []


class TestOthers:
    async def test_see_nothing_of_it(self, desk):
        """API-1."""
        factor = await desk.enrol()
        stranger = replace(desk.mira, account_id=NOBODY)
        for call in (
            desk.made.factors.one(factor.id, stranger),
            desk.made.factors.rename(factor.id, "mine", stranger),
            desk.made.factors.remove(factor.id, stranger),
            desk.made.confirming.confirm(factor.id, "123456", stranger),
        ):
            with pytest.raises(NotFound):
                await call
        assert (await desk.made.factors.listing(stranger)).items == []


async def test_renamed(desk):
    factor = await desk.enrol()
    assert (await desk.made.factors.rename(factor.id, "Work phone", desk.mira)).name == "Work phone"


async def test_confirmed_fifty_times_at_once(desk):
    """INV-13: one enrolment, one event."""
    pending = await desk.begin()
    code = desk.app_code(pending)
    found = await asyncio.gather(
        *(desk.made.confirming.confirm(pending.id, code, desk.mira) for _ in range(50)), return_exceptions=True
    )
    assert {getattr(one, "status", one) for one in found} == {"active"}
    assert len(await desk.told("factor_enrolled")) == 1
