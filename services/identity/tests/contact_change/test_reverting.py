"""E8, STP-3, INV-15: the old address undoes a change and all that came after it, from anywhere, to its deadline."""

import asyncio
from datetime import timedelta

import pytest
from latchkey_contracts.http.links import ConfirmRequest
from servicekit.errors import FlowEnded, LinkEnded, LinkExpired, LinkUsed
from servicekit.web.caller import Caller

from .conftest import NEW, OLD

ANYWHERE = Caller(service="gateway", ip="203.0.113.9")


async def status(customers, mira) -> str:
    async with customers.db.read() as conn:
        return await conn.fetchval("SELECT status FROM account WHERE id = $1", mira.account_id)


class TestUndoing:
    async def test_all_is_as_it_was(self, customers, mira):
        await mira.moved()
        notices = await mira.notices("identifier_changed")
        assert set(notices) == {OLD, NEW}
        answer = await mira.press(notices[OLD].link, ANYWHERE)
        assert (answer.state, answer.locked) == ("reverted", True)
        assert ("email", OLD, True, True) in await mira.names()
        assert NEW not in [name for _, name, *_ in await mira.names()]
        assert await status(customers, mira) == "frozen"
        assert (await customers.told("session_revoked"))[-1]["reason"] == "contact_reverted"
        assert (await customers.told("identifier_changed"))[-1]["undone"]
        assert set(await mira.notices("identifier_changed")) == {OLD, NEW}, "the owner of the new one may be the right one"

    async def test_once(self, mira):
        await mira.moved()
        link = (await mira.notices("identifier_changed"))[OLD].link
        await mira.press(link, ANYWHERE)
        with pytest.raises(LinkUsed):
            await mira.press(link, ANYWHERE)

    async def test_the_first_mail_s_link_does_it_as_well(self, mira):
        """What came with the question works until the deadline, and one of the two ends the other."""
        await mira.change()
        stop = (await mira.content("old")).undo
        flow = (await mira.customers.moves.in_change.listing(mira.caller)).items[0]
        await mira.code(flow, (await mira.content("new")).code)
        await mira.code(flow, (await mira.content("old")).code, "old")
        later = (await mira.notices("identifier_changed"))[OLD].link
        await mira.press(stop, ANYWHERE)
        assert ("email", OLD, True, True) in await mira.names()
        with pytest.raises(LinkEnded):
            await mira.press(later, ANYWHERE)

    async def test_a_change_that_waits_is_stopped(self, customers, mira):
        flow = await mira.change()
        code = (await mira.content("new")).code
        await mira.press((await mira.content("old")).undo, ANYWHERE)
        assert (await mira.read(flow)).status == "undone"
        with pytest.raises(FlowEnded):
            await mira.code(flow, code)
        assert await status(customers, mira) == "frozen"

    async def test_one_that_was_cancelled_can_be_answered(self, customers, mira):
        """Whoever asked, and cancelled when the mail had left, has the password all the same."""
        flow = await mira.change()
        await customers.moves.in_change.cancel(flow.id, mira.caller)
        await mira.press((await mira.content("old")).undo, ANYWHERE)
        assert await status(customers, mira) == "frozen"

    async def test_to_its_deadline(self, clock, mira):
        await mira.moved()
        link = (await mira.notices("identifier_changed"))[OLD].link
        clock.move(72 * 3600 - 1)
        shown = await mira.customers.proofs.inspect("demo", link.rsplit("/", 1)[1], ANYWHERE)
        assert (shown.state, shown.done, shown.to) == ("valid", "contact_changed", "m•••@p•••")
        clock.move(2)
        with pytest.raises(LinkExpired):
            await mira.press(link, ANYWHERE)

    async def test_a_chain_of_changes_is_undone_to_the_first(self, customers, mira):
        """A thief who changes it again takes nobody's right away; nor does one who freezes the account or sets a password."""
        await mira.moved("thief@evil.example")
        link = (await mira.notices("identifier_changed"))[OLD].link
        await mira.moved("thief@worse.example")
        await mira.moved("thief2", "username")
        locking = (await mira.notices("identifier_changed"))["thief@worse.example"].link
        await mira.press(link, ANYWHERE)
        assert await mira.names() == [("email", OLD, True, True), ("username", "mira", False, True)]
        with pytest.raises(LinkEnded):
            await mira.press(locking, ANYWHERE)

    async def test_a_lock_doesn_t_take_it_away(self, customers, mira):
        """INV-15: the new address's own "this wasn't me" leaves the older address its right."""
        await mira.moved()
        notices = await mira.notices("identifier_changed")
        assert (await mira.press(notices[NEW].link, ANYWHERE)).state == "frozen"
        assert (await mira.press(notices[OLD].link, ANYWHERE)).state == "reverted"
        assert ("email", OLD, True, True) in await mira.names()

    async def test_an_older_change_keeps_its_own(self, clock, mira):
        """Undoing the second one gives the address between; the first owner's link still works."""
        await mira.moved("one@new.example")
        first = (await mira.notices("identifier_changed"))[OLD].link
        await mira.moved("two@new.example")
        second = (await mira.notices("identifier_changed"))["one@new.example"].link
        await mira.press(second, ANYWHERE)
        assert ("email", "one@new.example", True, True) in await mira.names()
        await mira.press(first, ANYWHERE)
        assert ("email", OLD, True, True) in await mira.names()

    async def test_a_passwordless_account_isn_t_locked(self, customers, mira):
        """Nobody could open it again; what a thief needs to come in is gone with the address."""
        await mira.moved()
        await customers.workflow("factor_only")
        link = (await mira.notices("identifier_changed"))[OLD].link
        assert not (await mira.press(link, ANYWHERE)).locked
        assert await status(customers, mira) == "active"


class TestRaces:
    async def test_the_last_yes_and_the_undoing_at_once(self, customers, mira):
        """Whichever comes first, the old address has it in the end."""
        for number in range(6):
            flow = await mira.change(f"thief{number}@evil.example")
            code, old = (await mira.content("new")).code, await mira.content("old")
            await mira.code(flow, code)
            done = await asyncio.gather(mira.code(flow, old.code, "old"), mira.press(old.undo, ANYWHERE), return_exceptions=True)
            assert not isinstance(done[1], Exception), done
            assert ("email", OLD, True, True) in await mira.names()
            assert await status(customers, mira) == "frozen"
            async with customers.db.transaction() as tx:
                await tx.execute("UPDATE account SET status = 'active' WHERE id = $1", mira.account_id)
            customers.db.clock.move(7200)
            await mira.again()

    async def test_sixteen_presses(self, customers, mira):
        """LNK-6."""
        await mira.moved()
        link = (await mira.notices("identifier_changed"))[OLD].link
        token = link.rsplit("/", 1)[1]
        presses = [customers.proofs.confirm("demo", ConfirmRequest(token=token), ANYWHERE) for _ in range(16)]
        done = await asyncio.gather(*presses, return_exceptions=True)
        assert sum(not isinstance(one, Exception) for one in done) == 1
        assert {type(one) for one in done if isinstance(one, Exception)} == {LinkUsed}


class TestWhatEndsIt:
    async def test_a_new_password_ends_what_waits(self, customers, mira):
        """REG-4, LNK-7."""
        flow = await mira.change()
        await customers.changes.reset(mira.account_id, "demo", flow.id, customers.new, ANYWHERE)
        assert (await mira.read(flow)).status == "ended"
        with pytest.raises(FlowEnded):
            await mira.code(flow, (await mira.content("new")).code)

    async def test_a_reset_from_before_sets_no_password_after(self, customers, clock, mira):
        """LNK-7: what went to the old mailbox before the change."""
        asked_at = clock.now()
        clock.move(60)
        await mira.moved()
        with pytest.raises(FlowEnded):
            await customers.changes.reset(mira.account_id, "demo", mira.account_id, customers.new, ANYWHERE, asked_at)

    async def test_purged(self, customers, clock, mira):
        """What was typed and what there was before go once nothing can come of it."""
        await mira.moved()
        clock.move(timedelta(days=3 + 7, seconds=1).total_seconds())
        await customers.moves.in_change.purge()
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM contact_change") == 0
            assert await conn.fetchval("SELECT count(*) FROM contact_revert") == 0
            assert await conn.fetchval("SELECT count(*) FROM released_identifier") == 1
        clock.move(21 * 86400)
        await customers.moves.in_change.purge()
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM released_identifier") == 0
