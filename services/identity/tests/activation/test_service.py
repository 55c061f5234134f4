"""Activation against a real database: what of an attempt becomes the account's (D32, REG-3)."""

from typing import Any

import pytest
from latchkey_contracts.http.links import ConfirmRequest
from latchkey_contracts.http.sign_in import RequiredActionRequest
from servicekit.errors import CodeBurned, CodeWrong, CredentialsWrong, LinkEnded, LinkMalformed, TooManyRequests
from servicekit.proof import MAX_WRONG, service_of

TAKEN = {"phone": "+49 341 5550141", "username": "mira"}


async def kinds(customers: Any, account_id: Any) -> set[str]:
    async with customers.db.read() as conn:
        rows = await conn.fetch("SELECT kind FROM identifier WHERE account_id = $1", account_id)
    return {row["kind"] for row in rows}


class TestTaken:
    async def test_number_is_dropped_and_asked_for_by_nobody(self, customers, clock):
        """D32: nothing at sign-in could give another number, so nothing there may wait for one."""
        await customers.join(email="mira@posteo.example", **TAKEN)
        clock.move(30)
        account_id = await customers.join(email="other@posteo.example", phone="+49 (341) 555-0141", username="other")
        assert await kinds(customers, account_id) == {"email", "username"}
        assert (await customers.sign_in("other@posteo.example")).status == "complete"

    async def test_username_is_asked_for(self, customers, clock):
        """D32: also where the number is taken, too."""
        await customers.join(email="mira@posteo.example", **TAKEN)
        clock.move(30)
        account_id = await customers.join(email="other@posteo.example", **TAKEN)
        flow = await customers.sign_in("other@posteo.example")
        assert (flow.status, flow.actions) == ("needs_action", ["username"])
        done = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="other"), customers.here)
        assert done.status == "complete"
        assert await kinds(customers, account_id) == {"email", "username"}


ADDRESS = "mira@posteo.example"
STRANGERS = {"phone": "+49 341 5550141", "username": "stranger"}


class TestStartHere:
    """A stranger has registered somebody's address; its owner goes on in her own window."""

    async def taken_over(self, customers: Any, clock: Any) -> Any:
        """Renewed by the owner, `elsewhere`, from the stranger's mail; answers her account."""
        await customers.register(email=ADDRESS, profile={"about": "I am a stranger"}, **STRANGERS)
        token = (await customers.links())[-1]
        assert (await customers.activations.inspect("demo", token, customers.elsewhere)).state == "other_browser"
        clock.move(30)
        flow = await customers.activations.renew("demo", token, customers.elsewhere)
        assert flow.next == ["resend", "code", "password"]
        await customers.work()
        await customers.activations.set_password("demo", flow.id, customers.new, customers.elsewhere)
        body = ConfirmRequest(token=(await customers.links())[-1])
        assert (await customers.activations.confirm("demo", body, customers.elsewhere)).status == "activated"
        return await customers.account(ADDRESS)

    async def test_nothing_of_the_strangers_survives(self, customers, clock):
        """REG-3, REG-4: neither his password nor his number nor his name for the account."""
        account_id = await self.taken_over(customers, clock)
        assert await kinds(customers, account_id) == {"email"}
        async with customers.db.read() as conn:
            assert await conn.fetchval("SELECT profile FROM account WHERE id = $1", account_id) == {}
        with pytest.raises(CredentialsWrong):
            await customers.sign_in(ADDRESS)
        flow = await customers.sign_in(ADDRESS, customers.new)
        assert (flow.status, flow.actions) == ("needs_action", ["username"])

    async def test_the_strangers_window_sees_nothing(self, customers, clock):
        """REG-1, ENU-1: it waits as before, with the same answers, and as if the address had been somebody's already."""
        flow = await customers.register(email=ADDRESS, **STRANGERS)
        before = await customers.registrations.read("demo", flow.id, customers.here)
        clock.move(30)
        await customers.join(customers.elsewhere, email=ADDRESS, username="owner")
        after = await customers.registrations.read("demo", flow.id, customers.here)
        assert (after.status, after.next, after.match) == (before.status, before.next, before.match)
        with pytest.raises(CodeWrong):
            await customers.activations.by_code("demo", flow.id, "000000", customers.here)
        clock.move(30)
        await customers.registrations.resend("demo", flow.id, None, customers.here)
        await customers.work()
        assert len(await customers.told("registration_repeated")) == 1
        assert (await customers.registrations.read("demo", flow.id, customers.here)).status == "check_your_messages"

    async def test_his_links_are_dead(self, customers, clock):
        """LNK-9."""
        await customers.register(email=ADDRESS, **STRANGERS)
        token = (await customers.links())[-1]
        clock.move(30)
        await customers.join(customers.elsewhere, email=ADDRESS, username="owner")
        with pytest.raises(LinkEnded):
            await customers.activations.confirm("demo", ConfirmRequest(token=token), customers.here)
        with pytest.raises(LinkEnded):
            await customers.activations.renew("demo", token, customers.elsewhere)

    async def test_in_its_own_window_a_valid_link_is_not_renewed(self, customers, clock):
        await customers.register(email=ADDRESS, username="mira")
        clock.move(30)
        with pytest.raises(LinkMalformed):
            await customers.activations.renew("demo", (await customers.links())[-1], customers.here)

    async def test_outside_of_the_caps_of_what_was_typed(self, customers, clock):
        """REG-9: a stranger has used them up; the spacing stays (D18)."""
        policy = {"name": "Default", "resend": {"per_hour": 3, "per_day": 20}}
        await customers.configuration.apply({**customers.document, "self_service_policies": [policy]})
        await customers.configuration.load()
        for _ in range(3):
            await customers.register(email=ADDRESS, username="mira")
            clock.move(20)
        token = (await customers.links())[-1]
        with pytest.raises(TooManyRequests):
            await customers.registrations.resend(
                "demo", (await customers.register(email=ADDRESS, username="mira")).id, None, customers.here
            )
        flow = await customers.activations.renew("demo", token, customers.elsewhere)
        with pytest.raises(TooManyRequests) as told:
            await customers.activations.renew("demo", token, customers.elsewhere)
        assert told.value.extra["retry_after_seconds"] == 20
        clock.move(20)
        await customers.registrations.resend("demo", flow.id, None, customers.elsewhere)

    async def test_a_link_says_whose_it_is(self, customers):
        """LNK-7."""
        await customers.register(email=ADDRESS, username="mira")
        assert service_of((await customers.links())[-1]) == "identity"


class TestCode:
    async def test_five_wrong_burn_it(self, customers):
        """OTP-5."""
        flow = await customers.register(email=ADDRESS, username="mira")
        for left in range(MAX_WRONG - 1, 0, -1):
            with pytest.raises(CodeWrong) as told:
                await customers.activations.by_code("demo", flow.id, "wrong", customers.here)
            assert told.value.extra["tries_left"] == left
        with pytest.raises(CodeBurned):
            await customers.activations.by_code("demo", flow.id, "wrong", customers.here)
        body = ConfirmRequest(token=await customers.token(flow))
        assert (await customers.activations.confirm("demo", body, customers.here)).status == "activated"


class TestPassword:
    async def test_in_another_window_with_the_password_of_the_registration(self, customers):
        """REG-3: that window is gone; five wrong ones end the link."""
        flow = await customers.register(email=ADDRESS, username="mira")
        token = await customers.token(flow)
        for left in range(MAX_WRONG - 1, 0, -1):
            with pytest.raises(CredentialsWrong) as told:
                await customers.activations.confirm("demo", ConfirmRequest(token=token, password="wrong"), customers.elsewhere)
            assert told.value.extra["tries_left"] == left
        body = ConfirmRequest(token=token, password=customers.old)
        assert (await customers.activations.confirm("demo", body, customers.elsewhere)).status == "activated"
