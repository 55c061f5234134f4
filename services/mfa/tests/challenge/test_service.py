"""OTP-3, OTP-5, MFA-4 to 6, MFA-10, INV-3, INV-13: a factor is asked for and proven by a code, against a real database."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from latchkey_contracts.http.factors import FactorCode
from servicekit.errors import CodeBurned, CodeWrong, FlowEnded, NotFound, Overloaded, TooManyRequests


@pytest.fixture
async def app(desk):
    """An authenticator app that counts."""
    return await desk.enrol()


class TestDecision:
    async def test_who_has_no_factor_needs_none(self, desk):
        _, state = await desk.ask()
        assert (state.decision, state.factors) == ("allow", [])
        assert [(one["decision"], one["reasons"]) for one in await desk.told("access_decided")] == [("allow", ["no_factor"])]

    async def test_best_first(self, desk, app):
        codes = await desk.enrol("recovery_codes")
        _, state = await desk.ask()
        assert [one.id for one in state.factors] == [app.id, codes.id]
        assert (state.decision, state.next) == ("challenge", ["code"])

    async def test_the_same_however_often_it_is_asked(self, desk, app):
        flow, first = await desk.ask()
        assert await desk.made.decisions.state(flow, desk.here) == first
        assert len(await desk.told("access_decided")) == 1

    async def test_only_the_asking_browser_sees_it(self, desk, app):
        flow, _ = await desk.ask()
        with pytest.raises(NotFound):
            await desk.made.decisions.state(flow, desk.elsewhere)


class TestMethodsOfAStepUp:
    """What `step_up_required` says: by what one begun now can be done."""

    async def test_best_first_each_kind_once(self, desk, app):
        for _ in range(2):
            await desk.enrol("recovery_codes")
        assert (await desk.made.decisions.step_up_methods(desk.mira)).methods == ["totp", "recovery_codes"]

    async def test_the_password_where_there_is_none(self, desk):
        assert (await desk.made.decisions.step_up_methods(desk.mira)).methods == ["password"]


class TestApp:
    async def test_right(self, desk, app):
        flow, _ = await desk.ask()
        assert await desk.code(flow, desk.app_code(app)) == "complete"
        state = await desk.made.decisions.state(flow, desk.here)
        assert (state.decision, state.methods) == ("proven", ["otp"])
        assert (await desk.made.factors.one(app.id, desk.mira)).last_used_at is not None

    async def test_as_people_type_it(self, desk, app):
        """OTP-8."""
        flow, _ = await desk.ask()
        code = desk.app_code(app)
        assert await desk.code(flow, f" {code[:3]}-{code[3:]} ") == "complete"

    async def test_each_code_once(self, desk, app):
        """OTP-3, over all flows: whoever looked over the shoulder is late."""
        code = desk.app_code(app)
        flow, _ = await desk.ask()
        assert await desk.code(flow, code) == "complete"
        other, _ = await desk.ask(desk.elsewhere)
        with pytest.raises(CodeWrong):
            await desk.code(other, code, desk.elsewhere)

    async def test_fifty_at_once_prove_one_flow_each(self, desk, app):
        """INV-3, INV-13: one code, fifty flows, one winner."""
        flows = [(await desk.ask())[0] for _ in range(10)]
        code = desk.app_code(app)
        found = await asyncio.gather(*(desk.code(flow, code) for flow in flows * 5), return_exceptions=True)
        async with desk.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM challenge WHERE status = 'proven'") == 1
        assert "complete" in found

    async def test_the_one_that_confirmed_it_is_spent(self, desk):
        pending = await desk.begin()
        code = desk.app_code(pending)
        await desk.made.confirming.confirm(pending.id, code, desk.mira)
        flow, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(flow, code)


class TestRecoveryCode:
    async def test_once(self, desk, app):
        codes = (await desk.enrol("recovery_codes")).codes
        flow, _ = await desk.ask()
        assert await desk.code(flow, codes[3].lower()) == "complete"
        other, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(other, codes[3])
        assert "recovery_code_used" in await desk.notices()

    async def test_fifty_at_once(self, desk, app):
        codes = (await desk.enrol("recovery_codes")).codes
        flows = [(await desk.ask())[0] for _ in range(5)]
        await asyncio.gather(*(desk.code(flow, codes[0]) for flow in flows), return_exceptions=True)
        async with desk.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM challenge WHERE status = 'proven'") == 1
            assert await conn.fetchval("SELECT count(*) FROM recovery_code WHERE used_at IS NOT NULL") == 1

    async def test_somebody_else_s_is_wrong(self, desk, app):
        await desk.enrol("recovery_codes")
        flow, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(flow, "A" * 16)


class TestWrong:
    async def test_the_fifth_ends_the_attempt(self, desk, app):
        """OTP-5."""
        flow, _ = await desk.ask()
        for left in (4, 3, 2, 1):
            with pytest.raises(CodeWrong) as refused:
                await desk.code(flow, "000000")
            assert refused.value.extra == {"tries_left": left}
        with pytest.raises(CodeBurned):
            await desk.code(flow, "000000")
        with pytest.raises(FlowEnded):
            await desk.code(flow, desk.app_code(app))
        assert (await desk.made.decisions.state(flow, desk.here)).decision == "ended"
        failed = await desk.told("challenge_failed")
        assert [one["ended"] for one in failed] == [False] * 4 + [True]

    async def test_guesses_at_once_are_counted_one_after_the_other(self, desk, app):
        """INV-13."""
        flow, _ = await desk.ask()
        found = await asyncio.gather(*(desk.code(flow, f"{one:06}") for one in range(50)), return_exceptions=True)
        assert sum(isinstance(one, CodeWrong) for one in found) == 4
        assert sum(isinstance(one, CodeBurned) for one in found) == 1
        assert sum(isinstance(one, FlowEnded) for one in found) == 45

    async def test_recovery_codes_are_counted_with_them(self, desk, app):
        await desk.enrol("recovery_codes")
        flow, _ = await desk.ask()
        for typed in ("000000", "A" * 16, "000000", "B" * 16):
            with pytest.raises(CodeWrong):
                await desk.code(flow, typed)
        with pytest.raises(CodeBurned):
            await desk.code(flow, "C" * 16)

    async def test_slowed_down_over_all_flows(self, desk, app):
        """OTP-5, BRF-3: growing, and a browser that was here before isn't kept out by it."""
        for _ in range(2):
            flow, _ = await desk.ask()
            for _ in range(5):
                with pytest.raises((CodeWrong, CodeBurned)):
                    await desk.code(flow, "000000")
        flow, _ = await desk.ask()
        with pytest.raises(TooManyRequests):
            await desk.code(flow, desk.app_code(app))
        known = replace(desk.here, device="her-laptop", device_account_id=desk.identity.account_id)
        assert await desk.code(flow, desk.app_code(app), known) == "complete"

    async def test_the_owner_is_told_once_an_hour(self, desk, app):
        """MFA-10: somebody knows the password."""
        await desk.notices()
        flow, _ = await desk.ask()
        for _ in range(3):
            with pytest.raises(CodeWrong):
                await desk.code(flow, "000000")
        assert (await desk.notices()).count("factor_failed") == 1

    async def test_elsewhere_it_is_no_flow(self, desk, app):
        """OTP-4, LNK-3: and no try either."""
        flow, _ = await desk.ask()
        with pytest.raises(NotFound):
            await desk.code(flow, desk.app_code(app), desk.elsewhere)
        with pytest.raises(NotFound):
            await desk.code(UUID(int=1), desk.app_code(app))
        assert await desk.code(flow, desk.app_code(app)) == "complete"

    async def test_too_late(self, desk, app):
        flow, _ = await desk.ask()
        desk.db.clock.move(601)
        with pytest.raises(FlowEnded):
            await desk.code(flow, desk.app_code(app))


class TestGuessing:
    """OTP-5: a hundred wrong ones in a row; never a lock that a stranger can cause."""

    @pytest.fixture
    async def guessed(self, desk, app):
        """A stranger who has the password has typed ninety-nine, over days."""
        await desk.enrol("email", "mira.codes@posteo.example")
        async with desk.db.transaction() as tx:
            for _ in range(99):
                await desk.made.tools.onetime.count_wrong(tx, "sign_in", str(desk.identity.account_id))
        await desk.notices()
        return replace(desk.here, device="her-laptop", device_account_id=desk.identity.account_id)

    async def test_from_the_hundredth_on_unknown_devices_wait(self, desk, app, guessed):
        flow, _ = await desk.ask(desk.elsewhere)
        with pytest.raises(CodeWrong):
            await desk.code(flow, "000000", desk.elsewhere)
        assert (await desk.notices()).count("factor_guessed") == 1
        flow, _ = await desk.ask()
        with pytest.raises(TooManyRequests) as waits:
            await desk.code(flow, desk.app_code(app))
        assert waits.value.extra["retry_after_seconds"] > 3500
        desk.db.clock.move(3601)
        flow, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(flow, "000000")
        with pytest.raises(TooManyRequests):
            await desk.code(flow, "000000")
        flow, _ = await desk.ask(guessed)
        assert await desk.code(flow, desk.app_code(app), guessed) == "complete", "a known device goes on, and ends it"
        flow, _ = await desk.ask()
        for _ in range(4):
            with pytest.raises(CodeWrong):
                await desk.code(flow, "000000")
        assert (await desk.notices()).count("factor_guessed") == 1, "told once"

    async def test_codes_are_longer(self, desk, app, guessed):
        for wrong, digits in ((0, 6), (1, 8)):
            flow, _ = await desk.ask()
            for _ in range(wrong):
                with pytest.raises(CodeWrong):
                    await desk.code(flow, "000000")
            assert (await desk.send(flow)).code_digits == digits, "and the page is told so"
            assert (await desk.made.decisions.state(flow, desk.here)).code_digits == digits
            assert len((await desk.sent()).code) == digits
            desk.db.clock.move(20)

    async def test_a_trusted_device_is_the_owner_s(self, desk, app, guessed):
        async with desk.db.transaction() as tx:
            await desk.made.devices.trust(tx, desk.configuration.application("demo"), desk.identity.account_id, guessed)
        flow, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(flow, "000000")
        assert (await desk.ask(guessed))[1].decision == "allow"
        flow, _ = await desk.ask()
        assert await desk.code(flow, desk.app_code(app)) == "complete"


class TestCrash:
    async def test_identity_away_after_the_proof(self, desk, app):
        """INV-3: the code is spent, the flow is proven; the next press goes on."""
        flow, _ = await desk.ask()
        code = desk.app_code(app)
        desk.identity.away = True
        with pytest.raises(Overloaded):
            await desk.code(flow, code)
        desk.identity.away = False
        assert await desk.code(flow, code) == "complete"
        assert len(await desk.told("challenge_succeeded")) == 1


class TestStepUp:
    async def test_by_the_session_that_asked(self, desk, app):
        flow, _ = await desk.ask(desk.mira, "step_up")
        body = FactorCode(code=desk.app_code(app))
        for stranger in (replace(desk.mira, session_id=UUID(int=1)), replace(desk.mira, account_id=UUID(int=1))):
            with pytest.raises(NotFound):
                await desk.made.challenges.step_up_code(flow, body, stranger)
        with pytest.raises(NotFound):
            await desk.code(flow, body.code)
        assert (await desk.made.challenges.step_up_code(flow, body, desk.mira)).grant == "granted"

    async def test_a_sign_in_is_none(self, desk, app):
        flow, _ = await desk.ask(desk.mira)
        with pytest.raises(NotFound):
            await desk.made.challenges.step_up_code(flow, FactorCode(code=desk.app_code(app)), desk.mira)
