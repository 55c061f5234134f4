"""STP-4, INV-14, ENU-1: usernames, numbers, further addresses; what is somebody else's; what a change has freed."""

import asyncio
from dataclasses import replace

import pytest
from latchkey_contracts.http.contact_change import ContactRequest
from servicekit.errors import (
    CodeWrong,
    FeatureDisabled,
    FlowEnded,
    NotAllowedByPolicy,
    NotFound,
    StepUpRequired,
    TooManyRequests,
    ValidationFailed,
)

from .conftest import NEW, OLD
from .test_reverting import ANYWHERE

OPEN = {"name": "Default", "sms": {"enabled": True, "countries": ["+49"]}}
PHONE, OTHER = "+4915112345678", "+4915112345679"


def said(refused: pytest.ExceptionInfo[ValidationFailed]) -> list[tuple[str, str]]:
    return [(one.field, one.code) for one in refused.value.errors]


class TestUsername:
    async def test_counts_at_once(self, customers, mira):
        flow = await mira.change("mira.okafor", "username")
        assert (flow.status, flow.approval, flow.revert_until is not None) == ("complete", None, True)
        assert ("username", "mira.okafor", False, True) in await mira.names()
        assert list(await mira.notices("identifier_changed")) == [OLD]
        assert (await customers.sign_in("mira.okafor")).status == "complete"

    async def test_the_mailbox_undoes_it(self, mira):
        await mira.change("mira.okafor", "username")
        await mira.press((await mira.notices("identifier_changed"))[OLD].link, ANYWHERE)
        assert ("username", "mira", False, True) in await mira.names()

    async def test_a_taken_one(self, mira, sign_up):
        await sign_up("bruno@posteo.example", "bruno")
        with pytest.raises(ValidationFailed) as refused:
            await mira.change("brun0", "username")  # a look-alike
        assert said(refused) == [("/value", "username_taken")]
        assert ("username", "mira", False, True) in await mira.names()

    async def test_the_freed_one_rests(self, clock, customers, mira, sign_up):
        """STP-4: for everybody but its former owner, and as a taken one."""
        await mira.change("mira.okafor", "username")
        bruno = await sign_up("bruno@posteo.example", "bruno")
        with pytest.raises(ValidationFailed) as refused:
            await bruno.change("mira", "username")
        assert said(refused) == [("/value", "username_taken")]
        await customers.join(email="carla@posteo.example", username="mira")
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM identifier WHERE canonical = 'mira'") == 0
        await mira.change("mira", "username")  # the owner may have it back
        assert ("username", "mira", False, True) in await mira.names()
        await mira.change("mira.okafor", "username")
        clock.move(30 * 86400 + 1)
        await bruno.again()
        await bruno.change("mira", "username")
        assert ("username", "mira", False, True) in await bruno.names()

    async def test_guessing_names_is_slow(self, mira):
        refused = 0
        for number in range(120):
            try:
                await mira.change(f"name{number}x", "username")
            except TooManyRequests:
                refused += 1
                break
        assert refused


class TestSomebodyElses:
    async def test_the_mailbox_alone_is_told(self, customers, mira, sign_up):
        """ENU-1: the answer, the page and the tries are those of a free one."""
        await sign_up("bruno@posteo.example", "bruno")
        free = await mira.change(NEW)
        free_shown = (await mira.read(free)).model_dump(exclude={"id", "match", "value", "delivery", "resend", "approval"})
        taken = await mira.change("bruno@posteo.example")
        shown = (await mira.read(taken)).model_dump(exclude={"id", "match", "value", "delivery", "resend", "approval"})
        assert shown == free_shown
        assert (await mira.read(taken)).delivery.state == "queued"
        claimed = customers.opened((await customers.told("contact_claimed"))[-1])
        assert (claimed.to, claimed.link, claimed.code) == ("bruno@posteo.example", None, None)
        with pytest.raises(CodeWrong):
            await mira.code(taken, "123456")
        assert ("email", OLD, True, True) in await mira.names()

    async def test_taken_in_the_meantime(self, mira, sign_up):
        """INV-14: the first who proves it has it."""
        bruno = await sign_up("bruno@posteo.example", "bruno")
        mine = await mira.change(NEW)
        await mira.code(mine, (await mira.content("old")).code, "old")
        code = (await mira.content("new")).code
        await bruno.moved(NEW)
        with pytest.raises(FlowEnded):
            await mira.code(mine, code)
        assert ("email", OLD, True, True) in await mira.names()

    async def test_fifty_at_once(self, customers, sign_up):
        """INV-14: exactly one account has it."""
        people = [await sign_up(f"p{number}@posteo.example", f"person{number}") for number in range(50)]
        ready = []
        for one in people:
            flow = await one.change(NEW)
            await one.code(flow, (await one.content("old")).code, "old")
            ready.append((one, flow, (await one.content("new")).code))
        done = await asyncio.gather(*(one.code(flow, code) for one, flow, code in ready), return_exceptions=True)
        assert sum(not isinstance(one, Exception) for one in done) == 1, done
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM identifier WHERE canonical = $1", NEW) == 1

    async def test_an_unproven_claim_yields(self, customers, mira):
        """REG-3: a registration that waits has no activation any more that leads to an account without a name."""
        flow = await customers.register(customers.elsewhere, email=NEW, username="newcomer")
        token = await customers.token(flow)
        customers.db.clock.move(60)
        await mira.moved()
        assert ("email", NEW, True, True) in await mira.names()
        with pytest.raises(Exception, match="link"):
            await mira.press(f"/l/{token}", customers.elsewhere)


class TestQuarantine:
    async def test_nobody_registers_with_it(self, clock, customers, mira):
        """STP-4: alike for whoever asks; the mailbox is told."""
        await mira.moved()
        clock.move(3600)
        flow = await customers.register(customers.elsewhere, email=OLD, username="newcomer")
        assert flow.status == "check_your_messages"
        told = (await customers.told("registration_repeated"))[-1]
        assert (told["resting"], told["account_id"]) == (True, str(mira.account_id))
        clock.move(30 * 86400)
        flow = await customers.register(customers.elsewhere, email=OLD, username="newcomer")
        assert (await customers.told("activation_requested"))[-1]["flow_id"] == str(flow.id)

    async def test_nobody_changes_to_it(self, customers, mira, sign_up):
        await mira.moved()
        bruno = await sign_up("bruno@posteo.example", "bruno")
        await bruno.change(OLD)
        assert (await customers.told("contact_claimed"))[-1]["account_id"] == str(mira.account_id)

    async def test_its_owner_takes_it_back(self, clock, mira):
        await mira.moved()
        clock.move(3600)
        await mira.again()
        assert (await mira.moved(OLD)).status == "complete"
        assert ("email", OLD, True, True) in await mira.names()


class TestPhone:
    @pytest.fixture(autouse=True)
    async def open_germany(self, customers) -> None:
        await customers.configuration.apply({**customers.document, "notification_policies": [OPEN]})

    async def test_added_and_changed(self, customers, mira):
        """STP-4, PST-2: a code to the number, the yes at the mailbox; the old number and the mailbox are told."""
        flow = await mira.add(PHONE, "phone")
        assert (flow.mode, flow.delivery.channel, flow.approval.to) == ("add", "sms", "m•••@p•••")
        assert (await mira.content("new")).link is None
        await mira.code(flow, (await mira.content("new")).code)
        await mira.code(flow, (await mira.content("old")).code, "old")
        assert ("phone", PHONE, True, True) in await mira.names()
        customers.db.clock.move(3600)
        await mira.again()
        await mira.moved(OTHER, "phone")
        assert set(await mira.notices("contact_change_announced")) == {PHONE}
        notices = await mira.notices("identifier_changed")
        assert set(notices) == {OLD, PHONE, OTHER}
        for number in (PHONE, OLD):
            shown = await customers.proofs.inspect("demo", notices[number].link.rsplit("/", 1)[1], ANYWHERE)
            assert shown.purpose == "contact_revert"
        assert [name for kind, name, *_ in await mira.names() if kind == "phone"] == [OTHER]

    async def test_a_closed_country(self, mira):
        with pytest.raises(ValidationFailed) as refused:
            await mira.add("+8613912345678", "phone")
        assert said(refused) == [("/value", "phone_country_closed")]


class TestSeveral:
    async def two(self, mira) -> None:
        flow = await mira.add(NEW)
        await mira.code(flow, (await mira.content("new")).code)
        await mira.code(flow, (await mira.content("old")).code, "old")

    async def test_another_first(self, mira):
        await self.two(mira)
        assert [one for one in await mira.names() if one[0] == "email"] == [
            ("email", OLD, True, True),
            ("email", NEW, True, False),
        ]
        flow = await mira.make_primary(await mira.id_of(NEW))
        assert (flow.mode, flow.confirmed, flow.approval.given) == ("primary", True, False)
        assert ("email", OLD, True, True) in await mira.names()
        await mira.code(flow, (await mira.content("old")).code, "old")
        assert [one for one in await mira.names() if one[0] == "email"] == [
            ("email", NEW, True, True),
            ("email", OLD, True, False),
        ]
        await mira.press((await mira.notices("identifier_changed"))[OLD].link, ANYWHERE)
        assert ("email", OLD, True, True) in await mira.names()

    async def test_one_goes(self, customers, mira):
        """D39: never the first; what went can come back from there."""
        await self.two(mira)
        with pytest.raises(NotAllowedByPolicy):
            await mira.remove(await mira.id_of(OLD))
        with pytest.raises(StepUpRequired):
            await customers.moves.changing.remove(await mira.id_of(NEW), mira.caller)
        await mira.remove(await mira.id_of(NEW))
        assert NEW not in [name for _, name, *_ in await mira.names()]
        notices = await mira.notices("identifier_changed")
        assert set(notices) == {OLD, NEW}
        await mira.press(notices[NEW].link, ANYWHERE)
        assert ("email", NEW, True, False) in await mira.names()

    async def test_what_is_needed_stays(self, mira):
        with pytest.raises(NotAllowedByPolicy):
            await mira.remove(await mira.id_of("mira"))

    async def test_of_another_account(self, customers, mira, sign_up):
        bruno = await sign_up("bruno@posteo.example", "bruno")
        with pytest.raises(NotFound):
            await mira.remove(await bruno.id_of("bruno"))

    async def test_one_primary_at_each_moment(self, customers, mira):
        """INV-15."""
        await self.two(mira)
        ids = [await mira.id_of(OLD), await mira.id_of(NEW)]
        for one in (ids[1], ids[0]):
            flow = await mira.make_primary(one)
            await mira.code(flow, (await mira.content("old")).code, "old")
            async with customers.db.read() as conn:
                count = "SELECT count(*) FROM identifier WHERE account_id = $1 AND kind = 'email' AND is_primary AND verified_at IS NOT NULL"
                assert await conn.fetchval(count, mira.account_id) == 1


class TestSwitches:
    async def test_an_identifier_that_isn_t_changed_here(self, customers, mira):
        """D21."""
        store = {**customers.document["identity_stores"][0]}
        store["identifiers"] = {**store["identifiers"], "email": {"use": "required", "editable": False}}
        await customers.configuration.apply({**customers.document, "identity_stores": [store]})
        items = (await customers.moves.in_change.identifiers(mira.caller)).items
        assert {one.kind: one.changeable for one in items} == {"email": False, "username": True}
        with pytest.raises(ValidationFailed) as refused:
            await mira.change()
        assert said(refused) == [("/kind", "not_editable")]

    async def test_personal_information_off(self, customers, mira):
        policy = {**customers.document["self_service_policies"][0], "personal_information": {"enabled": False}}
        await customers.configuration.apply({**customers.document, "self_service_policies": [policy]})
        with pytest.raises(FeatureDisabled):
            await mira.change()

    async def test_a_grant_for_the_password_is_too_little_where_a_factor_is(self, customers, mira):
        """STP-1."""
        caller = await mira.granted("contact.change", {"kind": "email", "target": NEW})
        await mira.with_factor()
        with pytest.raises(StepUpRequired):
            await customers.moves.changing.change(ContactRequest(kind="email", value=NEW), replace(caller))
