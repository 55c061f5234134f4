"""ENU-1, ENU-2: a factor before anything is proven; known and unknown names look alike, and only a known one is sent anything."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from latchkey_contracts.http.access import AccessQuestion
from latchkey_contracts.http.factors import ChallengeRequest
from latchkey_contracts.http.sign_in import SignInFlow
from latchkey_contracts.messages import Contact
from latchkey_contracts.sealed import Sealed
from latchkey_contracts.ways import EMAIL, PHONE
from mfa.first_step import store
from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    FlowEnded,
    NotFound,
    Overloaded,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.web.idempotency import Replay
from testkit.statements import recorded

MAIL, NUMBER, NOBODY = "mira@posteo.example", "+4915112345678", "nobody@posteo.example"


@pytest.fixture
def first(desk):
    desk.policy(workflow="factor_only")
    return desk


async def to(desk) -> str:
    return desk.opener.open(Sealed.model_validate((await desk.told("challenge_issued"))[-1]["contact"]), Contact).to


class TestAlike:
    @pytest.mark.parametrize("how", [{}, {"channel": "sms"}, {"channel": "voice"}, {"form": "link"}])
    async def test_what_is_told(self, first, how):
        known, unknown = first.begins(), first.begins(NOBODY)
        found = []
        for flow in (known, unknown):
            asked = await first.ask_first(flow, **how)
            state = await first.made.decisions.state(flow, first.here)
            told = {**state.model_dump(mode="json"), "match": state.match is not None}
            found.append(({**asked.model_dump(mode="json"), "id": 0, "match": asked.match is not None}, told))
        assert found[0] == found[1]
        assert found[0][0]["delivery"] is None
        assert found[0][0]["code_digits"] is None
        assert [one["to"] for one in found[0][0]["factors"]] == [None, None]
        assert [one["id"] for one in found[0][0]["factors"]] == [str(EMAIL), str(PHONE)]

    async def test_wrong_codes(self, first):
        """Also over all flows of a name, and where the right one is known."""
        answers = []
        for name in (MAIL, NOBODY):
            found = []
            for _ in range(3):
                flow = first.begins(name)
                first.db.clock.move(3601)
                await first.ask_first(flow)
                for _ in range(5):
                    try:
                        await first.first_code(flow, "000000")
                    except (CodeWrong, CodeBurned, TooManyRequests) as error:
                        found.append((error.code, error.extra.get("tries_left")))
                with pytest.raises(FlowEnded):
                    await first.first_code(flow, "000000")
            answers.append(found)
        assert answers[0] == answers[1]
        assert ("code_burned", None) in answers[0]

    @pytest.mark.parametrize("what", ["send", "code"])
    async def test_the_same_statements(self, first, what):
        """ENU-2: whatever differs happens behind the answer."""
        counts = []
        for name in (MAIL, NOBODY):
            flow = first.begins(name)
            await first.ask_first(flow)
            first.db.clock.move(21)
            with recorded(first.db) as statements:
                if what == "send":
                    await first.made.first.send("demo", flow, ChallengeRequest(), first.here)
                else:
                    with pytest.raises(CodeWrong):
                        await first.first_code(flow, "000000")
            counts.append(list(statements))
        assert counts[0] == counts[1]


class TestSent:
    async def test_to_a_proven_address(self, first):
        flow = first.begins()
        await first.ask_first(flow)
        assert await to(first) == MAIL
        assert (await first.told("challenge_issued"))[-1]["factor_id"] is None
        assert await first.first_code(flow, (await first.sent()).code) == "complete"
        state = await first.made.decisions.state(flow, first.here)
        assert (state.decision, state.methods, state.account_id) == ("proven", ["otp"], first.identity.account_id)

    async def test_to_a_factor_before_that(self, first):
        factor = await first.enrol("email", "other@posteo.example")
        flow = first.begins()
        await first.ask_first(flow)
        assert await to(first) == "other@posteo.example"
        await first.first_code(flow, (await first.sent()).code)
        assert (await first.made.factors.one(factor.id, first.mira)).last_used_at is not None

    @pytest.mark.parametrize(("name", "how"), [(NOBODY, {}), (MAIL, {"channel": "sms"})])
    async def test_to_nobody(self, first, name, how):
        await first.ask_first(first.begins(name), **how)
        assert await first.told("challenge_issued") == []

    async def test_only_what_was_asked_for_last(self, first):
        """D16: two presses before the first has left."""
        flow = first.begins()
        await first.made.first.send("demo", flow, ChallengeRequest(form="link"), first.here)
        first.db.clock.move(21)
        await first.ask_first(flow)
        assert [one["form"] for one in await first.told("challenge_issued")] == ["code"]

    async def test_again_kills_the_one_before(self, first):
        flow = first.begins()
        await first.ask_first(flow)
        old = (await first.sent()).code
        first.db.clock.move(21)
        await first.ask_first(flow)
        with pytest.raises(CodeWrong):
            await first.first_code(flow, old)
        assert await first.first_code(flow, (await first.sent()).code) == "complete"

    async def test_too_early_and_too_often(self, first):
        """D18: by what was typed, however it is written; a browser that signed in before isn't kept out by strangers (BRF-3)."""
        flow = first.begins()
        await first.ask_first(flow)
        with pytest.raises(TooManyRequests):
            await first.ask_first(flow)
        for _ in range(4):
            await first.ask_first(first.begins(MAIL.upper()))
        with pytest.raises(TooManyRequests):
            await first.ask_first(first.begins())
        known = replace(first.here, device="her-laptop", device_account_id=first.identity.account_id)
        before = len(await first.told("challenge_issued"))
        await first.ask_first(first.begins(), known)
        assert len(await first.told("challenge_issued")) == before + 1

    async def test_identity_away_behind_the_answer(self, first):
        """Nothing is lost: the work waits for it."""
        flow = first.begins()
        await first.made.first.send("demo", flow, ChallengeRequest(), first.here)
        first.identity.away = True
        (payload,) = await _work(first)
        with pytest.raises(Overloaded):
            await first.made.first.ask([(None, payload)])


async def _work(desk):
    async with desk.db.read() as conn:
        return [row["payload"] for row in await conn.fetch("SELECT payload FROM work")]


class TestRepeated:
    async def test_with_its_key(self, first):
        """API-4: one message, and the lost answer comes again, though the code is spent."""
        flow = first.begins()
        asks, enters = (replace(first.here, idempotency_key=one * 32, fingerprint="f") for one in ("ab", "cd"))
        asked = await first.ask_first(flow, asks)
        with pytest.raises(Replay) as again:
            await first.ask_first(flow, asks)
        assert SignInFlow.model_validate(again.value.body) == asked
        assert len(await first.told("challenge_issued")) == 1
        code = (await first.sent()).code
        assert await first.first_code(flow, code, enters) == "complete"
        with pytest.raises(Replay):
            await first.first_code(flow, code, enters)


class TestProven:
    async def test_by_a_link_in_the_asking_window(self, first):
        flow = first.begins()
        await first.ask_first(flow, form="link")
        assert (await first.press((await first.sent()).link)).status == "complete"

    async def test_by_a_link_elsewhere_with_the_number(self, first):
        flow = first.begins()
        match = (await first.ask_first(flow, form="link")).match
        link = (await first.sent()).link
        assert (await first.press(link, first.elsewhere, match)).state == "confirmed_elsewhere"
        assert (await first.made.decisions.state(flow, first.here)).decision == "proven"

    async def test_once(self, first):
        """INV-13: many at once."""
        flow = first.begins()
        await first.ask_first(flow)
        code = (await first.sent()).code
        await asyncio.gather(*(first.first_code(flow, code) for _ in range(8)), return_exceptions=True)
        assert len(await first.told("challenge_succeeded")) == 1

    async def test_too_late(self, first):
        flow = first.begins()
        await first.ask_first(flow)
        code = (await first.sent()).code
        first.db.clock.move(361)
        with pytest.raises(CodeExpired):
            await first.first_code(flow, code)

    async def test_an_enrolled_factor_is_asked_for_behind_an_address(self, first):
        """Whoever has an app isn't let in by a mail alone."""
        app = await first.enrol()
        flow = first.begins()
        await first.ask_first(flow)
        await first.first_code(flow, (await first.sent()).code)
        state = await decide(first, flow)
        assert (state.decision, state.factors[0].kind) == ("challenge", "totp")
        assert await first.code(flow, first.app_code(app)) == "complete"
        first.db.clock.move(30)

    async def test_but_not_behind_a_factor(self, first):
        await first.enrol("email", MAIL)
        flow = first.begins()
        first.db.clock.move(21)
        await first.ask_first(flow)
        await first.first_code(flow, (await first.sent()).code)
        assert (await decide(first, flow)).decision == "allow"
        assert (await first.told("access_decided"))[-1]["reasons"] == ["factor_first"]


async def decide(desk, flow):
    question = AccessQuestion(
        flow_id=flow,
        kind="sign_in",
        application="demo",
        account_id=desk.identity.account_id,
        expires_at=desk.db.clock.now() + timedelta(minutes=5),
    )
    return await desk.made.decisions.decide(question, desk.here)


class TestRefused:
    async def test_another_browser(self, first):
        flow = first.begins()
        await first.ask_first(flow)
        for refused in (first.ask_first(flow, first.elsewhere), first.first_code(flow, "000000", first.elsewhere)):
            with pytest.raises(NotFound):
                await refused
        with pytest.raises(NotFound):
            await first.made.decisions.state(flow, first.elsewhere)

    async def test_nothing_was_asked_for(self, first):
        flow = first.begins()
        with pytest.raises(NotFound):
            await first.first_code(flow, "000000")
        with pytest.raises(NotFound):
            await first.made.decisions.state(flow, first.here)

    @pytest.mark.parametrize(
        "how", [{"factor_id": UUID(int=1)}, {"factor_id": EMAIL, "channel": "sms"}, {"channel": "voice", "form": "link"}]
    )
    async def test_what_nobody_was_told(self, first, how):
        with pytest.raises(ValidationFailed):
            await first.ask_first(first.begins(), **how)

    async def test_after_it_is_proven_or_over(self, first):
        flow = first.begins()
        await first.ask_first(flow)
        await first.first_code(flow, (await first.sent()).code)
        first.db.clock.move(21)
        with pytest.raises(StepMissing):
            await first.ask_first(flow)
        first.identity.ended = True
        with pytest.raises(FlowEnded):
            await first.ask_first(first.begins())

    async def test_identity_away(self, first):
        first.identity.away = True
        for name in (MAIL, NOBODY):
            with pytest.raises(Overloaded):
                await first.ask_first(first.begins(name))

    async def test_secured_meanwhile(self, first):
        """LNK-7."""
        flow = first.begins()
        await first.ask_first(flow)
        async with first.db.transaction() as tx:
            await store.end_all(tx, first.identity.account_id, tx.now)
        with pytest.raises(FlowEnded):
            await first.first_code(flow, (await first.sent()).code)


class TestPasswordOnly:
    async def test_no_factor_is_asked_for(self, desk):
        await desk.enrol()
        desk.policy(workflow="password_only", rules=[{"name": "night", "effect": "deny", "when": {"countries": ["AU"]}}])
        _, state = await desk.ask()
        assert state.decision == "allow"
        assert (await desk.told("access_decided"))[-1]["reasons"] == ["password_only"]
