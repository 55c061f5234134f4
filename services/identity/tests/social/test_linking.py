"""Linking and unlinking (R36, E27, D39), and fresh authentication of who has no password (STP-1)."""

from dataclasses import replace
from uuid import uuid4

import pytest
from latchkey_contracts.http.social import SocialRequest
from latchkey_contracts.http.step_up import StepUpRequest
from servicekit.errors import (
    FeatureDisabled,
    FlowEnded,
    IdentityTaken,
    LastWayIn,
    NotFound,
    SocialRefused,
    StepMissing,
    StepUpRequired,
)

from .conftest import EMAIL, NOOR

LOCAL = SocialRequest(provider="local")


async def granted(world, caller, action, payload):
    """By the password."""
    flow = await world.customers.step_ups.start(StepUpRequest(action=action, payload=payload), caller)
    done = await world.customers.step_ups.password(flow.id, world.customers.old, caller)
    return replace(caller, step_up=done.grant)


async def by_provider(world, caller, action, payload, name="local", who=NOOR, lie=None):
    flow = await world.customers.step_ups.start(StepUpRequest(action=action, payload=payload), caller)
    assert (flow.status, [one.name for one in flow.providers]) == ("needs_provider", ["local"])
    url = (await world.customers.social.step_up(flow.id, SocialRequest(provider=name), caller)).redirect_to
    assert "prompt=login" in url
    assert "max_age=0" in url
    said = await world.there(url, who)
    world.providers[name].lies.name = lie
    done = (await world.back(said, name, caller)).step_up
    assert done is not None
    assert done.status == "complete"
    return replace(caller, step_up=done.grant)


@pytest.fixture
async def mira(world):
    """Signed in by a password."""
    await world.customers.join(email="mira@posteo.example")
    return await world.signed_in(await world.customers.sign_in("mira@posteo.example"))


async def link(world, caller, who=NOOR):
    fresh = await granted(world, caller, "identity.link", {"provider": "local"})
    url = (await world.customers.social.accounts.begin(LOCAL, fresh)).redirect_to
    return await world.back(await world.there(url, who), caller=caller)


class TestLinking:
    async def test_after_fresh_authentication(self, world, mira):
        with pytest.raises(StepUpRequired) as asked:
            await world.customers.social.accounts.begin(LOCAL, mira)
        assert asked.value.extra == {"action": "identity.link", "payload": {"provider": "local"}}
        answer = await link(world, mira)
        assert answer.linked is not None
        assert (answer.linked.label, answer.linked.account) == ("Local provider", EMAIL)
        [told] = await world.customers.told("identity_linked")
        assert len(told["notices"]) == 1
        assert (await world.sign_in()).account_id == mira.account_id
        found = await world.customers.social.accounts.listing(mira)
        assert [one.provider for one in found.items] == ["local"]
        assert found.items[0].used_at is not None

    async def test_for_that_session_alone(self, world, mira):
        """Whoever takes the window over meanwhile, or another session of hers, isn't linked."""
        fresh = await granted(world, mira, "identity.link", {"provider": "local"})
        url = (await world.customers.social.accounts.begin(LOCAL, fresh)).redirect_to
        said = await world.there(url)
        for other in (
            replace(mira, session_id=uuid4()),
            replace(mira, account_id=uuid4()),
            replace(mira, account_id=None, session_id=None),
        ):
            with pytest.raises(NotFound):
                await world.back(said, caller=other)
        assert (await world.back(said, caller=mira)).linked is not None

    async def test_what_signs_in_elsewhere(self, world, mira):
        await world.join(caller=world.customers.elsewhere)
        with pytest.raises(IdentityTaken):
            await link(world, mira)

    async def test_twice_is_once(self, world, mira):
        await link(world, mira)
        await link(world, mira)
        assert len(await world.linked()) == 1
        assert len(await world.customers.told("identity_linked")) == 1

    async def test_a_grant_is_for_one_provider(self, world, mira):
        fresh = await granted(world, mira, "identity.link", {"provider": "other"})
        with pytest.raises(StepUpRequired):
            await world.customers.social.accounts.begin(LOCAL, fresh)

    async def test_where_it_is_off(self, world, mira):
        await world.apply(self_service_policies=[{"name": "Default", "registration": {"account_linking": False}}])
        with pytest.raises(FeatureDisabled):
            await world.customers.social.accounts.begin(LOCAL, mira)
        assert (await world.customers.social.accounts.listing(mira)).offered == []


class TestUnlinking:
    async def test_beside_a_password(self, world, mira):
        one = (await link(world, mira)).linked
        with pytest.raises(StepUpRequired):
            await world.customers.social.accounts.unlink(one.id, mira)
        fresh = await granted(world, mira, "identity.unlink", {"identity_id": str(one.id)})
        await world.customers.social.accounts.unlink(one.id, fresh)
        assert await world.linked() == []
        [told] = await world.customers.told("identity_unlinked")
        assert (told["reason"], len(told["notices"])) == ("by_owner", 1)
        assert (await world.sign_in()).account_id is None

    async def test_the_last_way_in_stays(self, world):
        """D39."""
        noor = await world.signed_in(await world.join())
        [one] = (await world.customers.social.accounts.listing(noor)).items
        with pytest.raises(LastWayIn):
            await world.customers.social.accounts.unlink(one.id, noor)
        assert len(await world.linked()) == 1

    async def test_nobody_elses(self, world, mira):
        await world.join(caller=world.customers.elsewhere)
        async with world.db.read() as conn:
            theirs = await conn.fetchval("SELECT id FROM linked_identity")
        with pytest.raises(NotFound):
            await world.customers.social.accounts.unlink(theirs, mira)


class TestStepUp:
    async def test_by_the_provider_which_asks_anew(self, world):
        noor = await world.signed_in(await world.join())
        fresh = await by_provider(world, noor, "factor.add", {"kind": "totp", "target": None})
        assert fresh.step_up

    @pytest.mark.parametrize("lie", ["stale_auth_time", "no_auth_time"])
    async def test_not_by_what_it_remembers(self, world, lie):
        noor = await world.signed_in(await world.join())
        with pytest.raises(SocialRefused):
            await by_provider(world, noor, "factor.add", {"kind": "totp", "target": None}, lie=lie)

    async def test_not_as_somebody_else_there(self, world):
        noor = await world.signed_in(await world.join())
        with pytest.raises(SocialRefused):
            await by_provider(world, noor, "factor.add", None, who={**NOOR, "sub": "1002"})

    async def test_not_where_there_is_a_password(self, world, mira):
        await link(world, mira)
        flow = await world.customers.step_ups.start(StepUpRequest(action="factor.add", payload=None), mira)
        assert flow.status == "password"
        with pytest.raises(StepMissing):
            await world.customers.social.step_up(flow.id, LOCAL, mira)

    async def test_of_another_session(self, world):
        noor = await world.signed_in(await world.join())
        flow = await world.customers.step_ups.start(StepUpRequest(action="factor.add", payload=None), noor)
        with pytest.raises(NotFound):
            await world.customers.social.step_up(flow.id, LOCAL, replace(noor, session_id=uuid4()))

    async def test_too_late(self, world, clock):
        noor = await world.signed_in(await world.join())
        flow = await world.customers.step_ups.start(StepUpRequest(action="factor.add", payload=None), noor)
        clock.move(601)
        with pytest.raises(FlowEnded):
            await world.customers.social.step_up(flow.id, LOCAL, noor)
