"""Whom a message goes to, against a real database: by the way that was asked for, to proven addresses, within the number's limits."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from identity.accounts import store as accounts
from identity.accounts.rules import Identifier
from identity.budgets.service import Budgets
from identity.configuration.service import ConfigurationService
from identity.reach.service import Contacts
from latchkey_contracts.http.common import Channel
from latchkey_contracts.http.contacts import ContactAnswer, ContactAsked, ContactRequest
from latchkey_contracts.messages import Contact
from servicekit.addresses import canonical_phone
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.ids import random_id
from servicekit.keys import Keys
from servicekit.sealing import Opener, Sealer
from servicekit.throttle import Throttle
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Idempotency

DOCUMENT: dict[str, Any] = {
    "identity_stores": [
        {
            "name": "Default",
            "identifiers": {"email": {"use": "optional"}, "phone": {"use": "required"}, "username": {"use": "optional"}},
            "attributes": [{"name": "mobile", "type": "phone", "label": {"en": "Mobile"}}],
        }
    ],
    "self_service_policies": [
        {"name": "Default", "resend": {"per_hour": 50, "per_day": 200}},
        {"name": "Five"},
        {"name": "By attribute", "attribute_based_recovery": {"phone": True}},
    ],
    "applications": [
        {"slug": "demo", "brand": {"name": "Elmstead", "brand": "#0b3d45"}},
        {"slug": "default", "self_service_policy": "Five", "brand": {"name": "Elmstead", "brand": "#0b3d45"}},
        {"slug": "loose", "self_service_policy": "By attribute", "brand": {"name": "Elmstead", "brand": "#0b3d45"}},
    ],
}
NUMBER, EMAIL = "+49 341 5550141", "Mira@posteo.example"
CANONICAL = canonical_phone(NUMBER)


class Book:
    """Accounts and the question where one of them is reached."""

    def __init__(self, db: Database, contacts: Contacts, keys: Keys, clock: ManualClock) -> None:
        self.db, self.contacts, self.clock = db, contacts, clock
        self.opener = Opener(keys, clock)

    async def account(
        self, *, verified: tuple[str, ...] = (), unproven: tuple[str, ...] = (), status: str = "active", **profile: str
    ) -> UUID:
        values = {"email": (EMAIL, EMAIL.lower()), "phone": (NUMBER, CANONICAL), "username": ("mira", "mira")}
        async with self.db.transaction() as tx:
            store_id = self.contacts._configuration.application("demo").store.id
            account_id = await accounts.insert(tx, store_id, "en")
            for kind in (*verified, *unproven):
                one = Identifier(kind, *values[kind])  # type: ignore[arg-type]
                proven = tx.now if kind in verified else None
                assert await accounts.add_identifier(tx, account_id, store_id, one, verified_at=proven)
            if status != "pending":
                await accounts.activate(tx, account_id, profile=profile, consents=[], language="en")
                await accounts.set_status(tx, account_id, status)
        return account_id

    async def ask(
        self,
        channel: str | None = None,
        *,
        typed: str = NUMBER,
        purpose: str = "password_reset",
        application: str = "demo",
        reach: str = "preferred",
    ) -> ContactAnswer:
        body = ContactRequest(application=application, purpose=purpose, reach=reach, identifier=typed, channel=channel)  # type: ignore[arg-type]
        return await self.contacts.find(body, Caller(service="recovery"))

    def opened(self, answer: ContactAnswer) -> Contact:
        assert answer.contact is not None
        return self.opener.open(answer.contact, Contact)


@pytest.fixture
async def book(db: Database, wakeups: Wakeups, keys: Keys, clock: ManualClock) -> Book:
    configuration = ConfigurationService(db, wakeups)
    await configuration.apply(DOCUMENT)
    await configuration.load()
    contacts = Contacts(db, configuration, Budgets(Throttle(keys)), Sealer(keys), Idempotency(keys))
    return Book(db, contacts, keys, clock)


class TestSeveral:
    def asked(self, name: str, typed: str = NUMBER) -> ContactAsked:
        return ContactAsked(message_id=name, application="demo", purpose="password_reset", identifier=typed)

    async def test_as_each_alone_in_their_order(self, book: Book) -> None:
        await book.account(verified=("phone",))
        answers = await book.contacts.find_several(
            [self.asked("1", "+4915100000000"), self.asked("2"), self.asked("3", "nobody")]
        )
        assert [one.account_id is not None for one in answers] == [False, True, False]
        assert book.opened(answers[1]).to == CANONICAL

    async def test_counted_once_for_each_message(self, book: Book) -> None:
        """A worker that dies after the answer asks again: the same answer, and the recipient's budget is what it was."""
        await book.account(verified=("phone",))
        first = await book.contacts.find_several([self.asked("1"), self.asked("2", "nobody")])
        again = await book.contacts.find_several([self.asked("1"), self.asked("2", "nobody")])
        assert again == first
        (later,) = await book.contacts.find_several([self.asked("3")])
        assert later.wait_until == book.clock.now() + timedelta(seconds=20), "the spacing, counted from the one that was sent"

    async def test_who_has_to_wait_is_asked_for_again(self, book: Book) -> None:
        """An answer to wait is not kept: the same message is found later."""
        await book.account(verified=("phone",))
        await book.contacts.find_several([self.asked("1")])
        (waits,) = await book.contacts.find_several([self.asked("2")])
        assert waits.wait_until is not None
        book.clock.move(20)
        (found,) = await book.contacts.find_several([self.asked("2")])
        assert found.contact is not None


class TestGreeting:
    """WEB-14: a name at an address that nobody has proven is a text that a stranger chose for its reader."""

    async def test_by_name_at_a_proven_address(self, book: Book) -> None:
        await book.account(verified=("email", "phone"), given_name="Mira")
        assert book.opened(await book.ask("email", typed=EMAIL)).given_name == "Mira"

    async def test_by_none_at_one_of_the_profile(self, book: Book) -> None:
        """D7: recovery may use it; nobody has ever proven it."""
        await book.account(verified=("email",), given_name="URGENT call", mobile="+49 341 5550199")
        contact = book.opened(await book.ask("sms", typed=EMAIL, application="loose"))
        assert (contact.to, contact.given_name) == ("+493415550199", None)


class TestReset:
    async def test_the_mailbox_first(self, book: Book) -> None:
        """D10: of two proven addresses the e-mail one, unless another way was asked for."""
        await book.account(verified=("email", "phone"))
        assert (await book.ask()).channel == "email"
        book.clock.move(20)
        assert (await book.ask("sms")).channel == "sms"
        book.clock.move(20)
        called = await book.ask("voice")
        assert (called.channel, called.to, book.opened(called).to) == ("voice", "•••41", CANONICAL)

    async def test_the_phone_where_there_is_nothing_else(self, book: Book) -> None:
        """D10."""
        await book.account(verified=("phone",))
        assert (await book.ask()).channel == "sms"
        book.clock.move(20)
        assert (await book.ask("email")).account_id is None

    @pytest.mark.parametrize("channel", ["sms", "voice"])
    async def test_an_unproven_number_gets_nothing(self, book: Book, channel: str) -> None:
        """REC-9, FRD-7: a number that somebody only typed is neither texted nor called."""
        await book.account(verified=("email",), unproven=("phone",))
        assert (await book.ask(channel, typed=EMAIL)) == ContactAnswer()

    async def test_a_pending_account_is_texted_and_not_called(self, book: Book) -> None:
        """D5, FRD-7: the message proves the number, but no number is called before it is proven."""
        await book.account(unproven=("phone",), status="pending")
        assert (await book.ask("voice")) == ContactAnswer()
        assert (await book.ask("sms")).channel == "sms"

    @pytest.mark.parametrize("status", ["disabled", "erased"])
    async def test_nobody_to_write_to(self, book: Book, status: str) -> None:
        """ENU-1."""
        await book.account(verified=("email", "phone"), status=status)
        for channel in (None, "email", "sms", "voice"):
            assert (await book.ask(channel)) == ContactAnswer()

    async def test_a_number_of_the_profile_by_policy_alone(self, book: Book) -> None:
        """D7: where the operator says that profile values are right; never called."""
        await book.account(unproven=("username",), mobile="+49 341 5550199")
        assert (await book.ask("sms", typed="mira")) == ContactAnswer()
        assert (await book.ask("voice", typed="mira", application="loose")) == ContactAnswer()
        found = await book.ask(typed="mira", application="loose")
        assert (found.channel, book.opened(found).to) == ("sms", "+493415550199")


class TestOthers:
    async def test_the_other_proven_ways(self, book: Book) -> None:
        """E15: for the fall-back: a call to the same number, the mailbox; sealed, as everything that names somebody."""
        await book.account(verified=("email", "phone"))
        others = {(one.channel, one.to) for one in book.opened(await book.ask("sms")).others}
        assert others == {("voice", CANONICAL), ("email", EMAIL)}

    async def test_no_unproven_way(self, book: Book) -> None:
        await book.account(verified=("phone",), unproven=("email",))
        assert {one.channel for one in book.opened(await book.ask()).others} == {"voice"}

    async def test_no_call_above_its_cap(self, book: Book) -> None:
        """FRD-7: nor by the fall-back."""
        await book.account(verified=("email", "phone"))
        for _ in range(2):
            await book.ask("voice")
            book.clock.move(20)
        assert {one.channel for one in book.opened(await book.ask("sms")).others} == {"email"}


class TestNumbers:
    async def test_two_calls_an_hour(self, book: Book) -> None:
        """D19, FRD-7: the third is silently none; an hour later there is one again. Text messages still go."""
        await book.account(verified=("phone",))
        left = []
        for _ in range(3):
            left.append((await book.ask("voice")).channel)
            book.clock.move(21)
        assert left == ["voice", "voice", None]
        assert (await book.ask("sms")).channel == "sms"
        book.clock.move(3600)
        assert (await book.ask("voice")).channel == "voice"

    async def test_three_text_messages_in_ten_minutes_and_five_an_hour(self, book: Book) -> None:
        """D19, FRD-4: whatever the store's own caps allow, and over all purposes."""
        await book.account(verified=("phone", "username"))
        sent = [(await book.ask("sms", purpose=purpose)).channel for purpose in ("password_reset", "username_reminder")]
        for _ in range(10):
            book.clock.move(21)
            sent.append((await book.ask("sms")).channel)
        assert [one for one in sent if one] == ["sms"] * 3
        book.clock.move(600)
        sent = []
        for _ in range(10):
            sent.append((await book.ask("sms")).channel)
            book.clock.move(200)
        assert [one for one in sent if one] == ["sms"] * 2, "five in the hour with the three before"

    async def test_a_second_one_waits_its_turn(self, book: Book, clock: ManualClock) -> None:
        """R19: the 20 s rule for one number, text message or call."""
        await book.account(verified=("phone",))
        await book.ask("sms")
        waits = await book.ask("voice")
        assert waits.wait_until == clock.now() + timedelta(seconds=20)

    async def test_the_account_waits_whichever_address_was_named(self, book: Book, clock: ManualClock) -> None:
        """E1, THR-1: two addresses are no two budgets."""
        await book.account(verified=("email", "phone"))
        assert (await book.ask("email", typed=EMAIL)).channel == "email"
        assert (await book.ask("sms")).wait_until == clock.now() + timedelta(seconds=20)

    async def test_the_caps_hold_over_all_addresses(self, book: Book) -> None:
        """E1, THR-1: five an hour for the account, three to the one and two to the other; the sixth leaves by no way."""
        await book.account(verified=("email", "phone"))
        sent = []
        for channel in ("email", "sms", "email", "sms", "email", "sms", "email"):
            sent.append((await book.ask(channel, application="loose")).channel)
            book.clock.move(300)
        assert sent == ["email", "sms", "email", "sms", "email", None, None]


class TestTotalLoss:
    async def test_all_proven_ways(self, book: Book) -> None:
        """REC-12, NOT-1: addresses and numbers, each by its channel."""
        await book.account(verified=("email", "phone"), unproven=("username",))
        found = await book.ask(reach="every_verified")
        told = [book.opener.open(one, Contact) for one in (*found.contacts, *found.sms_contacts)]
        assert [(one.channel, one.to) for one in told] == [("email", EMAIL), ("sms", CANONICAL)]

    async def test_none_of_what_is_unproven(self, book: Book) -> None:
        await book.account(unproven=("email", "phone"))
        found = await book.ask(reach="every_verified")
        assert (found.contacts, found.sms_contacts) == ([], [])

    @pytest.mark.parametrize("status", ["pending", "frozen", "disabled"])
    async def test_of_an_active_account_only(self, book: Book, status: str) -> None:
        await book.account(verified=("email", "phone"), status=status)
        assert await book.ask(reach="every_verified") == ContactAnswer()


class TestReminder:
    async def test_by_text_message_to_a_proven_number(self, book: Book) -> None:
        """D8, REC-10."""
        await book.account(verified=("phone", "email"), unproven=("username",))
        found = await book.ask(reach="as_typed", typed="+49 (341) 555-0141")
        assert (found.channel, found.to) == ("sms", "•••41")
        contact = book.opened(found)
        assert (contact.usernames, contact.to) == (["mira"], CANONICAL)
        assert NUMBER[-4:] not in found.model_dump_json()

    async def test_not_to_an_unproven_one(self, book: Book) -> None:
        """D7, REC-9, R12."""
        await book.account(verified=("email",), unproven=("phone", "username"))
        assert (await book.ask(reach="as_typed")) == ContactAnswer()

    @pytest.mark.parametrize("typed", ["0", "+", "nobody", "+49 341 5550140", "@", "mira"])
    async def test_nobodys(self, book: Book, typed: str) -> None:
        await book.account(verified=("phone",), unproven=("username",))
        assert (await book.ask(reach="as_typed", typed=typed)) == ContactAnswer()


class TestTyped:
    """REG-9, ENU-1: a registration's limits see what was typed, known or not, and nothing else."""

    async def left(self, book: Book, typed: str = EMAIL, channel: Channel = "email") -> int:
        """How many registrations of that address would be let go now, one after the other."""
        app, count = book.contacts._configuration.application("default"), 0
        async with book.db.transaction() as tx:
            while await book.contacts._budgets.turn(tx, app, f"look {count}", typed.lower(), channel) is not None:
                count += 1
        return count

    @pytest.mark.parametrize("verified", [("phone",), ()], ids=["known", "unknown"])
    async def test_a_username_does_not_show_its_number(self, book: Book, verified: tuple[str, ...]) -> None:
        """ENU-3, FRD-4: texts that a username has asked for leave a registration with the number as it was; typed ones count alike."""
        if verified:
            await book.account(verified=verified, unproven=("username",))
        for _ in range(3):
            await book.ask("sms", typed="mira", application="default")
            book.clock.move(21)
        assert await self.left(book, CANONICAL, "sms") == 3
        book.clock.move(3_700)
        await book.ask("sms", typed=NUMBER, application="default")
        assert await self.left(book, CANONICAL, "sms") == 2

    async def test_whether_the_mailbox_is_full(self, book: Book) -> None:
        """REG-9: with five messages an hour that a username has asked for, the first of a registration is one too many, and of its own
        five none is.
        """
        await book.account(verified=("email",), unproven=("username",))
        budgets, app = book.contacts._budgets, book.contacts._configuration.application("default")
        full = []
        for username in (False, True):
            book.clock.move(3_700)
            for _ in range(5):
                if username:
                    await book.ask(typed="mira", application="default")
                else:
                    await self.registered(book)
                book.clock.move(21)
            if username:
                await self.registered(book)
            async with book.db.read() as conn:
                full.append(await budgets.is_full(conn, app, EMAIL.lower()))
        assert full == [False, True]

    @staticmethod
    async def registered(book: Book) -> None:
        app = book.contacts._configuration.application("default")
        async with book.db.transaction() as tx:
            assert await book.contacts._budgets.turn(tx, app, "activation", EMAIL.lower(), "email") == tx.now

    @pytest.mark.parametrize("verified", [("email",), ()], ids=["known", "unknown"])
    @pytest.mark.parametrize("reach", ["preferred", "as_typed"])
    async def test_counted_alike(self, book: Book, verified: tuple[str, ...], reach: str) -> None:
        if verified:
            await book.account(verified=verified, unproven=("username",))
        for _ in range(3):
            await book.ask(typed=EMAIL, reach=reach, application="default")
            book.clock.move(21)
        assert await self.left(book) == 2

    async def test_counted_alike_where_nothing_leaves_any_more(self, book: Book) -> None:
        """However the account's own budget stands."""
        await book.account(verified=("email", "phone"), unproven=("username",))
        for _ in range(5):
            await book.ask(typed="mira", application="default")
            book.clock.move(21)
        for _ in range(2):
            assert await book.ask(typed=EMAIL, application="default") == ContactAnswer()
            book.clock.move(21)
        assert await self.left(book) == 3

    async def test_a_username_does_not_show_its_address(self, book: Book) -> None:
        """ENU-3: resets that named a username leave a registration with the address as it was."""
        await book.account(verified=("email",), unproven=("username",))
        assert (await book.ask(typed="mira", application="default")).channel == "email"
        assert await self.left(book) == 5

    async def test_five_messages_an_hour_whatever_was_typed(self, book: Book) -> None:
        """REG-9: silently none after that."""
        await book.account(verified=("email",), unproven=("username",))
        sent = []
        for typed in ("mira", EMAIL, "mira", EMAIL, "mira", EMAIL, "mira"):
            sent.append((await book.ask(typed=typed, application="default")).channel)
            book.clock.move(21)
        assert sent == ["email"] * 5 + [None] * 2

    async def test_of_an_older_store_there_is_nobody(self, book: Book) -> None:
        await book.account(verified=("email",))
        body = ContactRequest(application="demo", purpose="password_reset", identifier=EMAIL, store_id=str(random_id()))
        assert await book.contacts.find(body, Caller(service="recovery")) == ContactAnswer()


class TestReleaseBefore:
    """REL-13: it said by its purpose whom it meant."""

    @pytest.mark.parametrize(
        ("purpose", "reach"),
        [("password_reset", "preferred"), ("username_reminder", "as_typed"), ("total_loss", "every_verified")],
    )
    def test_is_understood(self, purpose: str, reach: str) -> None:
        assert ContactRequest.model_validate({"application": "demo", "purpose": purpose}).reach == reach
