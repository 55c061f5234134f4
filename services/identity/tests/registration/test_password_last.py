"""D33: registration asks for the password last: once the address is proven."""

from typing import Any

import pytest
from identity.configuration.routes import describe
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.registration import Identifiers, RegistrationRequest
from servicekit.errors import CredentialsWrong, StepMissing, ValidationFailed

from ..conftest import DOCUMENT

EMAIL = "mira@posteo.example"


async def policy(customers: Any, **more: Any) -> None:
    policies = [{**DOCUMENT["self_service_policies"][0], "password_input": {"defer": True}, **more}]
    await customers.configuration.apply({**DOCUMENT, "self_service_policies": policies})


def asked(**identifiers: str) -> RegistrationRequest:
    return RegistrationRequest(identifiers=Identifiers(**identifiers))


async def begun(customers: Any, **identifiers: str) -> Any:
    flow = await customers.registrations.start("demo", asked(**identifiers), customers.here)
    await customers.work()
    return flow


async def test_link_then_password(customers):
    await policy(customers)
    flow = await begun(customers, email=EMAIL, username="mira")
    assert flow.status == "check_your_messages"
    body = ConfirmRequest(token=await customers.token(flow))
    done = await customers.activations.confirm("demo", body, customers.here)
    assert (done.status, done.next) == ("password", ["password"])
    with pytest.raises(CredentialsWrong):
        await customers.sign_in(EMAIL, customers.old)
    with pytest.raises(ValidationFailed):
        await customers.activations.set_password("demo", flow.id, "short", customers.here)
    done = await customers.activations.set_password("demo", flow.id, customers.new, customers.here)
    assert done.status == "activated"
    assert (await customers.sign_in(EMAIL, customers.new)).status == "complete"


async def test_password_while_it_waits(customers):
    """Whoever has it ready needn't wait for the mail; it counts once the address is proven."""
    await policy(customers)
    flow = await begun(customers, email=EMAIL, username="mira")
    assert "password" in flow.next
    assert (await customers.activations.set_password("demo", flow.id, customers.new, customers.here)).status == flow.status
    with pytest.raises(StepMissing):
        await customers.activations.set_password("demo", flow.id, customers.old, customers.here)
    done = await customers.activations.confirm("demo", ConfirmRequest(token=await customers.token(flow)), customers.here)
    assert done.status == "activated"


async def test_given_at_once_it_is_taken(customers):
    await policy(customers)
    await customers.join(email=EMAIL, username="mira")
    assert (await customers.sign_in(EMAIL)).status == "complete"


@pytest.mark.parametrize("more", [{}, {"registration": {"activation": False}}])
async def test_needed_at_once(customers, more: dict[str, Any]):
    """Where it isn't asked for last, or there is no moment for that."""
    await policy(customers, password_input={"defer": bool(more)}, **more)
    with pytest.raises(ValidationFailed) as refused:
        await customers.registrations.start("demo", asked(email=EMAIL, username="mira"), customers.here)
    assert [(one.field, one.code) for one in refused.value.errors] == [("/password", "required")]


@pytest.mark.parametrize(
    ("identifiers", "activation", "promised"),
    [
        ({"email": {"use": "required"}}, True, True),
        ({"email": {"use": "required"}}, False, False),
        ({"email": {"use": "optional"}, "username": {"use": "required"}}, True, False),
    ],
)
async def test_what_the_application_promises(customers, identifiers: dict[str, Any], activation: bool, promised: bool):
    """`features.password_last`: true only where every registration may leave it out."""
    stores = [{**DOCUMENT["identity_stores"][0], "identifiers": identifiers}]
    policies = [{"name": "Default", "password_input": {"defer": True}, "registration": {"activation": activation}}]
    await customers.configuration.apply({**DOCUMENT, "identity_stores": stores, "self_service_policies": policies})
    assert describe(customers.configuration.application("demo"), "en").features.password_last is promised


async def test_known_and_unknown_alike(customers):
    """REG-1."""
    await customers.join(email=EMAIL, username="mira")
    await policy(customers)
    answers = [await begun(customers, email=email, username="mira") for email in (EMAIL, "nobody@posteo.example")]
    assert answers[0].next == answers[1].next
    assert answers[0].status == answers[1].status
