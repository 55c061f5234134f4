"""STP-3: another primary e-mail address, confirmed at the new one and, without a second factor, allowed at the old one."""

from dataclasses import replace
from uuid import uuid4

import pytest
from latchkey_contracts.http.access import AccessState
from latchkey_contracts.http.contact_change import ContactRequest
from servicekit.errors import CodeWrong, FlowEnded, LinkOtherBrowser, NotFound, StepUpRequired, ValidationFailed

from .conftest import NEW, OLD

STRANGER = "cd" * 32


class TestAsking:
    async def test_needs_fresh_authentication(self, customers, mira):
        """STP-1, STP-2: for this very address."""
        body = ContactRequest(kind="email", value=NEW)
        with pytest.raises(StepUpRequired) as refused:
            await customers.moves.changing.change(body, mira.caller)
        assert refused.value.extra == {"action": "contact.change", "payload": {"kind": "email", "target": NEW}}
        other = await mira.granted("contact.change", {"kind": "email", "target": "thief@evil.example"})
        with pytest.raises(StepUpRequired):
            await customers.moves.changing.change(body, other)

    async def test_nothing_changes_before_both_have_said_yes(self, mira):
        flow = await mira.change()
        assert (flow.status, flow.mode, flow.confirmed, flow.approval.given) == ("check_your_messages", "replace", False, False)
        assert (flow.delivery.to, flow.approval.to) == ("m•••@n•••", "m•••@p•••")
        new, old = await mira.content("new"), await mira.content("old")
        assert (new.to, new.given_name, new.undo) == (NEW, None, None)
        assert (old.to, old.about) == (OLD, "m•••@n•••")
        assert await mira.names() == [("email", OLD, True, True), ("username", "mira", False, True)]
        assert (await mira.code(flow, new.code)).status == "check_your_messages"
        assert ("email", OLD, True, True) in await mira.names()
        done = await mira.code(flow, old.code, "old")
        assert (done.status, done.next) == ("complete", [])
        assert await mira.names() == [("email", NEW, True, True), ("username", "mira", False, True)]

    async def test_by_links_in_the_window_that_asked(self, mira):
        await mira.change()
        await mira.press((await mira.content("old")).link)
        assert (await mira.press((await mira.content("new")).link)).status == "complete"

    async def test_elsewhere_the_number_is_needed(self, customers, mira):
        """LNK-3."""
        flow = await mira.change()
        link, elsewhere = (await mira.content("old")).link, customers.elsewhere
        with pytest.raises(LinkOtherBrowser):
            await mira.press(link, elsewhere)
        assert (await mira.press(link, elsewhere, match=flow.match)).state == "confirmed_elsewhere"
        assert (await mira.read(flow)).approval.given

    async def test_a_code_is_of_its_own_message(self, mira):
        """OTP-4."""
        flow = await mira.change()
        with pytest.raises(CodeWrong):
            await mira.code(flow, (await mira.content("old")).code)
        with pytest.raises(NotFound):
            await mira.code(flow, (await mira.content("new")).code, caller=replace(mira.caller, flow=STRANGER))

    async def test_nobody_else_sees_it(self, customers, mira):
        flow = await mira.change()
        with pytest.raises(NotFound):
            await customers.moves.in_change.read(flow.id, replace(mira.caller, account_id=uuid4()))

    @pytest.mark.parametrize("value", [OLD, "MIRA@posteo.example", "no address"])
    async def test_what_is_no_other_address(self, mira, value):
        with pytest.raises(ValidationFailed):
            await mira.change(OLD if value.startswith("MIRA") else value)

    async def test_the_newest_counts(self, mira):
        first = await mira.change()
        code = (await mira.content("new")).code
        await mira.change("mira@newer.example")
        assert (await mira.read(first)).status == "ended"
        with pytest.raises(FlowEnded):
            await mira.code(first, code)

    async def test_it_waits_a_day(self, clock, mira):
        flow = await mira.change()
        link = (await mira.content("new")).link
        clock.move(86401)
        assert (await mira.read(flow)).status == "ended"
        with pytest.raises(Exception, match="link"):
            await mira.press(link)

    async def test_cancelled(self, customers, mira):
        flow = await mira.change()
        link = (await mira.content("new")).link
        await customers.moves.in_change.cancel(flow.id, mira.caller)
        with pytest.raises(Exception, match="link"):
            await mira.press(link)
        assert (await mira.read(flow)).status == "ended"
        assert (await customers.told("contact_change_ended"))[-1]["reason"] == "cancelled"


class TestWithASecondFactor:
    async def test_the_old_one_is_told_and_not_asked(self, customers, clock, mira):
        """STP-3: once the factor is older than the time in which a thief's could still be answered."""
        await mira.with_factor()
        clock.move(72 * 3600)
        customers.mfa.always = AccessState(decision="allow")
        await mira.again()
        customers.mfa.always = None
        flow = await mira.change()
        assert flow.approval is None
        assert list(await mira.notices("contact_change_announced")) == [OLD]
        assert (await mira.code(flow, (await mira.content("new")).code)).status == "complete"

    async def test_one_that_was_added_just_now_is_no_yes_of_the_owner(self, mira):
        await mira.with_factor()
        assert (await mira.change()).approval is not None
