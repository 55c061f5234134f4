"""SES-5, STP-1: a customer sees where the account is signed in, and ends one session or all others after fresh authentication."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.http.step_up import StepUpRequest
from servicekit.errors import NotFound, StepUpRequired
from servicekit.web.caller import Caller

EMAIL = "mira@posteo.example"


@pytest.fixture
async def jars(customers) -> list[Caller]:
    """Three places where Mira is signed in, oldest first."""
    account_id = await customers.join(email=EMAIL, username="mira")
    for _ in range(3):
        await customers.sign_in(EMAIL)
    return [replace(customers.here, account_id=account_id, session_id=one) for one in await live(customers, account_id)]


async def live(customers: Any, account_id: UUID | None) -> list[UUID]:
    found = await customers.sessions.listing(replace(customers.here, account_id=account_id, session_id=uuid4()))
    return [one.id for one in found.items]


async def granted(customers: Any, caller: Caller, payload: dict[str, Any] | None = None) -> Caller:
    flow = await customers.step_ups.start(StepUpRequest(action="sessions.end", payload=payload), caller)
    done = await customers.step_ups.password(flow.id, customers.old, caller)
    return replace(caller, step_up=str(done.grant))


async def test_one_of_three(customers, jars):
    first, second, third = jars
    payload = {"session_id": str(second.session_id)}
    with pytest.raises(StepUpRequired) as refused:
        await customers.endings.one(second.session_id, first)
    assert refused.value.extra == {"action": "sessions.end", "payload": payload}
    assert len(await live(customers, first.account_id)) == 3
    await customers.endings.one(second.session_id, await granted(customers, first, payload))
    assert await live(customers, first.account_id) == [first.session_id, third.session_id]


async def test_all_others(customers, jars):
    first = jars[0]
    with pytest.raises(StepUpRequired):
        await customers.endings.others(first)
    await customers.endings.others(await granted(customers, first))
    assert await live(customers, first.account_id) == [first.session_id]


async def test_a_grant_for_one_ends_no_other(customers, jars):
    first, second, third = jars
    caller = await granted(customers, first, {"session_id": str(second.session_id)})
    for refused in (customers.endings.one(third.session_id, caller), customers.endings.others(caller)):
        with pytest.raises(StepUpRequired):
            await refused
    assert len(await live(customers, first.account_id)) == 3


async def test_the_own_one_needs_no_grant(customers, jars):
    first = jars[0]
    await customers.endings.one(first.session_id, first)
    assert first.session_id not in await live(customers, first.account_id)


async def test_nobody_ends_another_person_s(customers, jars):
    """API-1: and nobody learns whether there is such a session."""
    other = await customers.join(email="bruno@posteo.example", username="bruno")
    await customers.sign_in("bruno@posteo.example")
    [own] = await live(customers, other)
    bruno = replace(customers.here, account_id=other, session_id=own)
    for one in (jars[0].session_id, uuid4()):
        with pytest.raises(NotFound):
            await customers.endings.one(one, await granted(customers, bruno, {"session_id": str(one)}))
    await customers.endings.others(await granted(customers, bruno))
    assert len(await live(customers, jars[0].account_id)) == 3


async def test_what_gateways_are_told(customers, jars):
    """SES-4: each session that ended, by name."""
    first, *others = jars
    await customers.endings.others(await granted(customers, first))
    told = [(one["session_id"], one["reason"]) for one in await customers.told("session_revoked")]
    assert told == [(str(one.session_id), "ended_by_user") for one in others]
