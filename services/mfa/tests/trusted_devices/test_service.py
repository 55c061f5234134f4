"""Trusted devices: no factor for a while where the owner said so, and only there; against a real database."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from latchkey_contracts.http.factors import FactorCode
from latchkey_contracts.identity import AccountFrozen, PasswordChanged
from mfa import consumers
from servicekit.errors import NotFound


@pytest.fixture
async def trusted(desk):
    """Her laptop, after a code with "trust this device": the gateway knows it by that name from then on."""
    app = await desk.enrol()
    flow, _ = await desk.ask()
    body = FactorCode(code=desk.app_code(app), trust_device=True)
    await desk.made.challenges.sign_in_code("demo", flow, body, replace(desk.here, new_device="laptop"))
    desk.db.clock.move(30)
    desk.app = app
    return replace(desk.here, device="laptop", device_account_id=desk.identity.account_id)


async def decided(desk, caller) -> str:
    return str((await desk.ask(caller))[1].decision)


class TestTrust:
    async def test_not_asked_there(self, desk, trusted):
        assert await decided(desk, trusted) == "allow"
        assert [one["reasons"] for one in await desk.told("access_decided")][-1] == ["trusted_device"]
        assert "device_trusted" in await desk.notices()
        assert len(await desk.told("device_trusted")) == 1

    async def test_asked_anywhere_else(self, desk, trusted):
        for other in (desk.here, replace(trusted, device="phone"), replace(trusted, device_account_id=UUID(int=1))):
            assert await decided(desk, other) == "challenge"

    async def test_step_ups_ask_there_too(self, desk, trusted):
        """STP-1."""
        both = replace(desk.mira, device="laptop", device_account_id=desk.identity.account_id)
        _, state = await desk.ask(both, "step_up")
        assert state.decision == "challenge"

    async def test_for_thirty_days(self, desk, trusted):
        desk.db.clock.move(timedelta(days=30).total_seconds() - 60)
        assert await decided(desk, trusted) == "allow"
        desk.db.clock.move(60)
        assert await decided(desk, trusted) == "challenge"

    async def test_a_wrong_code_trusts_nothing(self, desk):
        await desk.enrol()
        flow, _ = await desk.ask()
        body, here = FactorCode(code="000000", trust_device=True), replace(desk.here, new_device="laptop")
        with pytest.raises(Exception, match="isn't right"):
            await desk.made.challenges.sign_in_code("demo", flow, body, here)
        assert await decided(desk, replace(here, device="laptop", device_account_id=desk.identity.account_id)) == "challenge"

    async def test_switched_off(self, desk, trusted):
        """The policy counts at once (D31)."""
        desk.policy(trusted_device={"enabled": False})
        assert await decided(desk, trusted) == "challenge"


class TestForgetting:
    async def test_one(self, desk, trusted):
        me = replace(desk.mira, device="laptop", device_account_id=desk.identity.account_id)
        (one,) = (await desk.made.devices.listing(me)).items
        assert (one.current, one.device) == (True, "Firefox on Linux")
        with pytest.raises(NotFound):
            await desk.made.devices.forget(one.id, replace(me, account_id=UUID(int=1)))
        await desk.made.devices.forget(one.id, me)
        assert await decided(desk, trusted) == "challenge"

    async def test_all(self, desk, trusted):
        await desk.made.devices.forget_everywhere(desk.mira)
        assert (await desk.made.devices.listing(desk.mira)).items == []
        assert await decided(desk, trusted) == "challenge"

    async def test_with_any_factor(self, desk, trusted):
        other = await desk.enrol()
        await desk.made.factors.remove(other.id, desk.granted("factor.remove", {"factor_id": str(other.id)}))
        assert await decided(desk, trusted) == "challenge"

    @pytest.mark.parametrize("event", [PasswordChanged, AccountFrozen])
    async def test_with_whatever_secures_the_account(self, desk, trusted, event):
        """E5."""
        more = {"reason": "reset"} if event is PasswordChanged else {"application": "demo", "language": "en"}
        said = event(account_id=desk.identity.account_id, **more)
        said.received(meta(said, desk.db.clock.now()))
        async with desk.db.transaction() as tx:
            await consumers.HANDLERS[event](tx, said)
        assert await decided(desk, trusted) == "challenge"


def meta(event, at):
    from latchkey_contracts.event import Meta

    return Meta(
        id=UUID(int=7), source="https://id.example/services/identity", type=event.event_type, time=at, subject=event.subject,
        aggregateversion=1, correlationid="c",
    )  # fmt: skip
