"""D32, MFA-9: what the policy requires is added at the next sign-in, by its own window, before the session; and isn't removed again."""

from dataclasses import replace
from uuid import UUID

import pytest
from latchkey_contracts.http.factors import FactorRequest
from mfa.factors.rules import missing, needed
from servicekit.errors import CodeWrong, FlowEnded, NotAllowedByPolicy, NotFound, Overloaded, StepMissing, StepUpRequired
from servicekit.web.idempotency import Replay

ANY = {"second_factor": {"required": True}}
APP = {"totp": {"mandatory": True}}
CODES = {"recovery_codes": {"mandatory": True}}


async def begin(desk, flow, kind="totp", caller=None, **more):
    return await desk.made.required.begin("demo", flow, FactorRequest(kind=kind, **more), caller or desk.here)


async def confirm(desk, flow, factor, code, caller=None):
    return (await desk.made.required.confirm("demo", flow, factor.id, code, caller or desk.here)).status


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("policy", "has", "expected"),
        [
            ({}, [], []),
            (ANY, [], ["passkey", "totp", "phone", "email"]),
            (ANY, ["email"], []),
            (ANY, ["recovery_codes"], ["passkey", "totp", "phone", "email"]),
            (APP, [], ["totp"]),
            (APP, ["email"], ["totp"]),
            (APP, ["totp"], []),
            (CODES, [], ["passkey", "totp", "phone", "email"]),
            (CODES, ["totp"], ["recovery_codes"]),
            ({**APP, "email": {"mandatory": True}}, [], ["totp", "email"]),
            ({**APP, "email": {"mandatory": True}}, ["totp"], ["email"]),
        ],
    )
    async def test_best_first(self, desk, policy, has, expected):
        desk.policy(**policy)
        assert missing(desk.configuration.application("demo"), set(has), wanted=False) == expected

    async def test_by_a_rule(self, desk):
        app = desk.configuration.application("demo")
        assert missing(app, set(), wanted=True) == ["passkey", "totp", "phone", "email"]
        assert missing(app, {"phone"}, wanted=True) == []

    @pytest.mark.parametrize(
        ("policy", "kind", "left", "expected"),
        [
            ({}, "totp", [], False),
            (ANY, "totp", [], True),
            (ANY, "totp", ["recovery_codes"], True),
            (ANY, "totp", ["phone"], False),
            (ANY, "recovery_codes", ["phone"], False),
            (APP, "totp", ["phone"], True),
            (APP, "totp", ["totp"], False),
            (APP, "phone", ["totp"], False),
        ],
    )
    async def test_what_has_to_stay(self, desk, policy, kind, left, expected):
        desk.policy(**policy)
        assert needed(desk.configuration.application("demo"), kind, set(left)) is expected


class TestRequired:
    async def test_added_in_the_sign_in(self, desk):
        desk.policy(**ANY)
        flow, state = await desk.ask()
        assert (state.decision, state.enrol) == ("allow", ["passkey", "totp", "phone", "email"])
        assert (await desk.told("access_decided"))[-1]["reasons"] == ["no_factor", "enrolment_required"]
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow)
        assert await confirm(desk, flow, pending, desk.app_code(pending)) == "complete"
        assert desk.identity.marked[-1][0]
        assert (await desk.made.decisions.state(flow, desk.here)).enrol == []
        assert await desk.notices() == ["factor_added"]

    async def test_repeated_with_its_key(self, desk):
        """API-4: the lost answer comes again."""
        desk.policy(**ANY)
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow)
        caller = replace(desk.here, idempotency_key="ab" * 32, fingerprint="f")
        assert await confirm(desk, flow, pending, desk.app_code(pending), caller) == "complete"
        with pytest.raises(Replay):
            await confirm(desk, flow, pending, desk.app_code(pending), caller)

    async def test_by_mail(self, desk):
        desk.policy(**ANY)
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow, "email", target="mira@posteo.example")
        with pytest.raises(CodeWrong):
            await confirm(desk, flow, pending, "000000")
        desk.db.clock.move(21)
        assert (await desk.made.required.send_again("demo", flow, pending.id, desk.here)).delivery.state == "queued"
        assert await confirm(desk, flow, pending, (await desk.sent()).code) == "complete"

    async def test_one_after_the_other(self, desk):
        desk.policy(**APP, **CODES)
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow, 2)
        pending = await begin(desk, flow)
        await confirm(desk, flow, pending, desk.app_code(pending))
        assert (await desk.made.decisions.state(flow, desk.here)).enrol == ["recovery_codes"]
        codes = await begin(desk, flow, "recovery_codes")
        await confirm(desk, flow, codes, None)
        assert (await desk.made.decisions.state(flow, desk.here)).enrol == []

    async def test_after_the_factor_there_is(self, desk):
        """Not before it: else a stolen password would add one."""
        await desk.enrol("email", "mira@posteo.example")
        desk.policy(**APP)
        flow, state = await desk.ask()
        assert (state.decision, state.enrol) == ("challenge", [])
        with pytest.raises(StepMissing):
            await begin(desk, flow)
        await desk.send(flow)
        await desk.code(flow, (await desk.sent()).code)
        assert (await desk.made.decisions.state(flow, desk.here)).enrol == ["totp"]
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow)
        assert await confirm(desk, flow, pending, desk.app_code(pending)) == "complete"

    async def test_by_a_rule(self, desk):
        desk.policy(rules=[{"name": "new", "effect": "require", "when": {"new_device": True}}])
        _, state = await desk.ask()
        assert (state.decision, state.enrol) == ("allow", ["passkey", "totp", "phone", "email"])
        desk.policy(
            rules=[{"name": "new", "effect": "require", "when": {"new_device": True}}],
            **{kind: {"enabled": False} for kind in ("passkey", "totp", "email", "phone")},
        )
        assert (await desk.ask())[1].decision == "deny"

    async def test_a_step_up_needs_none(self, desk):
        desk.policy(**ANY)
        assert (await desk.ask(desk.mira, "step_up"))[1].enrol == []


class TestNotFor:
    async def test_another_browser(self, desk):
        desk.policy(**ANY)
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow)
        with pytest.raises(NotFound):
            await begin(desk, flow, caller=desk.elsewhere)
        with pytest.raises(NotFound):
            await confirm(desk, flow, pending, desk.app_code(pending), desk.elsewhere)
        with pytest.raises(NotFound):
            await desk.made.decisions.state(flow, desk.elsewhere)

    async def test_what_the_policy_does_not_offer(self, desk):
        desk.policy(**ANY, email={"enabled": False})
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        with pytest.raises(NotAllowedByPolicy):
            await begin(desk, flow, "email", target="mira@posteo.example")

    async def test_a_flow_that_identity_does_not_know_so_far(self, desk):
        desk.policy(**ANY)
        flow, _ = await desk.ask()
        with pytest.raises(StepMissing):
            await begin(desk, flow)
        desk.identity.needs_factor(flow)
        desk.identity.away = True
        with pytest.raises(Overloaded):
            await begin(desk, flow)

    async def test_whoever_adds_one_elsewhere_meanwhile_ends_it(self, desk):
        """A thief with the password and the owner both wait: the second of them proves the first one's factor, in another sign-in."""
        desk.policy(**ANY)
        (hers, _), (his, _) = await desk.ask(), await desk.ask(desk.elsewhere)
        desk.identity.needs_factor(hers)
        desk.identity.needs_factor(his)
        pending = await begin(desk, hers)
        await confirm(desk, hers, pending, desk.app_code(pending))
        assert (await desk.made.decisions.state(his, desk.elsewhere)).decision == "ended"
        with pytest.raises(FlowEnded):
            await begin(desk, his, caller=desk.elsewhere)
        assert (await desk.made.decisions.state(hers, desk.here)).decision == "allow"

    async def test_a_sign_in_that_something_has_ended(self, desk):
        """LNK-7: what was begun with a password that is no more isn't confirmed."""
        desk.policy(**ANY)
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        pending = await begin(desk, flow)
        desk.identity.ended = True
        with pytest.raises(FlowEnded):
            await confirm(desk, flow, pending, desk.app_code(pending))
        assert desk.identity.marked == []

    async def test_a_factor_of_another_flow(self, desk):
        desk.policy(**ANY)
        other = await desk.begin()
        flow, _ = await desk.ask()
        desk.identity.needs_factor(flow)
        for factor in (other.id, UUID(int=1)):
            with pytest.raises(NotFound):
                await desk.made.required.one("demo", flow, factor, desk.here)


class TestRemoval:
    async def test_the_last_one_stays(self, desk):
        """MFA-9: told before anybody proves anything for it."""
        app = await desk.enrol()
        desk.policy(**ANY)
        with pytest.raises(NotAllowedByPolicy):
            await desk.made.factors.remove(app.id, desk.mira)
        await desk.enrol("email", "mira@posteo.example")
        with pytest.raises(StepUpRequired):
            await desk.made.factors.remove(app.id, desk.mira)
        granted = desk.granted("factor.remove", {"factor_id": str(app.id)})
        await desk.made.factors.remove(app.id, granted)

    async def test_what_was_only_begun_goes(self, desk):
        desk.policy(**APP)
        pending = await desk.begin()
        await desk.made.factors.remove(pending.id, replace(desk.mira))
