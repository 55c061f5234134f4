"""What a registration's message says to whom, against a real database (REG-1, WEB-14)."""

from dataclasses import replace

from latchkey_contracts.http.contacts import ContactRequest
from latchkey_contracts.messages import MessageContent
from latchkey_contracts.sealed import Sealed
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"
SPAM = "URGENT your account is locked, call +1 888 555 0123 now. Dear"


async def content(customers, event: str) -> MessageContent:
    (*_, told) = await customers.told(event)
    return customers._opener.open(Sealed.model_validate(told["message"]), MessageContent)


class TestGreeting:
    async def test_an_activation_greets_nobody_by_name(self, customers):
        """WEB-14: whoever registers a stranger's address would have us deliver a text of theirs."""
        await customers.register(email=EMAIL, username="mira", profile={"given_name": SPAM})
        assert (await content(customers, "activation_requested")).given_name is None

    async def test_account_exists_greets_its_owner_alone(self, customers, clock):
        await customers.join(email=EMAIL, username="mira", profile={"given_name": "Mira"})
        clock.move(60)
        await customers.register(customers.elsewhere, email=EMAIL, username="other", profile={"given_name": SPAM})
        assert (await content(customers, "registration_repeated")).given_name == "Mira"


class TestWhoAsked:
    async def test_the_system_of_the_network_goes_along_sealed(self, customers, clock):
        """FRD-4: of a start, and of whoever asks again from elsewhere; where the gateway knows none there is none."""
        flow = await customers.register(replace(customers.here, asn=64500), email=EMAIL, username="mira")
        assert (await content(customers, "activation_requested")).asked.asn == 64500
        clock.move(60)
        await customers.registrations.resend("demo", flow.id, None, replace(customers.here, asn=64501))
        await customers.work()
        assert (await content(customers, "activation_requested")).asked.asn == 64501
        clock.move(60)
        await customers.registrations.resend("demo", flow.id, None, customers.here)
        await customers.work()
        assert (await content(customers, "activation_requested")).asked.asn is None


class TestFullMailbox:
    async def test_of_an_owner_by_her_username(self, customers, keys, clock):
        """REG-9, ENU-3: resets by username fill her mailbox; a registration with its address is told as any other, and hushed."""
        await customers.join(email=EMAIL, username="mira")
        clock.move(3_700)
        await self.resets(customers, keys, clock)
        flow = await customers.register(customers.elsewhere, email=EMAIL, username="other")
        assert (await content(customers, "registration_repeated")).hushed
        shown = await customers.registrations.read("demo", flow.id, customers.elsewhere)
        assert (shown.status, shown.delivery.state) == ("check_your_messages", "queued")
        clock.move(3_700)
        await customers.register(customers.elsewhere, email=EMAIL, username="other")
        assert not (await content(customers, "registration_repeated")).hushed

    @staticmethod
    async def resets(customers, keys, clock) -> None:
        contacts = customers.contacts(keys)
        for _ in range(50):  # as many as the policy of these tests allows in an hour
            body = ContactRequest(application="demo", purpose="password_reset", identifier="mira")
            assert (await contacts.find(body, Caller(service="recovery"))).channel == "email"
            clock.move(21)


class TestLanguage:
    async def test_account_exists_follows_the_page_that_asked(self, customers, clock):
        """WEB-16: whoever forgot their account reads the answer in the language that they were just asked in."""
        await customers.join(email=EMAIL, username="mira")
        clock.move(60)
        await customers.register(replace(customers.elsewhere, language="de"), email=EMAIL, username="other")
        (told,) = await customers.told("registration_repeated")
        assert told["language"] == "de"


class TestFacts:
    async def test_an_activation_never_expires(self, customers):
        """EVT-9: a consumer that was away for a week must hear of it; only its welcome mail has a time."""
        await customers.join(email=EMAIL, username="mira")
        async with customers.db.read() as conn:
            found = await conn.fetchval("SELECT attributes FROM outbox WHERE attributes->>'type' LIKE '%.user_activated.v1'")
        assert "expirytime" not in found
