"""Sign-in with an account elsewhere: whose it is, what it opens, and that nothing else does (REG-5, MFA-7)."""

import asyncio
from dataclasses import replace

import pytest
from latchkey_contracts.http.access import AccessState, SecondFactor
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.registration import RegistrationFlow
from latchkey_contracts.http.sign_in import PasswordRequest, SignInFlow, SignInRequest
from latchkey_contracts.http.social import NewcomerRequest, SocialCallback, SocialRequest
from servicekit.errors import (
    CredentialsWrong,
    FeatureDisabled,
    FlowEnded,
    LinkEnded,
    NotAllowedByPolicy,
    NotFound,
    ProviderUnavailable,
    SocialDenied,
    SocialRefused,
    StepMissing,
    ValidationFailed,
)

from .conftest import EMAIL, ISSUER, NOOR, WITH_SOCIAL

UNVERIFIED = {**NOOR, "email_verified": ""}
REFUSED = (
    "wrong_nonce", "no_nonce", "wrong_iss", "wrong_aud", "many_aud", "expired", "future", "no_sub", "alg_none", "hs256", "other_key",
    "wrong_answer_iss", "no_answer_iss", "bad_at_hash", "no_id_token", "token_refused",
)  # fmt: skip
AWAY = ("nonsense", "server_error", "redirect")


class TestSomebodyNew:
    async def test_becomes_an_account_with_what_is_asked(self, world, db):
        flow = await world.sign_in()
        assert (flow.status, flow.next) == ("password", ["password", "passkey", "social", "registration"])
        assert flow.newcomer is not None
        assert (flow.newcomer.email, flow.newcomer.email_proven) == (EMAIL, True)
        assert flow.newcomer.profile == {"given_name": "Noor"}  # the store asks no last name
        joined = await world.customers.social.joining.join(
            "demo", flow.id, NewcomerRequest(profile={"given_name": "Noor"}), world.customers.here
        )
        assert isinstance(joined, SignInFlow)
        assert joined.status == "complete"
        assert await world.linked() == [(ISSUER, "1001")]
        async with db.read() as conn:
            row = await conn.fetchrow("SELECT verified_at, canonical FROM identifier WHERE account_id = $1", joined.account_id)
            hash_ = await conn.fetchval("SELECT hash FROM password_credential WHERE account_id = $1", joined.account_id)
        assert row["verified_at"] is not None
        assert row["canonical"] == EMAIL
        assert hash_ is None
        [session] = await world.customers.told("signed_in")
        assert session["methods"] == ["fed"]
        assert len(await world.customers.told("identity_linked")) == 1

    async def test_is_known_by_issuer_and_subject_whatever_the_address(self, world):
        """REG-5."""
        first = await world.join()
        again = await world.sign_in({**NOOR, "email": "another@posteo.example"})
        assert (again.status, again.account_id) == ("complete", first.account_id)

    async def test_the_same_subject_of_two_issuers_is_two_people(self, world):
        """REG-5."""
        first = await world.join()
        met = await world.sign_in({"sub": "1001"}, "other", world.customers.elsewhere)
        assert met.account_id is None
        assert met.newcomer is not None
        assert first.account_id is not None

    async def test_can_be_joined_once_by_many_presses(self, world):
        flow = await world.sign_in()
        join = world.customers.social.joining.join
        answers = await asyncio.gather(
            *(join("demo", flow.id, NewcomerRequest(), world.customers.here) for _ in range(6)), return_exceptions=True
        )
        assert any(isinstance(one, SignInFlow) and one.status == "complete" for one in answers), answers
        assert all(isinstance(one, SignInFlow | FlowEnded) for one in answers), answers
        assert len(await world.linked()) == 1
        assert len(await world.customers.told("user_registered")) == 1

    async def test_gives_what_the_store_requires(self, world):
        await world.apply(
            identity_stores=[
                {
                    **WITH_SOCIAL["identity_stores"][0],
                    "identifiers": {"email": {"use": "required"}, "username": {"use": "required"}},
                }
            ]
        )
        flow = await world.sign_in()
        join = world.customers.social.joining.join
        with pytest.raises(ValidationFailed) as refused:
            await join("demo", flow.id, NewcomerRequest(), world.customers.here)
        assert [one.field for one in refused.value.errors] == ["/identifiers/username"]
        body = NewcomerRequest.model_validate({"identifiers": {"username": "noor"}})
        assert (await join("demo", flow.id, body, world.customers.here)).status == "complete"

    async def test_takes_no_other_address_than_the_proven_one(self, world):
        flow = await world.sign_in()
        body = NewcomerRequest.model_validate({"identifiers": {"email": "somebody@posteo.example"}})
        with pytest.raises(ValidationFailed):
            await world.customers.social.joining.join("demo", flow.id, body, world.customers.here)

    async def test_not_where_registration_is_closed(self, world):
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"enabled": False}}])
        with pytest.raises(FeatureDisabled):
            await world.sign_in()

    async def test_is_nobodys_in_another_browser(self, world):
        flow = await world.sign_in()
        with pytest.raises(NotFound):
            await world.customers.social.joining.join("demo", flow.id, NewcomerRequest(), world.customers.elsewhere)


class TestUnproven:
    """What a provider doesn't vouch for is typed, nothing more."""

    async def test_goes_by_mail_and_then_signs_in(self, world):
        flow = await world.sign_in(UNVERIFIED)
        assert flow.newcomer is not None
        assert not flow.newcomer.email_proven
        body = NewcomerRequest.model_validate({"identifiers": {"email": EMAIL}})
        begun = await world.customers.social.joining.join("demo", flow.id, body, world.customers.here)
        assert isinstance(begun, RegistrationFlow)
        assert (begun.status, begun.next) == ("check_your_messages", ["resend", "code"])
        assert (await world.sign_in(UNVERIFIED)).newcomer is not None, "nothing is linked before the mail"
        await world.customers.work()
        token = await world.customers.token(begun)
        done = await world.customers.activations.confirm("demo", ConfirmRequest(token=token), world.customers.here)
        assert done.status == "activated"
        assert (await world.sign_in(UNVERIFIED)).status == "complete"

    async def test_a_known_address_looks_the_same(self, world):
        """REG-1, ENU-1: an attacker's own provider says any address; nobody learns whether it has an account."""
        await world.customers.join(email=EMAIL)
        answers = []
        for address in (EMAIL, "nobody@posteo.example"):
            flow = await world.sign_in({"sub": f"liar-{address}", "email": address, "email_verified": "on"}, "other")
            body = NewcomerRequest.model_validate({"identifiers": {"email": address}})
            begun = await world.customers.social.joining.join("demo", flow.id, body, world.customers.here)
            answers.append((flow.status, flow.next, flow.links, begun.status, begun.next, type(begun)))
        assert answers[0] == answers[1]
        await world.customers.work()
        assert len(await world.customers.told("registration_repeated")) == 1

    async def test_somebody_elses_link_takes_nothing_over(self, world, clock):
        """REG-3: what a stranger's attempt would link doesn't survive a fresh link of the mailbox's owner."""
        flow = await world.sign_in({**UNVERIFIED, "sub": "attacker"})
        body = NewcomerRequest.model_validate({"identifiers": {"email": EMAIL}})
        begun = await world.customers.social.joining.join("demo", flow.id, body, world.customers.here)
        await world.customers.work()
        token = await world.customers.token(begun)
        clock.move(21)
        renewed = await world.customers.activations.renew("demo", token, world.customers.elsewhere)
        await world.customers.work()
        fresh = await world.customers.token(renewed)
        confirmed = await world.customers.activations.confirm("demo", ConfirmRequest(token=fresh), world.customers.elsewhere)
        assert confirmed.status == "password"  # she chooses one of her own
        await world.customers.activations.set_password("demo", renewed.id, world.customers.new, world.customers.elsewhere)
        assert await world.linked() == []
        assert (await world.sign_in({**UNVERIFIED, "sub": "attacker"})).status == "password"


class TestAnAccountWithThisAddress:
    """Pre-hijacking and its mirror: an address alone merges nothing (REG-5)."""

    async def test_is_linked_once_its_owner_has_signed_in_to_it(self, world):
        account = await world.customers.join(email=EMAIL)
        met = await world.sign_in()
        assert (met.status, met.links, met.typed, met.newcomer) == ("password", "local", EMAIL, None)
        assert await world.linked() == []
        with pytest.raises(StepMissing):
            await world.customers.social.joining.join("demo", met.id, NewcomerRequest(), world.customers.here)
        done = await world.customers.sign_ins.password(
            "demo", met.id, PasswordRequest(password=world.customers.old), world.customers.here
        )
        assert done.status == "complete"
        assert await world.linked() == [(ISSUER, "1001")]
        [told] = await world.customers.told("identity_linked")
        assert len(told["notices"]) == 1, "its owner is told"
        again = await world.sign_in()
        assert (again.status, again.account_id) == ("complete", account)

    async def test_not_by_another_account(self, world):
        """The name is that of the proven address, whatever else is typed beside the password."""
        account = await world.customers.join(email=EMAIL)
        await world.customers.join(email="mira@posteo.example")
        met = await world.sign_in()
        body = PasswordRequest(password=world.customers.old, identifier="mira@posteo.example")
        done = await world.customers.sign_ins.password("demo", met.id, body, world.customers.here)
        assert (done.status, done.account_id) == ("complete", account)

    async def test_not_where_linking_is_off(self, world):
        await world.customers.join(email=EMAIL)
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"account_linking": False}}])
        with pytest.raises(SocialRefused):
            await world.sign_in()
        assert await world.linked() == []

    async def test_classic_federated_merge(self, world):
        """Whoever registered her address beforehand without proving it keeps nothing of it: the proof beats the claim."""
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"activation": False}}])
        await world.customers.begin(email=EMAIL)  # the attacker's, active at once
        await world.apply()
        joined = await world.join(caller=world.customers.elsewhere)
        assert joined.status == "complete"
        with pytest.raises(CredentialsWrong):
            await world.customers.sign_in(EMAIL)

    async def test_unexpired_session(self, world, db):
        """The attacker's session on that account is over, too."""
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"activation": False}}])
        await world.customers.begin(email=EMAIL)
        await world.apply()
        joined = await world.join(caller=world.customers.elsewhere)
        async with db.read() as conn:
            live = await conn.fetch("SELECT account_id FROM session WHERE revoked_at IS NULL")
        assert [row["account_id"] for row in live] == [joined.account_id]

    async def test_a_pending_registration_ends(self, world):
        """Trojan identifier: what somebody began for this address leads nowhere once it is proven."""
        begun = await world.customers.register(email=EMAIL)
        token = await world.customers.token(begun)
        joined = await world.join(caller=world.customers.elsewhere)
        assert joined.status == "complete"
        with pytest.raises(LinkEnded):
            await world.customers.activations.confirm("demo", ConfirmRequest(token=token), world.customers.here)

    async def test_a_reset_that_proves_the_address_drops_links(self, world, db):
        """REG-4: linked by somebody who never proved the address."""
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"activation": False}}])
        attacker = await world.join({"sub": "attacker", "email": EMAIL}, "other", identifiers={"email": EMAIL})
        assert await world.linked() == [("http://localhost:9", "attacker")]
        flow = await world.begin()
        await world.customers.changes.reset(attacker.account_id, "demo", flow.id, world.customers.new, world.customers.elsewhere)
        assert await world.linked() == []
        [told] = await world.customers.told("identity_unlinked")
        assert told["reason"] == "reset"


class TestAnswers:
    @pytest.mark.parametrize("lie", REFUSED)
    async def test_a_lie_opens_nothing(self, world, lie):
        await world.join()
        with pytest.raises(SocialRefused):
            await world.sign_in(lie=lie)

    @pytest.mark.parametrize("lie", AWAY)
    async def test_away_or_nonsense(self, world, lie):
        await world.join()
        with pytest.raises(ProviderUnavailable):
            await world.sign_in(lie=lie)
        assert not [one for one in world.wire.asked if "169.254" in one], "no redirect is followed"

    async def test_after_it_the_sign_in_goes_on(self, world):
        """With a password, or the same provider again."""
        await world.customers.join(email=EMAIL)
        flow = await world.begin()
        said = await world.there(await world.out(flow), {"deny": "1"})
        with pytest.raises(SocialDenied) as denied:
            await world.back(said)
        assert denied.value.extra == {"provider": "local", "application": "demo", "purpose": "sign_in", "flow_id": str(flow.id)}
        body = PasswordRequest(password=world.customers.old, identifier=EMAIL)
        assert (await world.customers.sign_ins.password("demo", flow.id, body, world.customers.here)).status == "complete"

    async def test_counts_once(self, world):
        await world.join()
        flow = await world.begin()
        said = await world.there(await world.out(flow))
        answers = await asyncio.gather(*(world.back(said) for _ in range(8)), return_exceptions=True)
        assert len([one for one in answers if not isinstance(one, Exception)]) == 1
        assert {type(one) for one in answers if isinstance(one, Exception)} == {FlowEnded}

    async def test_of_another_browser_is_none(self, world):
        """Login CSRF: an attacker's answer in her browser, and hers in the attacker's."""
        await world.join()
        flow = await world.begin()
        said = await world.there(await world.out(flow))
        with pytest.raises(NotFound):
            await world.back(said, caller=world.customers.elsewhere)
        with pytest.raises(NotFound):
            await world.back(said, caller=replace(world.customers.here, flow=None))
        assert (await world.back(said)).sign_in is not None, "and it isn't used up by that"

    async def test_of_another_provider_is_none(self, world):
        """Mix-up: each provider has an address of its own."""
        flow = await world.begin()
        said = await world.there(await world.out(flow))
        with pytest.raises(NotFound):
            await world.back(said, "other")

    async def test_too_late(self, world, clock):
        flow = await world.begin()
        url = await world.out(flow)
        clock.move(601)
        with pytest.raises(FlowEnded):
            await world.back(await world.there(url))

    async def test_without_a_state(self, world):
        with pytest.raises(NotFound):
            await world.back(SocialCallback(code="x"))

    async def test_a_code_without_its_verifier_is_worth_nothing(self, world):
        """PKCE: a stolen code, put into the attacker's own way back."""
        await world.join()
        hers, his = await world.begin(), await world.begin(world.customers.elsewhere)
        stolen = await world.there(await world.out(hers))
        own = await world.there(await world.out(his, caller=world.customers.elsewhere), {"sub": "attacker"})
        with pytest.raises(SocialRefused):
            await world.back(own.model_copy(update={"code": stolen.code}), caller=world.customers.elsewhere)

    async def test_new_keys_are_fetched(self, world, clock):
        await world.join()
        world.providers["local"].rotate()
        clock.move(11)
        assert (await world.sign_in()).status == "complete"

    async def test_nothing_of_it_is_kept(self, world, db):
        flow = await world.begin()
        url = await world.out(flow)
        said = await world.there(url)
        await world.back(said)
        async with db.read() as conn:
            kept = str(await conn.fetch("SELECT t::text FROM social_attempt AS t")) + str(
                await conn.fetch("SELECT t::text FROM sign_in_flow AS t")
            )
        for secret in (said.state, said.code, *[url.split(f"{name}=")[1].split("&")[0] for name in ("nonce", "code_challenge")]):
            assert secret not in kept


class TestAfterIt:
    async def test_a_second_factor_is_asked_as_after_a_password(self, world, clock):
        """MFA-7."""
        joined = await world.join()
        await world.customers.second_factors.put(joined.account_id, SecondFactor(enrolled=True, version=1))
        flow = await world.sign_in()
        assert flow.status == "needs_factor"
        world.customers.mfa.prove(flow.id, clock.now())
        done = await world.customers.sign_ins.read("demo", flow.id, world.customers.here)
        assert done.status == "complete"
        assert (await world.customers.told("signed_in"))[-1]["methods"] == ["fed", "otp", "mfa"]

    async def test_a_rule_that_denies(self, world):
        await world.join()
        await world.apply(
            access_policies=[
                {
                    "name": "Default",
                    "rules": [{"name": "night", "effect": "deny", "when": {"new_device": True, "networks": ["192.0.2.0/24"]}}],
                }
            ]
        )
        world.customers.mfa.always = AccessState(decision="deny")
        with pytest.raises(NotAllowedByPolicy):
            await world.sign_in()

    async def test_unlinked_in_the_middle(self, world, db, clock):
        joined = await world.join()
        await world.customers.second_factors.put(joined.account_id, SecondFactor(enrolled=True, version=1))
        flow = await world.sign_in()
        async with db.transaction() as tx:
            await tx.execute("DELETE FROM linked_identity")
        world.customers.mfa.prove(flow.id, clock.now())
        assert (await world.customers.sign_ins.read("demo", flow.id, world.customers.here)).status == "ended"

    async def test_a_disabled_account(self, world):
        joined = await world.join()
        await world.customers.sessions.disable_account(joined.account_id)
        with pytest.raises(SocialRefused):
            await world.sign_in()

    async def test_in_each_workflow(self, world):
        """Where a factor comes first, it stands in for name and first step."""
        joined = await world.join()
        for workflow in ("factor_only", "factor_then_password", "password_only"):
            policies = [{"name": "Default", "workflow": workflow}]
            await world.apply(access_policies=policies)
            world.customers.mfa.always = AccessState(decision="allow")
            flow = await world.begin()
            assert "social" in flow.next
            assert (await world.sign_in()).account_id == joined.account_id

    async def test_no_further_step_once_something_is_proven(self, world, clock):
        joined = await world.join()
        await world.customers.second_factors.put(joined.account_id, SecondFactor(enrolled=True, version=1))
        flow = await world.sign_in()
        with pytest.raises(StepMissing):
            await world.out(flow)

    async def test_what_is_not_offered(self, world):
        flow = await world.begin()
        with pytest.raises(ValidationFailed):
            await world.customers.social.sign_in("demo", flow.id, SocialRequest(provider="nobody"), world.customers.here)
        other = await world.customers.sign_ins.start("demo", SignInRequest(identifier="x"), world.customers.here)
        assert "social" in other.next
