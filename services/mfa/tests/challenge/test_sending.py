"""R21 to R29, D16 to D19, OTP-2 to 5, LNK-3: codes and links through every way, and again through another, against a real database."""

import asyncio
from dataclasses import replace
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest
from latchkey_contracts.http.factors import ChallengeRequest, FactorCode
from latchkey_contracts.messages import Contact
from latchkey_contracts.sealed import Sealed
from servicekit.errors import (
    CodeBurned,
    CodeExpired,
    CodeWrong,
    FlowEnded,
    IdempotencyKeyReused,
    LinkEnded,
    LinkOtherBrowser,
    LinkSuperseded,
    LinkUsed,
    MatchWrong,
    NotFound,
    ServiceError,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.web.idempotency import Replay

EMAIL, PHONE = "mira.codes@posteo.example", "+4915112345678"
# R25 to R29.
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "e-mail code": ("email", {"form": "code"}),
    "e-mail link": ("email", {"form": "link"}),
    "SMS code": ("phone", {"channel": "sms", "form": "code"}),
    "SMS link": ("phone", {"channel": "sms", "form": "link"}),
    "call": ("phone", {"channel": "voice", "form": "code"}),
}


@pytest.fixture
async def ways(desk) -> dict[str, UUID]:
    """A mailbox and a phone that count."""
    mail, phone = await desk.enrol("email", EMAIL), await desk.enrol("phone", PHONE)
    desk.db.clock.move(3600)
    return {"email": mail.id, "phone": phone.id}


async def sent(desk, ways, flow: UUID, way: str) -> Any:
    kind, how = WAYS[way]
    await desk.send(flow, factor_id=ways[kind], **how)
    return await desk.sent()


async def use(desk, flow: UUID, said: Any) -> str:
    if said.code:
        return await desk.code(flow, said.code)
    return (await desk.press(said.link)).status


class TestSwitch:
    @pytest.mark.parametrize(("first", "second"), list(permutations(WAYS, 2)))
    async def test_the_old_one_is_dead_and_the_new_one_works(self, desk, ways, first: str, second: str):
        """R24 to R29, D16: 20 of 20, and the wrong tries are kept (OTP-5)."""
        flow, _ = await desk.ask()
        old = await sent(desk, ways, flow, first)
        with pytest.raises(CodeWrong) as refused:
            await desk.code(flow, "000000")
        assert refused.value.extra["tries_left"] == 4
        desk.db.clock.move(20)
        new = await sent(desk, ways, flow, second)
        with pytest.raises((CodeWrong, LinkSuperseded)) as dead:
            await use(desk, flow, old)
        if isinstance(dead.value, CodeWrong):
            assert dead.value.extra["tries_left"] == 3
        assert await use(desk, flow, new) == "complete"

    async def test_the_same_way_again(self, desk, ways):
        flow, _ = await desk.ask()
        old = await sent(desk, ways, flow, "e-mail code")
        desk.db.clock.move(20)
        new = await sent(desk, ways, flow, "e-mail code")
        with pytest.raises(CodeWrong):
            await use(desk, flow, old)
        assert await use(desk, flow, new) == "complete"

    async def test_another_browser_s_request_kills_nothing_here(self, desk, ways):
        """D16."""
        here, _ = await desk.ask()
        mine = await sent(desk, ways, here, "e-mail code")
        there, _ = await desk.ask(desk.elsewhere)
        await desk.send(there, desk.elsewhere, factor_id=ways["email"])
        assert await use(desk, here, mine) == "complete"

    async def test_an_app_is_still_asked_beside_it(self, desk, ways):
        """D16: another method is always there; one count for all."""
        app = await desk.enrol()
        flow, _ = await desk.ask()
        await sent(desk, ways, flow, "SMS code")
        with pytest.raises(CodeWrong):
            await desk.code(flow, "000000")
        assert await desk.code(flow, desk.app_code(app)) == "complete"


class TestWhatIsSent:
    async def test_nothing_unasked(self, desk, ways):
        before = len(await desk.told("challenge_issued"))
        _, state = await desk.ask()
        assert len(await desk.told("challenge_issued")) == before
        assert (state.delivery, state.match, state.next) == (None, None, ["code", "challenges"])
        assert [(one.kind, one.to, one.channels, one.forms) for one in state.factors] == [
            ("email", "m•••@p•••", ["email"], ["code", "link"]),
            ("phone", "•••78", ["sms", "voice"], ["code", "link"]),
        ]

    async def test_to_the_factor_s_own_address_sealed(self, desk, ways):
        """INV-7: nothing in clear; what has earned a paid message is said (FRD-6)."""
        flow, _ = await desk.ask()
        await sent(desk, ways, flow, "SMS code")
        event = (await desk.told("challenge_issued"))[-1]
        contact = desk.opener.open(Sealed.model_validate(event["contact"]), Contact)
        assert (contact.to, contact.channel, contact.known) == (PHONE, "sms", True)
        assert contact.proven_at is not None
        assert PHONE not in str(event)
        async with desk.db.read() as conn:
            rows = await conn.fetch("SELECT target FROM factor")
        assert all(PHONE.encode() not in row["target"] for row in rows)

    async def test_delivery_and_number_are_shown(self, desk, ways):
        flow, _ = await desk.ask()
        answer = await desk.send(flow, factor_id=ways["email"], form="link")
        assert answer.delivery is not None
        assert (answer.delivery.channel, answer.delivery.to, answer.delivery.state) == ("email", "m•••@p•••", "queued")
        assert answer.match is not None
        assert len(answer.match) == 2
        assert answer.resend is not None
        assert answer.resend.retry_after_seconds == 20

    @pytest.mark.parametrize(
        "how",
        [
            {"factor_id": UUID(int=1)},
            {"channel": "email"},
            {"channel": "voice", "form": "link"},
            {"channel": "sms", "form": "link"},
        ],
    )
    async def test_what_is_no_way(self, desk, ways, how):
        desk.policy(phone={"link": False})
        flow, _ = await desk.ask()
        with pytest.raises(ValidationFailed):
            await desk.send(flow, **{"factor_id": ways["phone"], **how})

    async def test_a_channel_that_is_switched_off(self, desk, ways):
        """D30."""
        desk.policy(phone={"voice": False})
        flow, state = await desk.ask()
        assert state.factors[1].channels == ["sms"]
        with pytest.raises(ValidationFailed):
            await desk.send(flow, factor_id=ways["phone"], channel="voice")

    async def test_only_to_whoever_asked(self, desk, ways):
        flow, _ = await desk.ask()
        for wrong, caller in ((flow, desk.elsewhere), (UUID(int=1), desk.here)):
            with pytest.raises(NotFound):
                await desk.send(wrong, caller, factor_id=ways["email"])

    async def test_to_nobody_without_one(self, desk):
        await desk.enrol()
        flow, state = await desk.ask()
        assert state.next == ["code"]
        with pytest.raises(ValidationFailed):
            await desk.send(flow)


class TestPace:
    async def test_twenty_seconds(self, desk, ways):
        """R19, D18: also through another way; what is here already can be entered meanwhile."""
        flow, _ = await desk.ask()
        first = await sent(desk, ways, flow, "e-mail code")
        desk.db.clock.move(19)
        with pytest.raises(TooManyRequests) as early:
            await sent(desk, ways, flow, "SMS code")
        assert early.value.extra["retry_after_seconds"] == 1
        assert await use(desk, flow, first) == "complete"

    async def test_five_an_hour_over_all_flows(self, desk, ways):
        """E1."""
        for _ in range(5):
            flow, _ = await desk.ask()
            await sent(desk, ways, flow, "e-mail code")
            desk.db.clock.move(20)
        flow, _ = await desk.ask()
        with pytest.raises(TooManyRequests) as capped:
            await sent(desk, ways, flow, "SMS code")
        assert capped.value.extra["retry_after_seconds"] > 3000

    async def test_fifty_at_once_send_one(self, desk, ways):
        """INV-13."""
        flow, _ = await desk.ask()
        before = len(await desk.told("challenge_issued"))
        found = await asyncio.gather(*(desk.send(flow, factor_id=ways["email"]) for _ in range(50)), return_exceptions=True)
        assert sum(isinstance(one, TooManyRequests) for one in found) == 49
        assert len(await desk.told("challenge_issued")) == before + 1


class TestCode:
    async def test_too_old_is_no_guess(self, desk, ways):
        """OTP-2."""
        flow, _ = await desk.ask()
        said = await sent(desk, ways, flow, "e-mail code")
        desk.db.clock.move(6 * 60)
        with pytest.raises(CodeExpired):
            await use(desk, flow, said)
        with pytest.raises(CodeWrong) as refused:
            await desk.code(flow, "000000")
        assert refused.value.extra["tries_left"] == 4

    async def test_of_another_flow(self, desk, ways):
        """OTP-4."""
        one, _ = await desk.ask()
        said = await sent(desk, ways, one, "e-mail code")
        other, _ = await desk.ask()
        with pytest.raises(CodeWrong):
            await desk.code(other, said.code)

    async def test_nothing_after_the_attempt_has_ended(self, desk, ways):
        flow, _ = await desk.ask()
        said = await sent(desk, ways, flow, "e-mail code")
        for _ in range(4):
            with pytest.raises(CodeWrong):
                await desk.code(flow, "000000")
        with pytest.raises(CodeBurned):
            await desk.code(flow, "000000")
        with pytest.raises(FlowEnded):
            await use(desk, flow, said)
        with pytest.raises(FlowEnded):
            await desk.send(flow, factor_id=ways["email"])

    async def test_nothing_more_once_it_is_proven(self, desk, ways):
        flow, _ = await desk.ask()
        await use(desk, flow, await sent(desk, ways, flow, "e-mail code"))
        with pytest.raises(StepMissing):
            await desk.send(flow, factor_id=ways["email"])


class TestLink:
    async def test_elsewhere_by_the_number(self, desk, ways):
        """LNK-3, D17: nothing there but a word; the window that asked goes on."""
        flow, _ = await desk.ask()
        answer = await desk.send(flow, factor_id=ways["email"], form="link")
        link = (await desk.sent()).link
        with pytest.raises(LinkOtherBrowser):
            await desk.press(link, desk.elsewhere)
        done = await desk.press(link, desk.elsewhere, answer.match)
        assert done.state == "confirmed_elsewhere"
        assert (await desk.made.decisions.state(flow, desk.here)).decision == "proven"

    async def test_a_wrong_number_ends_it(self, desk, ways):
        flow, _ = await desk.ask()
        answer = await desk.send(flow, factor_id=ways["email"], form="link")
        link = (await desk.sent()).link
        wrong = "10" if answer.match != "10" else "11"
        with pytest.raises(MatchWrong):
            await desk.press(link, desk.elsewhere, wrong)
        with pytest.raises(LinkEnded):
            await desk.press(link, desk.elsewhere, answer.match)
        state = await desk.made.decisions.state(flow, desk.here)
        assert (state.decision, state.link_ended, state.match) == ("challenge", True, None)
        desk.db.clock.move(21)
        again = await desk.send(flow, factor_id=ways["email"], form="link")
        assert (again.link_ended, again.match) == (False, answer.match), "another one has its number again"

    @pytest.mark.parametrize("elsewhere", [False, True])
    async def test_pressed_again_under_its_key(self, desk, ways, elsewhere):
        """API-4: the answer that leads on, session and all, comes again; another link under the key is refused."""
        flow, _ = await desk.ask()
        match = (await desk.send(flow, factor_id=ways["email"], form="link")).match
        link, key = (await desk.sent()).link, {"idempotency_key": "k", "fingerprint": "f"}
        caller = replace(desk.elsewhere if elsewhere else desk.here, **key)
        first = await desk.press(link, caller, match if elsewhere else None)
        assert getattr(first, "status", first.model_dump().get("state")) == ("confirmed_elsewhere" if elsewhere else "complete")
        with pytest.raises(Replay) as again:
            await desk.press(link, caller, match if elsewhere else None)
        assert type(first).model_validate(again.value.body) == first
        with pytest.raises(IdempotencyKeyReused):
            await desk.press(link, replace(caller, fingerprint="g"))

    async def test_fifty_presses(self, desk, ways):
        """INV-3: one wins."""
        flow, _ = await desk.ask()
        await desk.send(flow, factor_id=ways["email"], form="link")
        link = (await desk.sent()).link
        found = await asyncio.gather(*(desk.press(link) for _ in range(50)), return_exceptions=True)
        assert sum(getattr(one, "status", None) == "complete" for one in found) == 1
        assert all(isinstance(one, LinkUsed | LinkEnded) for one in found if isinstance(one, ServiceError))
        assert len(await desk.told("challenge_succeeded")) == 1

    async def test_looking_changes_nothing(self, desk, ways):
        """LNK-1, LNK-4: and says where it went."""
        flow, _ = await desk.ask()
        await desk.send(flow, factor_id=ways["email"], form="link")
        token = ((await desk.sent()).link or "").rsplit("/", 1)[1]
        for _ in range(3):
            info = await desk.made.links.inspect("demo", token, desk.here)
        assert (info.purpose, info.state, info.to, info.renewable) == ("sign_in", "valid", "m•••@p•••", False)

    async def test_not_with_a_factor_that_is_gone(self, desk, ways):
        flow, _ = await desk.ask()
        await desk.send(flow, factor_id=ways["email"], form="link")
        link = (await desk.sent()).link
        await desk.made.factors.remove(ways["email"], desk.granted("factor.remove", {"factor_id": str(ways["email"])}))
        with pytest.raises(LinkEnded):
            await desk.press(link)


class TestStepUp:
    async def test_by_a_code(self, desk, ways):
        flow, state = await desk.ask(desk.mira, "step_up")
        assert [one.forms for one in state.factors] == [["code"], ["code"]]
        with pytest.raises(ValidationFailed):
            await desk.made.sending.for_step_up(flow, ChallengeRequest(factor_id=ways["email"], form="link"), desk.mira)
        answer = await desk.made.sending.for_step_up(flow, ChallengeRequest(factor_id=ways["email"]), desk.mira)
        assert answer.delivery is not None
        said = await desk.sent()
        assert (said.action, said.about) == ("factor.add", "•••41"), "OTP-10: what it is for"
        assert (await desk.made.challenges.step_up_code(flow, FactorCode(code=said.code), desk.mira)).grant == "granted"


class TestEnrolment:
    async def test_of_an_address(self, desk):
        """R22, PST-2: the code goes to the new address; it counts once it was typed."""
        pending = await desk.begin("email", "Mira.Codes@Posteo.example")
        assert (pending.status, pending.to) == ("pending", "m•••@p•••")
        assert pending.delivery is not None
        assert (await desk.told("challenge_issued"))[-1]["purpose"] == "enrolment"
        with pytest.raises(CodeWrong):
            await desk.made.confirming.confirm(pending.id, "000000", desk.mira)
        done = await desk.made.confirming.confirm(pending.id, (await desk.sent()).code, desk.mira)
        assert (done.status, done.delivery) == ("active", None)
        assert desk.identity.marked == [(True, 1)]

    async def test_sent_again(self, desk):
        pending = await desk.begin("phone", PHONE)
        old = (await desk.sent()).code
        with pytest.raises(TooManyRequests):
            await desk.made.factors.send_again(pending.id, desk.mira)
        desk.db.clock.move(20)
        await desk.made.factors.send_again(pending.id, desk.mira)
        with pytest.raises(CodeWrong):
            await desk.made.confirming.confirm(pending.id, old, desk.mira)
        assert (await desk.made.confirming.confirm(pending.id, (await desk.sent()).code, desk.mira)).status == "active"

    @pytest.mark.parametrize(
        ("kind", "target", "code"),
        [("phone", None, "required"), ("email", "no address", "email_not_valid"), ("phone", "12", "phone_not_valid"),
         ("phone", "+33612345678", "phone_country_closed"), ("phone", "+49900123456", "phone_class_closed")],
    )  # fmt: skip
    async def test_what_is_none(self, desk, kind, target, code):
        with pytest.raises(ValidationFailed) as refused:
            await desk.begin(kind, target)
        assert [one.code for one in refused.value.errors] == [code]

    async def test_added_already(self, desk, ways):
        with pytest.raises(ValidationFailed):
            await desk.begin("email", EMAIL.upper())

    async def test_one_number_is_not_asked_all_day(self, desk):
        """PST-5: whoever begins it again and again."""
        for _ in range(3):
            await desk.begin("phone", PHONE)
            desk.db.clock.move(60)
        with pytest.raises(TooManyRequests):
            await desk.begin("phone", PHONE)
