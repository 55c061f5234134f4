"""MFA-1 to MFA-3: passkeys are made, named and removed, and prove a sign-in or step-up, by an authenticator in software."""

import asyncio
import secrets
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.http.access import AccessQuestion
from latchkey_contracts.http.factors import FactorConfirm, FactorRequest
from latchkey_contracts.http.passkeys import Asserted, PasskeyProof, Registered
from mfa.passkeys.rules import Challenges, Site, asserted
from pydantic import ValidationError
from servicekit.errors import (
    CodeExpired,
    FlowEnded,
    MoreProofRequired,
    NotAllowedByPolicy,
    NotFound,
    Overloaded,
    PasskeyWrong,
    StepMissing,
    TooManyRequests,
    ValidationFailed,
)
from servicekit.ids import random_id
from testkit.authenticator import Authenticator, Credential, b64, unb64
from testkit.service import ORIGIN

OTHER = "https://id.example.evil"


class Passkeys:
    """Mira's, in `device`."""

    def __init__(self, desk) -> None:
        self.desk, self.made, self.device = desk, desk.made, Authenticator(ORIGIN)

    async def confirm(self, factor_id: UUID, given: Any) -> Any:
        answer = Registered.model_validate(given) if isinstance(given, dict) else given
        return await self.made.confirming.confirm(factor_id, answer, self.desk.mira)

    async def enrol(self, device: Authenticator | None = None) -> Any:
        pending = await self.desk.begin("passkey")
        return await self.confirm(pending.id, (device or self.device).create(pending.passkey))

    async def options(self, flow: UUID, caller: Any = None) -> dict[str, Any]:
        return (await self.made.by_passkey.sign_in_options("demo", flow, caller or self.desk.here)).public_key

    async def send(self, flow: UUID, answer: dict[str, Any], caller: Any = None, **more: Any) -> str:
        body = PasskeyProof(credential=Asserted.model_validate(answer), **more)
        return (await self.made.by_passkey.sign_in("demo", flow, body, caller or self.desk.here)).status

    async def sign_in(self, flow: UUID, caller: Any = None, **lies: Any) -> str:
        return await self.send(flow, self.device.get(await self.options(flow, caller), **lies), caller)

    async def methods(self, flow: UUID) -> list[str]:
        return (await self.made.decisions.state(flow, self.desk.here)).methods

    def begun(self) -> UUID:
        """A sign-in that waits for a password or a passkey."""
        flow = random_id()
        self.desk.identity.at_password.add(flow)
        return flow


@pytest.fixture
def keys_of(desk) -> Passkeys:
    return Passkeys(desk)


@pytest.fixture
async def mine(keys_of):
    """One that counts."""
    await keys_of.enrol()
    return keys_of


class TestMaking:
    async def test_what_a_browser_is_asked(self, desk, keys_of):
        """MFA-2, MFA-3: to be found without a name, its user verified, nobody's maker asked for; nothing personal in the handle."""
        options = (await desk.begin("passkey")).passkey
        assert options["rp"] == {"id": "id.example", "name": "Elmstead"}
        assert options["authenticatorSelection"] == {
            "residentKey": "required", "requireResidentKey": True, "userVerification": "required"
        }  # fmt: skip
        assert (options["attestation"], [one["alg"] for one in options["pubKeyCredParams"]]) == ("none", [-7, -8, -257])
        assert (options["user"]["name"], len(unb64(options["user"]["id"])), len(unb64(options["challenge"]))) == (
            "mira@posteo.example",
            32,
            32,
        )
        assert desk.identity.account_id.bytes not in unb64(options["user"]["id"])

    async def test_counts_once_it_is_confirmed(self, desk, keys_of):
        pending = await desk.begin("passkey")
        assert (await desk.ask())[1].decision == "allow"
        done = await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey))
        assert (done.status, done.passkey, done.name) == ("active", None, "Firefox on Linux")
        assert desk.identity.marked == [(True, 1)]
        assert [one["kind"] for one in await desk.told("factor_enrolled")] == ["passkey"]
        assert await desk.notices() == ["factor_added"]
        assert (await desk.made.factors.listing(desk.mira)).offered[0] == "passkey"

    async def test_a_name_of_one_s_own(self, desk, keys_of):
        body = FactorRequest(kind="passkey", name="Mira's laptop")
        pending = await desk.made.factors.add(body, desk.granted("factor.add", {"kind": "passkey"}))
        done = await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey))
        assert done.name == "Mira's laptop"
        assert (await desk.made.factors.rename(done.id, "Old laptop", desk.mira)).name == "Old laptop"

    async def test_several_but_none_twice_on_a_device(self, desk, mine):
        """MFA-3: those there are listed for the browser, which refuses by them; under the same handle."""
        pending = await desk.begin("passkey")
        assert [one["id"] for one in pending.passkey["excludeCredentials"]] == [b64(mine.device.held[0].id)]
        with pytest.raises(LookupError):
            mine.device.create(pending.passkey)
        other = Authenticator(ORIGIN, synced=True)
        await mine.confirm(pending.id, other.create(pending.passkey))
        assert other.held[0].user_handle == mine.device.held[0].user_handle
        assert len((await desk.made.factors.listing(desk.mira)).items) == 2

    async def test_a_credential_that_is_somebody_s(self, desk, mine):
        pending = await desk.begin("passkey")
        with pytest.raises(ValidationFailed):
            await mine.confirm(pending.id, Authenticator(ORIGIN).create(pending.passkey, credential=mine.device.held[0]))
        assert (await desk.made.factors.one(pending.id, desk.mira)).status == "pending"

    @pytest.mark.parametrize(
        "lie",
        [
            {"origin": OTHER},
            {"rp_id": "example.evil"},
            {"type": "webauthn.get"},
            {"challenge": b64(secrets.token_bytes(32))},
            {"present": False},
            {"crossOrigin": True},
        ],
        ids=lambda one: next(iter(one)),
    )
    async def test_lies(self, desk, keys_of, lie):
        """MFA-2."""
        pending = await desk.begin("passkey")
        with pytest.raises(PasskeyWrong):
            await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey, **lie))
        assert desk.identity.marked == []

    async def test_without_its_user_verified(self, desk, keys_of):
        pending = await desk.begin("passkey")
        with pytest.raises(MoreProofRequired):
            await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey, verified=False))

    async def test_of_another_factor(self, desk, keys_of):
        """The challenge is of this very one."""
        first = await desk.begin("passkey")
        answer = keys_of.device.create(first.passkey)
        second = await desk.begin("passkey")
        with pytest.raises(PasskeyWrong):
            await keys_of.confirm(second.id, answer)

    async def test_challenges_live_for_five_minutes_at_most(self, desk, keys_of):
        """MFA-2; a fresh one is had by reading the factor."""
        pending = await desk.begin("passkey")
        answer = keys_of.device.create(pending.passkey)
        desk.db.clock.move(300)
        with pytest.raises(PasskeyWrong):
            await keys_of.confirm(pending.id, answer)
        again = await desk.made.factors.one(pending.id, desk.mira)
        assert (await keys_of.confirm(pending.id, keys_of.device.create(again.passkey))).status == "active"

    async def test_too_late(self, desk, keys_of):
        pending = await desk.begin("passkey")
        desk.db.clock.move(15 * 60)
        with pytest.raises(CodeExpired):
            await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey))

    async def test_the_fifth_wrong_one_ends_it(self, desk, keys_of):
        pending = await desk.begin("passkey")
        for _ in range(5):
            with pytest.raises(PasskeyWrong):
                await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey, origin=OTHER))
        with pytest.raises(NotFound):
            await keys_of.confirm(pending.id, keys_of.device.create(pending.passkey))

    async def test_each_kind_by_its_own(self, desk, keys_of):
        passkey, app = await desk.begin("passkey"), await desk.begin("totp")
        for given in ("123456", None):
            with pytest.raises(ValidationFailed):
                await keys_of.confirm(passkey.id, given)
        with pytest.raises(ValidationFailed):
            await keys_of.confirm(app.id, keys_of.device.create(passkey.passkey))
        with pytest.raises(ValidationError):
            FactorConfirm.model_validate({"code": "1", "credential": Authenticator(ORIGIN).create(passkey.passkey)})

    async def test_switched_off(self, desk, mine):
        """D30: hidden at once, and kept."""
        desk.policy(passkey={"enabled": False})
        listed = await desk.made.factors.listing(desk.mira)
        assert (listed.items, "passkey" in listed.offered) == ([], False)
        with pytest.raises(NotAllowedByPolicy):
            await desk.begin("passkey")
        assert (await desk.ask())[1].decision == "allow"
        desk.policy()
        assert (await desk.ask())[1].decision == "challenge"


class TestSecondFactor:
    async def test_right(self, desk, mine):
        """MFA-1: told as a way; a key that stays in its device (RFC 8176)."""
        flow, state = await desk.ask()
        assert ([one.kind for one in state.factors], state.next) == (["passkey"], ["passkey"])
        options = await mine.options(flow)
        assert [one["id"] for one in options["allowCredentials"]] == [b64(mine.device.held[0].id)]
        assert await mine.send(flow, mine.device.get(options)) == "complete"
        assert await mine.methods(flow) == ["hwk"]
        done = (await desk.told("challenge_succeeded"))[0]
        assert (done["kind"], done["methods"]) == ("passkey", ["hwk"])
        assert (await desk.made.factors.listing(desk.mira)).items[0].last_used_at is not None

    async def test_beside_others(self, desk, mine):
        await desk.enrol("totp")
        _, state = await desk.ask()
        assert ([one.kind for one in state.factors], state.next) == (["passkey", "totp"], ["code", "passkey"])

    async def test_a_synced_one(self, desk, keys_of):
        """C1: held by software; its count stays at nothing."""
        keys_of.device = Authenticator(ORIGIN, synced=True)
        await keys_of.enrol()
        for _ in range(2):
            flow, _ = await desk.ask()
            assert await keys_of.sign_in(flow) == "complete"
        assert await keys_of.methods(flow) == ["swk"]

    @pytest.mark.parametrize(
        "lie",
        [
            {"origin": OTHER},
            {"rp_id": "example.evil"},
            {"type": "webauthn.create"},
            {"challenge": b64(secrets.token_bytes(32))},
            {"present": False},
            {"crossOrigin": True},
        ],
        ids=lambda one: next(iter(one)),
    )
    async def test_lies(self, desk, mine, lie):
        """MFA-2; told to the owner, for somebody has the password (MFA-10)."""
        flow, _ = await desk.ask()
        with pytest.raises(PasskeyWrong) as refused:
            await mine.sign_in(flow, **lie)
        assert refused.value.extra == {"tries_left": 4}
        assert (await mine.made.decisions.state(flow, desk.here)).decision == "challenge"
        assert [one["reason"] for one in await desk.told("challenge_failed")] == ["assertion_wrong"]
        assert "factor_failed" in await desk.notices()

    async def test_without_its_user_verified(self, desk, mine):
        """MFA-2: one factor only."""
        flow, _ = await desk.ask()
        with pytest.raises(MoreProofRequired):
            await mine.sign_in(flow, verified=False)
        assert await mine.sign_in(flow) == "complete"

    async def test_replayed_in_another_flow(self, desk, mine):
        """MFA-2: the challenge is of this very flow; in its own one the same answer comes again."""
        flow, _ = await desk.ask()
        answer = mine.device.get(await mine.options(flow))
        assert [await mine.send(flow, answer) for _ in range(2)] == ["complete"] * 2
        assert len(await desk.told("challenge_succeeded")) == 1
        other, _ = await desk.ask()
        with pytest.raises(PasskeyWrong):
            await mine.send(other, answer)
        with pytest.raises(NotFound):
            await mine.send(flow, answer, desk.elsewhere)

    async def test_fifty_at_once(self, desk, mine):
        """INV-13."""
        flow, _ = await desk.ask()
        answer = mine.device.get(await mine.options(flow))
        found = await asyncio.gather(*(mine.send(flow, answer) for _ in range(20)), return_exceptions=True)
        assert set(found) == {"complete"}
        assert len(await desk.told("challenge_succeeded")) == 1

    async def test_an_old_challenge(self, desk, mine):
        flow, _ = await desk.ask()
        options = await mine.options(flow)
        desk.db.clock.move(300)
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, mine.device.get(options))

    async def test_somebody_else_s(self, desk, mine):
        """API-1: proven, but not by whom this sign-in is."""
        theirs = await stranger(desk)
        flow, _ = await desk.ask()
        options = {**await mine.options(flow), "allowCredentials": []}
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, theirs.device.get(options))
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, theirs.device.get(options, count=0))
        assert "passkey_copied" not in await desk.notices()

    async def test_a_count_that_goes_back(self, desk, mine):
        """MFA-2: two of a kind are about; the owner is told."""
        flow, _ = await desk.ask()
        await mine.sign_in(flow)
        flow, _ = await desk.ask()
        with pytest.raises(PasskeyWrong):
            await mine.sign_in(flow, count=1)
        assert "passkey_copied" in await desk.notices()
        assert await mine.sign_in(flow) == "complete"

    async def test_the_fifth_wrong_one_ends_the_attempt(self, desk, mine):
        """OTP-5: codes and passkeys are counted together."""
        await desk.enrol("totp")
        flow, _ = await desk.ask()
        for _ in range(4):
            with pytest.raises(PasskeyWrong):
                await mine.sign_in(flow, origin=OTHER)
        with pytest.raises(FlowEnded):
            await mine.sign_in(flow, origin=OTHER)
        with pytest.raises(FlowEnded):
            await mine.options(flow)

    async def test_slowed_down_over_all_flows(self, desk, mine):
        """OTP-5, BRF-3: a browser that was here before isn't kept out by it, and neither is another way."""
        app = await desk.enrol("totp")
        for _ in range(2):
            flow, _ = await desk.ask()
            for _ in range(5):
                with pytest.raises((PasskeyWrong, FlowEnded)):
                    await mine.sign_in(flow, origin=OTHER)
        flow, _ = await desk.ask()
        with pytest.raises(TooManyRequests):
            await mine.sign_in(flow)
        known = replace(desk.here, device="her-laptop", device_account_id=desk.identity.account_id)
        assert await mine.sign_in(flow, known) == "complete"
        other, _ = await desk.ask()
        assert await desk.code(other, desk.app_code(app)) == "complete"

    async def test_removed(self, desk, mine):
        """MFA-3: and no other is."""
        second = Authenticator(ORIGIN)
        desk.db.clock.move(1)
        await mine.enrol(second)
        first = (await desk.made.factors.listing(desk.mira)).items[0].id
        await desk.made.factors.remove(first, desk.granted("factor.remove", {"factor_id": str(first)}))
        flow, _ = await desk.ask()
        options = {**await mine.options(flow), "allowCredentials": []}
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, mine.device.get(options))
        mine.device = second
        assert await mine.sign_in(flow) == "complete"

    async def test_identity_away_after_the_proof(self, desk, mine):
        """INV-3: the next press goes on."""
        flow, _ = await desk.ask()
        answer = mine.device.get(await mine.options(flow))
        desk.identity.away = True
        with pytest.raises(Overloaded):
            await mine.send(flow, answer)
        desk.identity.away = False
        assert await mine.send(flow, mine.device.get(await mine.options(flow))) == "complete"

    async def test_trusts_the_device(self, desk, mine):
        here = replace(desk.here, new_device="her-laptop")
        flow, _ = await desk.ask()
        await mine.send(flow, mine.device.get(await mine.options(flow)), here, trust_device=True)
        known = replace(desk.here, device="her-laptop", device_account_id=desk.identity.account_id)
        assert (await desk.ask(known))[1].decision == "allow"

    async def test_who_has_none_is_asked_for_none(self, desk, keys_of):
        await desk.enrol("totp")
        flow, _ = await desk.ask()
        with pytest.raises(StepMissing):
            await keys_of.options(flow)


class TestAlone:
    """Instead of name and password."""

    async def test_right(self, desk, mine):
        """MFA-3: the browser finds it; the flow is its owner's then."""
        flow = mine.begun()
        options = await mine.options(flow)
        assert options["allowCredentials"] == []
        assert await mine.send(flow, mine.device.get(options)) == "complete"
        state = await desk.made.decisions.state(flow, desk.here)
        assert (state.decision, state.methods, state.account_id) == ("proven", ["hwk"], desk.identity.account_id)

    async def test_nobody_s(self, desk, mine):
        """ENU-1: as a wrong one of somebody's."""
        theirs = Credential("id.example", secrets.token_bytes(32))
        for lie in (
            {"credential": theirs},
            {"origin": OTHER},
            {"credential": replace(mine.device.held[0], user_handle=b"x" * 32)},
        ):
            flow = mine.begun()
            with pytest.raises(PasskeyWrong) as refused:
                await mine.sign_in(flow, **lie)
            assert refused.value.extra == {}
        assert await desk.told("challenge_failed") == []

    async def test_names_its_owner_itself(self, desk, mine):
        flow = mine.begun()
        answer = mine.device.get(await mine.options(flow))
        del answer["response"]["userHandle"]
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, answer)

    async def test_of_another_store(self, desk, mine):
        """As one that nobody has."""
        async with desk.db.transaction() as tx:
            await tx.execute("UPDATE holder SET store_id = $1", uuid4())
        with pytest.raises(PasskeyWrong):
            await mine.sign_in(mine.begun())

    async def test_without_its_user_verified(self, desk, mine):
        """MFA-2: one factor is too little here."""
        with pytest.raises(MoreProofRequired):
            await mine.sign_in(mine.begun(), verified=False)

    async def test_replayed_in_another_flow_or_browser(self, desk, mine):
        flow = mine.begun()
        answer = mine.device.get(await mine.options(flow))
        with pytest.raises(PasskeyWrong):
            await mine.send(mine.begun(), answer)
        with pytest.raises(PasskeyWrong):
            await mine.send(flow, answer, desk.elsewhere)
        assert [await mine.send(flow, answer) for _ in range(2)] == ["complete"] * 2

    async def test_at_once(self, desk, mine):
        flow = mine.begun()
        answer = mine.device.get(await mine.options(flow))
        found = await asyncio.gather(*(mine.send(flow, answer) for _ in range(5)), return_exceptions=True)
        assert set(found) == {"complete"}
        assert len(await desk.told("challenge_succeeded")) == 1

    async def test_wrong_ones_are_counted(self, desk, mine):
        flow = mine.begun()
        for _ in range(5):
            with pytest.raises(PasskeyWrong):
                await mine.sign_in(flow, origin=OTHER)
        with pytest.raises(FlowEnded):
            await mine.sign_in(flow)

    async def test_a_copied_one(self, desk, mine):
        await mine.sign_in(mine.begun())
        with pytest.raises(PasskeyWrong):
            await mine.sign_in(mine.begun(), count=1)
        assert "passkey_copied" in await desk.notices()

    async def test_its_flow_is_no_other_account_s(self, desk, mine):
        """Whoever proves a passkey of their own and a stolen password in one flow has proven neither's factor."""
        theirs = await stranger(desk)
        flow = mine.begun()
        await mine.send(flow, theirs.device.get(await mine.options(flow)))
        question = her_password(desk, flow)
        assert (await desk.made.decisions.decide(question, desk.here)).decision == "ended"

    async def test_no_flow_no_options(self, desk, mine):
        desk.identity.away = True
        with pytest.raises(Overloaded):
            await mine.options(mine.begun())
        desk.identity.away = False
        with pytest.raises(StepMissing):
            await mine.options(random_id())


class TestStepUp:
    async def test_by_the_session_that_asked(self, desk, mine):
        flow, state = await desk.ask(desk.mira, "step_up")
        assert state.next == ["passkey"]
        by = desk.made.by_passkey
        options = (await by.step_up_options(flow, desk.mira)).public_key
        body = PasskeyProof(credential=Asserted.model_validate(mine.device.get(options)))
        for other in (replace(desk.mira, session_id=UUID(int=1)), replace(desk.mira, account_id=UUID(int=1))):
            with pytest.raises(NotFound):
                await by.step_up_options(flow, other)
            with pytest.raises(NotFound):
                await by.step_up(flow, body, other)
        assert (await by.step_up(flow, body, desk.mira)).grant == "granted"
        with pytest.raises(NotFound):
            await by.sign_in("demo", flow, body, desk.here)


class TestMalformed:
    """API-1, MFA-2: whatever a stranger sends is refused, and nothing falls over."""

    @pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
    @pytest.mark.parametrize("junk", ["A", "AAAA", b64(b"{}"), b64(b"[1]"), b64(b"\xff\xfe{"), b64(b"[" * 5000), "=", "_-" * 40])
    async def test_bytes(self, desk, mine, field, junk):
        flow = mine.begun()
        answer = mine.device.get(await mine.options(flow))
        answer["response"][field] = junk
        with pytest.raises((PasskeyWrong, ValidationError)):
            await mine.send(flow, answer)

    @pytest.mark.parametrize("junk", ["A", "AAAA", b64(b"\xbf" * 4000), b64(b"\x9f" * 4000), b64(b"\xa1\x63fmt\x64none")])
    async def test_attestations(self, desk, keys_of, junk):
        pending = await desk.begin("passkey")
        answer = keys_of.device.create(pending.passkey)
        answer["response"]["attestationObject"] = junk
        with pytest.raises(PasskeyWrong):
            await keys_of.confirm(pending.id, answer)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": 1},
            {"type": "password"},
            {"response": None},
            {"response": []},
            {"rawId": None},
            {"rawId": "ä"},
            {"id": "A" * 1401},
        ],
        ids=lambda one: f"{next(iter(one))} {str(next(iter(one.values())))[:9]}",
    )
    async def test_shapes(self, keys_of, change):
        given = Authenticator(ORIGIN).get(
            {"rpId": "x", "challenge": "AA", "allowCredentials": []}, credential=Credential("x", b"y")
        )
        with pytest.raises(ValidationError):
            Asserted.model_validate({**given, **change})

    async def test_a_key_that_is_none(self):
        answer = Authenticator(ORIGIN).get(
            {"rpId": "id.example", "challenge": b64(b"1" * 32), "allowCredentials": []}, credential=Credential("id.example", b"y")
        )
        found = asserted(Site(ORIGIN), [b"1" * 32], Asserted.model_validate(answer), public_key=b"\x01", sign_count=0)
        assert found == "wrong"


class TestOffer:
    async def test_until_there_is_one(self, desk, keys_of):
        """D12."""
        assert (await desk.made.passkeys.offer(desk.mira)).offered
        await keys_of.enrol()
        assert not (await desk.made.passkeys.offer(desk.mira)).offered

    async def test_never_again(self, desk):
        """Kept for good, also of who has no factor; wanted all the same, it can be added."""
        for _ in range(2):
            await desk.made.passkeys.refuse_offers(desk.mira)
        assert not (await desk.made.passkeys.offer(desk.mira)).offered
        assert (await desk.begin("passkey")).passkey is not None

    async def test_switched_off(self, desk):
        desk.policy(passkey={"enabled": False})
        assert not (await desk.made.passkeys.offer(desk.mira)).offered


def test_challenges_are_of_what_they_are_for(clock):
    """MFA-2: 256 bits, one for each flow and window."""
    one, other, now = Challenges(b"1" * 32), Challenges(b"2" * 32), clock.now()
    found = {one.current(b"a", now), one.current(b"b", now), other.current(b"a", now)}
    assert ({len(challenge) for challenge in found}, len(found)) == ({32}, 3)


async def stranger(desk) -> Passkeys:
    """Somebody else of the store, with a passkey."""
    mine, desk.mira = desk.mira, replace(desk.mira, account_id=uuid4(), session_id=uuid4())
    found = Passkeys(desk)
    await found.enrol()
    desk.mira = mine
    return found


def her_password(desk, flow):
    later = desk.db.clock.now()
    return AccessQuestion(flow_id=flow, kind="sign_in", application="demo", account_id=desk.identity.account_id, expires_at=later)
