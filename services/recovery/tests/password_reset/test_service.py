"""Resets against a real database: what counts as proof, in which window, and what a stranger can't take away."""

import asyncio
from dataclasses import replace

import pytest
from latchkey_contracts.http.links import ConfirmedElsewhere, ConfirmRequest
from servicekit import errors
from servicekit.proof import MAX_WRONG, hash_token, new_token, service_of

MINUTE, HOUR = 60, 3600
NEW = "seven copper lanterns drifting north"


class TestPress:
    async def test_here(self, desk):
        """REC-1, REC-3: the press leads to a new password, which identity gets with when it was asked for."""
        flow = await desk.asked()
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.here)
        assert (answer.id, answer.status, answer.next) == (flow.id, "new_password", ["password"])
        assert (await desk.made.new_passwords.choose("demo", flow.id, NEW, desk.here)).status == "complete"
        assert desk.identity.passwords == [NEW]
        assert len(await desk.told("reset_completed")) == 1

    async def test_elsewhere_with_the_number(self, desk):
        """LNK-3: the asking window goes on; the other is told no more than that."""
        flow = await desk.asked()
        token = await desk.token()
        with pytest.raises(errors.LinkOtherBrowser):
            await desk.resets.confirm("demo", ConfirmRequest(token=token), desk.elsewhere)
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=token, match=flow.match), desk.elsewhere)
        assert answer == ConfirmedElsewhere()
        assert (await desk.resets.read("demo", flow.id, desk.here)).status == "new_password"

    async def test_a_wrong_number_ends_the_link(self, desk):
        """LNK-3, D17: and the window that asked says so."""
        flow = await desk.asked()
        token, wrong = await desk.token(), "10" if flow.match != "10" else "11"
        with pytest.raises(errors.MatchWrong):
            await desk.resets.confirm("demo", ConfirmRequest(token=token, match=wrong), desk.elsewhere)
        with pytest.raises(errors.LinkEnded):
            await desk.resets.confirm("demo", ConfirmRequest(token=token), desk.here)
        assert (await desk.resets.read("demo", flow.id, desk.here)).link_ended

    async def test_the_code_of_that_mail_lives(self, desk):
        """The page of the window that asked still offers its field."""
        flow = await desk.asked()
        token, code, wrong = await desk.token(), await desk.code(), "10" if flow.match != "10" else "11"
        with pytest.raises(errors.MatchWrong):
            await desk.resets.confirm("demo", ConfirmRequest(token=token, match=wrong), desk.elsewhere)
        assert (await desk.resets.by_code("demo", flow.id, code, desk.here)).status == "new_password"
        with pytest.raises(errors.LinkUsed):
            await desk.resets.confirm("demo", ConfirmRequest(token=token), desk.here)

    async def test_once_of_many(self, desk):
        """LNK-6."""
        await desk.asked()
        body = ConfirmRequest(token=await desk.token())
        pressed = (desk.resets.confirm("demo", body, desk.here) for _ in range(5))
        results = await asyncio.gather(*pressed, return_exceptions=True)
        assert sorted(type(one).__name__ for one in results) == ["LinkUsed"] * 4 + ["ResetFlow"]

    async def test_the_token_says_whose_it_is(self, desk):
        """LNK-7."""
        await desk.asked()
        assert service_of(await desk.token()) == "recovery"

    async def test_links_of_the_release_before_work(self, desk):
        """REL-14: their tokens said nothing of a service, and are in mailboxes."""
        await desk.asked()
        token = new_token()
        async with desk.db.transaction() as tx:
            await tx.execute("UPDATE one_time_secret SET link_hash = $1", hash_token(token))
        assert (await desk.made.links.confirm("demo", ConfirmRequest(token=token), desk.here)).status == "new_password"

    async def test_first_success_ends_all_others(self, desk, clock):
        """LNK-9: and whoever only asked sees no difference (ENU-1)."""
        other = await desk.asked(desk.elsewhere)
        older = await desk.token()
        clock.move(MINUTE)
        await desk.asked()
        before = await desk.resets.read("demo", other.id, desk.elsewhere)
        await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.here)
        with pytest.raises(errors.LinkEnded):
            await desk.resets.confirm("demo", ConfirmRequest(token=older), desk.elsewhere)
        assert await desk.resets.read("demo", other.id, desk.elsewhere) == before


class TestCode:
    async def test_five_wrong_burn_it(self, desk):
        """OTP-5: the right one comes too late, the link lives."""
        flow = await desk.asked()
        for left in range(MAX_WRONG - 1, 0, -1):
            with pytest.raises(errors.CodeWrong) as told:
                await desk.resets.by_code("demo", flow.id, "not it", desk.here)
            assert told.value.extra["tries_left"] == left
        for typed in ("not it", await desk.code()):
            with pytest.raises(errors.CodeBurned):
                await desk.resets.by_code("demo", flow.id, typed, desk.here)
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.here)
        assert answer.status == "new_password"

    async def test_elsewhere_the_right_one_is_a_wrong_try(self, desk):
        """OTP-4: counted, and answered as if there were no such flow."""
        flow = await desk.asked()
        with pytest.raises(errors.NotFound):
            await desk.resets.by_code("demo", flow.id, await desk.code(), desk.elsewhere)
        with pytest.raises(errors.CodeWrong) as told:
            await desk.resets.by_code("demo", flow.id, "not it", desk.here)
        assert told.value.extra["tries_left"] == MAX_WRONG - 2

    async def test_unknown_names_are_counted_alike(self, desk):
        """ENU-1."""
        flow = await desk.asked(typed="nobody@posteo.example")
        assert flow.status == "check_your_messages"
        for expected in [errors.CodeWrong] * (MAX_WRONG - 1) + [errors.CodeBurned]:
            with pytest.raises(expected):
                await desk.resets.by_code("demo", flow.id, "123456", desk.here)

    async def test_a_password_needs_a_proof(self, desk):
        """REC-3."""
        flow = await desk.asked()
        with pytest.raises(errors.StepMissing):
            await desk.made.new_passwords.choose("demo", flow.id, NEW, desk.here)
        assert desk.identity.passwords == []


class TestStartHere:
    async def test_whoever_holds_the_mail_goes_on_in_her_own_window(self, desk, clock):
        """R19, LNK-3: the window that asked is gone, or a stranger's."""
        stranger = await desk.asked(desk.elsewhere)
        assert (await desk.resets.inspect("demo", await desk.token(), desk.here)).state == "other_browser"
        clock.move(MINUTE)
        flow = await desk.resets.renew("demo", await desk.token(), desk.here)
        await desk.work()
        assert flow.id != stranger.id
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.here)
        assert (answer.id, answer.status) == (flow.id, "new_password")

    async def test_what_a_stranger_typed_stays_unsaid(self, desk, clock):
        """ENU-3."""
        await desk.asked(desk.elsewhere)
        clock.move(MINUTE)
        assert (await desk.resets.renew("demo", await desk.token(), desk.here)).typed is None

    async def test_a_stranger_can_not_use_up_the_hour(self, desk, clock):
        """REG-9, R19: five are the cap of what was typed; the sixth is silent for everybody but who holds a valid link."""
        for _ in range(5):
            await desk.asked(desk.elsewhere)
            clock.move(MINUTE)
        await desk.asked()
        assert await desk.sent() == 5
        flow = await desk.resets.renew("demo", await desk.token(), desk.here)
        await desk.work()
        assert await desk.sent() == 6
        assert desk.identity.asked[-1].restarted
        clock.move(MINUTE)
        again = await desk.resets.resend("demo", flow.id, None, desk.here)
        await desk.work()
        assert await desk.sent() == 7
        assert again.resend is not None
        assert again.resend.retry_after_seconds == 20

    async def test_is_spaced(self, desk, clock):
        """D18: 429 with the time left, in its own budget too."""
        await desk.asked(desk.elsewhere)
        token = await desk.token()
        clock.move(5)
        with pytest.raises(errors.TooManyRequests) as told:
            await desk.resets.renew("demo", token, desk.here)
        assert told.value.extra["retry_after_seconds"] == 15
        for _ in range(5):
            clock.move(20)
            await desk.resets.renew("demo", token, desk.here)
        clock.move(20)
        with pytest.raises(errors.TooManyRequests):
            await desk.resets.renew("demo", token, desk.here)

    async def test_in_the_window_that_asked_there_is_no_need(self, desk, clock):
        await desk.asked()
        clock.move(MINUTE)
        with pytest.raises(errors.LinkMalformed):
            await desk.resets.renew("demo", await desk.token(), desk.here)

    async def test_not_of_a_link_that_was_used(self, desk, clock):
        """LNK-6."""
        await desk.asked()
        token = await desk.token()
        await desk.resets.confirm("demo", ConfirmRequest(token=token), desk.here)
        clock.move(MINUTE)
        with pytest.raises(errors.LinkUsed):
            await desk.resets.renew("demo", token, desk.elsewhere)


class TestTurns:
    async def test_the_true_time_is_told(self, desk, clock):
        """D18: where another start for the same name waits its turn, sending again is possible behind it, and leaves at once then."""
        flow = await desk.asked()
        clock.move(5)
        stranger = await desk.asked(desk.elsewhere)
        assert stranger.resend is not None
        assert stranger.resend.retry_after_seconds == 35
        waiting = await desk.resets.read("demo", flow.id, desk.here)
        assert waiting.resend is not None
        assert waiting.resend.retry_after_seconds == 35
        clock.move(16)
        await desk.work()
        assert await desk.sent() == 2
        with pytest.raises(errors.TooManyRequests) as told:
            await desk.resets.resend("demo", flow.id, None, desk.here)
        assert told.value.extra["retry_after_seconds"] == 19
        clock.move(19)
        await desk.resets.resend("demo", flow.id, None, desk.here)
        await desk.work()
        assert await desk.sent() == 3

    async def test_several_at_once_wait_in_a_row(self, desk, clock):
        """D18, REG-9: and above the cap nothing waits."""
        flows = [await desk.start(desk.elsewhere) for _ in range(7)]
        await desk.work()
        for sent in (1, 2, 3, 4, 5, 5, 5):
            assert await desk.sent() == sent
            clock.move(20)
            await desk.work()
        assert {one.status for one in flows} == {"check_your_messages"}


class TestWhoAsked:
    async def test_the_system_of_the_network_goes_along_sealed(self, desk, clock):
        """FRD-4: of the start, and of whoever asks again."""
        flow = await desk.asked(replace(desk.here, asn=64500))
        assert (await desk.message()).asked.asn == 64500
        clock.move(MINUTE)
        await desk.resets.resend("demo", flow.id, None, replace(desk.here, asn=64501))
        await desk.work()
        assert (await desk.message()).asked.asn == 64501


class TestAsking:
    async def test_nobody_waits_for_it(self, desk):
        """REL-16: identity is asked outside of any transaction."""
        await desk.asked()
        assert desk.identity.waiting == [0]

    async def test_an_older_message_is_dead_when_the_new_one_leaves(self, desk, clock):
        """C5."""
        flow = await desk.asked()
        older = await desk.token()
        clock.move(MINUTE)
        await desk.resets.resend("demo", flow.id, None, desk.here)
        await desk.work()
        with pytest.raises(errors.LinkSuperseded):
            await desk.resets.confirm("demo", ConfirmRequest(token=older), desk.here)

    async def test_a_rep_starts_one_for_any_window(self, desk):
        """REC-11: it becomes the flow of whoever presses."""
        flow_id = await desk.resets.start_for_rep("demo", desk.identity.account_id, desk.here)
        await desk.work()
        assert (await desk.message()).code is None
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.elsewhere)
        assert (answer.id, answer.status) == (flow_id, "new_password")
        assert (await desk.resets.read("demo", flow_id, desk.elsewhere)).status == "new_password"
