"""Applications whose policy decides for customers without a factor, too: mfa is asked there, and only there (decision 12)."""

from copy import deepcopy
from dataclasses import replace

import pytest
from latchkey_contracts.http.access import AccessState
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
