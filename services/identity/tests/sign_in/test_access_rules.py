"""Applications whose policy decides for customers without a factor, too: mfa is asked there, and only there (decision 12)."""

from copy import deepcopy
from dataclasses import replace

import pytest
from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.registration import Identifiers, RegistrationRequest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.errors import CredentialsWrong, FlowEnded, NotAllowedByPolicy, Overloaded

EMAIL = "mira@posteo.example"
RULE = {"name": "office", "effect": "deny", "when": {"networks": ["192.0.2.0/24"]}}


@pytest.fixture
async def ruled(customers):
    """An application with a rule, and Mira without a factor."""
    await customers.join(email=EMAIL, username="mira")
    document = {**deepcopy(customers.document), "access_policies": [{"name": "Default", "rules": [RULE]}]}
    await customers.configuration.apply(document)
    customers.mfa.always = AccessState(decision="allow")
    return customers


async def test_asked_without_a_factor(ruled):
    assert (await ruled.sign_in(EMAIL)).status == "complete"
    assert [one.kind for one in ruled.mfa.asked] == ["sign_in"]


async def test_elsewhere_nobody_is_asked(customers):
    await customers.join(email=EMAIL, username="mira")
    assert (await customers.sign_in(EMAIL)).status == "complete"
    assert customers.mfa.asked == []


async def test_away(ruled):
    """Right and wrong password alike."""
    ruled.mfa.away = True
    for password in (ruled.old, "not the password at all"):
        with pytest.raises(Overloaded):
            await ruled.sign_in(EMAIL, password)


class TestDenied:
    async def test_ends_the_attempt(self, ruled):
        ruled.mfa.always = AccessState(decision="deny")
        flow = await ruled.sign_ins.start("demo", SignInRequest(identifier=EMAIL), ruled.here)
        body = PasswordRequest(password=ruled.old)
        with pytest.raises(NotAllowedByPolicy, match="sign in from here"):
            await ruled.sign_ins.password("demo", flow.id, body, ruled.here)
        ruled.mfa.always = AccessState(decision="allow")
        with pytest.raises(FlowEnded):
            await ruled.sign_ins.password("demo", flow.id, body, ruled.here)
        for _ in range(2):
            with pytest.raises(NotAllowedByPolicy):  # whoever looks again is told the same
                await ruled.sign_ins.read("demo", flow.id, ruled.here)

    async def test_told_only_after_the_right_password(self, ruled):
        ruled.mfa.always = AccessState(decision="deny")
        for name in (EMAIL, "nobody@posteo.example"):
            with pytest.raises(CredentialsWrong):
                await ruled.sign_in(name, "not the password at all")

    async def test_in_one_call_too(self, ruled):
        ruled.mfa.always = AccessState(decision="deny")
        body = SignInRequest(identifier=EMAIL, password=ruled.old, client="api")
        with pytest.raises(NotAllowedByPolicy):
            await ruled.sign_ins.start("demo", body, replace(ruled.here, api_client=True))


class TestRegistrationWithoutActivation:
    """D4, MFA-7: no session past what the policy decides at each sign-in."""

    async def register(self, customers, **policy):
        policies = {"access_policies": [{"name": "Default", **policy}]}
        open_ = {"self_service_policies": [{"name": "Default", "registration": {"activation": False}}]}
        await customers.configuration.apply({**deepcopy(customers.document), **policies, **open_})
        body = RegistrationRequest(identifiers=Identifiers(email="kim@posteo.example", username="kim"), password=customers.old)
        return await customers.registrations.start("demo", body, customers.here)

    @pytest.mark.parametrize(
        "policy", [{"rules": [RULE]}, {"second_factor": {"required": True}}, {"workflow": "factor_then_password"}]
    )
    async def test_a_sign_in_follows(self, customers, db, policy):
        flow = await self.register(customers, **policy)
        assert (flow.status, flow.session, flow.next) == ("activated", None, [])
        async with db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM session") == 0
        assert len(await customers.told("user_activated")) == 1

    async def test_denied(self, customers):
        await self.register(customers, rules=[RULE])
        customers.mfa.always = AccessState(decision="deny")
        with pytest.raises(NotAllowedByPolicy):
            await customers.sign_in("kim")

    async def test_where_it_decides_nothing(self, customers):
        flow = await self.register(customers)
        assert flow.status == "complete"
        assert flow.session is not None
