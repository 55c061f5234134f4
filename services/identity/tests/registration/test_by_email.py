"""Whoever gets no text goes on by e-mail, with all that was typed before (FRD-8, E33)."""

from uuid import uuid4

import pytest
from latchkey_contracts.http.registration import EmailRequest, Identifiers, RegistrationRequest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.errors import CodeWrong, FlowEnded, NotFound, StepMissing, ValidationFailed

from .test_closed_numbers import DOCUMENT

NUMBER, EMAIL = "+1 202 555 0123", "mira@posteo.example"


@pytest.fixture
async def phones(customers):
    checked = await customers.configuration.apply(DOCUMENT)
    assert not getattr(checked, "errors", None)
    return customers


async def start(customers, caller=None, **identifiers: str):
    body = RegistrationRequest(identifiers=Identifiers(**identifiers), password=customers.old)
    flow = await customers.registrations.start("phones", body, caller or customers.here)
    await customers.work()
    return flow


async def by_email(customers, flow, email: str = EMAIL, caller=None):
    going = await customers.registrations.by_email("phones", flow.id, EmailRequest(email=email).email, caller or customers.here)
    await customers.work()
    return going


async def code(customers, flow) -> str:
    told = [one for one in await customers.told("activation_requested") if one["flow_id"] == str(flow.id)]
    return customers.opened(told[-1]).code


async def identifiers(customers, kind: str) -> list[tuple]:
    """(status of the account, proven, aside) of whoever holds such a one."""
    wanted = "SELECT a.status, i.verified_at IS NOT NULL, i.contested FROM identifier i JOIN account a ON a.id = i.account_id WHERE kind = $1 ORDER BY a.status"
    async with customers.db.read() as conn:
        return [tuple(row.values()) for row in await conn.fetch(wanted, kind)]


class TestByEmail:
    async def test_begins_a_flow_of_its_own_that_waits_for_a_mail(self, phones):
        """FRD-5: of its own, so that its code never counts as the use of the text that was sent before."""
        first = await start(phones, phone=NUMBER)
        assert first.next == ["resend", "code", "email"]
        going = await by_email(phones, first)
        assert going.id != first.id
        assert (going.status, going.delivery.channel, going.typed, going.resend.channels) == (
            "check_your_messages",
            "email",
            EMAIL,
            ["email"],
        )
        assert going.next == ["resend", "code"]
        done = await phones.activations.by_code("phones", going.id, await code(phones, going), phones.here)
        assert done.status == "activated"

    async def test_keeps_password_and_number(self, phones):
        """Nothing is typed again. Her own attempt by text, which nobody finished, doesn't keep her number from her (REG-8)."""
        going = await by_email(phones, await start(phones, phone=NUMBER))
        await phones.activations.by_code("phones", going.id, await code(phones, going), phones.here)
        assert await identifiers(phones, "phone") == [("active", False, False), ("pending", False, True)]
        for name in (EMAIL, NUMBER):
            begun = await phones.sign_ins.start("phones", SignInRequest(identifier=name), phones.here)
            body = PasswordRequest(password=phones.old)
            assert (await phones.sign_ins.password("phones", begun.id, body, phones.here)).status == "complete"

    async def test_whoever_proves_the_number_still_has_it(self, phones):
        """REG-3: a claim beside it stands in nobody's way."""
        theirs = await start(phones, phones.elsewhere, phone=NUMBER)
        going = await start(phones, phone=NUMBER, email="stranger@posteo.example")
        await phones.activations.by_code("phones", going.id, await code(phones, going), phones.here)
        done = await phones.activations.by_code("phones", theirs.id, await code(phones, theirs), phones.elsewhere)
        assert done.status == "activated"
        assert await identifiers(phones, "phone") == [("active", True, False)]

    async def test_the_text_that_comes_after_all_still_works(self, phones):
        first = await start(phones, phone=NUMBER)
        await by_email(phones, first)
        done = await phones.activations.by_code("phones", first.id, await code(phones, first), phones.here)
        assert done.status == "activated"

    async def test_a_code_of_one_flow_is_none_of_the_other(self, phones):
        """REG-3: what came to the number proves no mailbox."""
        first = await start(phones, phone=NUMBER)
        going = await by_email(phones, first)
        with pytest.raises(CodeWrong):
            await phones.activations.by_code("phones", going.id, await code(phones, first), phones.here)

    async def test_known_and_unknown_addresses_are_answered_alike(self, phones):
        """ENU-1, REG-1."""
        going = await by_email(phones, await start(phones, phone=NUMBER))
        await phones.activations.by_code("phones", going.id, await code(phones, going), phones.here)
        new = await by_email(phones, await start(phones, phone="+1 202 555 0155"), "new@posteo.example")
        known = await by_email(phones, await start(phones, phone="+1 202 555 0166"))
        same = {"id", "typed", "delivery", "match", "expires_at", "resend"}
        assert new.model_dump(exclude=same) == known.model_dump(exclude=same)
        assert (new.delivery.state, new.delivery.channel) == (known.delivery.state, known.delivery.channel)


class TestRefused:
    async def test_what_is_no_address(self, phones):
        flow = await start(phones, phone=NUMBER)
        with pytest.raises(ValidationFailed) as refused:
            await by_email(phones, flow, "mira")
        assert [(one["field"], one["code"]) for one in refused.value.extra["errors"]] == [("/email", "email_not_valid")]

    async def test_a_flow_that_waits_for_a_mail_already(self, phones):
        flow = await start(phones, phone=NUMBER, email=EMAIL)
        assert "email" not in flow.next
        with pytest.raises(StepMissing):
            await by_email(phones, flow, "other@posteo.example")

    async def test_a_store_without_addresses(self, phones):
        document = {
            **DOCUMENT,
            "identity_stores": [{"name": "Phones", "identifiers": {"phone": {"use": "required"}, "email": {"use": "hidden"}}}],
        }
        assert not getattr(await phones.configuration.apply(document), "errors", None)
        flow = await start(phones, phone=NUMBER)
        assert "email" not in flow.next
        with pytest.raises(StepMissing):
            await by_email(phones, flow)

    async def test_another_browser_or_another_flow(self, phones):
        flow = await start(phones, phone=NUMBER)
        with pytest.raises(NotFound):
            await by_email(phones, flow, caller=phones.elsewhere)
        with pytest.raises(NotFound):
            await by_email(phones, flow.model_copy(update={"id": uuid4()}))

    async def test_a_flow_that_is_over(self, phones, clock):
        flow = await start(phones, phone=NUMBER)
        clock.move(25 * 3600)
        with pytest.raises(FlowEnded):
            await by_email(phones, flow)
