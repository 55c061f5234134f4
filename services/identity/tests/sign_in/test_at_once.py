"""Name and password in one call, against a real database: as the second of two calls would answer (ENU-1, BRF-1, INV-13)."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from identity.accounts import store as accounts
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInFlow, SignInRequest
from servicekit.errors import CredentialsWrong, FlowEnded, TooManyRequests, ValidationFailed
from servicekit.web.caller import Caller
from servicekit.web.idempotency import Replay

EMAIL = "mira@posteo.example"
API = Caller(service="gateway", flow="ab" * 32, api_client=True)


@pytest.fixture
async def mira(customers) -> Any:
    await customers.join(email=EMAIL, username="mira")
    return customers


async def sign_in(customers: Any, password: str | None = None, typed: str | None = EMAIL, caller: Caller = API) -> SignInFlow:
    body = SignInRequest(identifier=typed, password=password or customers.old, client="api")
    found: SignInFlow = await customers.sign_ins.start("demo", body, caller)
    return found


async def test_a_right_one_is_a_session(mira):
    flow = await sign_in(mira)
    assert (flow.status, flow.next, flow.account_id) == ("complete", [], await mira.account(EMAIL))
    assert flow.session is not None
    assert (await mira.sign_ins.read("demo", flow.id, API)).status == "complete"


async def test_says_how_and_when_it_was_proven(mira, clock):
    await sign_in(mira)
    told = (await mira.told("signed_in"))[-1]
    async with mira.db.read() as conn:
        row = await conn.fetchrow("SELECT methods, authenticated_at FROM session")
    assert (told["methods"], list(row["methods"]), row["authenticated_at"]) == (["pwd"], ["pwd"], clock.now())


@pytest.mark.parametrize("typed", [EMAIL, "nobody@posteo.example"])
async def test_a_wrong_one_looks_the_same_for_whoever(mira, typed: str):
    with pytest.raises(CredentialsWrong) as refused:
        await sign_in(mira, "not the password at all", typed)
    assert (refused.value.detail, refused.value.extra) == (None, {})


@pytest.mark.parametrize("typed", [EMAIL, "nobody@posteo.example"])
async def test_is_slowed_down_with_those_of_two_calls(mira, typed: str):
    """BRF-1: one count for one name, however it is tried."""
    for _ in range(3):
        with pytest.raises(CredentialsWrong):
            await sign_in(mira, "not the password at all", typed)
    for _ in range(2):
        with pytest.raises(CredentialsWrong):
            await mira.sign_in(typed, "not the password at all")
    with pytest.raises(TooManyRequests):
        await sign_in(mira, mira.old, typed)


async def test_the_owner_hears_of_a_wrong_one(mira):
    with pytest.raises(CredentialsWrong):
        await sign_in(mira, "not the password at all")
    await mira.work()
    assert [one["account_id"] for one in await mira.told("sign_in_failed")] == [str(await mira.account(EMAIL))]


async def test_what_is_newly_required_comes_first(mira):
    async with mira.db.transaction() as tx:
        await accounts.require(tx, await mira.account(EMAIL), "password")
    flow = await sign_in(mira)
    assert (flow.status, flow.actions, flow.session) == ("needs_action", ["password"], None)
    done = await mira.actions.act("demo", flow.id, RequiredActionRequest(password=mira.new), API)
    assert done.status == "complete"


async def test_authenticated_when_the_password_was_proven(mira, clock):
    """Not when something else that was required came at last."""
    async with mira.db.transaction() as tx:
        await accounts.require(tx, await mira.account(EMAIL), "password")
    flow, proven = await sign_in(mira), clock.now()
    clock.move(60)
    await mira.actions.act("demo", flow.id, RequiredActionRequest(password=mira.new), API)
    async with mira.db.read() as conn:
        row = await conn.fetchrow("SELECT authenticated_at, created_at FROM session")
    assert (row["authenticated_at"], row["created_at"]) == (proven, clock.now())


async def test_a_browser_has_two_steps(mira):
    with pytest.raises(ValidationFailed) as refused:
        await sign_in(mira, caller=replace(API, api_client=False))
    assert refused.value.errors[0].field == "/password"


async def test_wants_a_name(mira):
    with pytest.raises(ValidationFailed) as refused:
        await sign_in(mira, typed=None)
    assert refused.value.errors[0].field == "/identifier"


async def test_of_a_closed_account(mira):
    async with mira.db.transaction() as tx:
        await accounts.set_status(tx, await mira.account(EMAIL), "disabled")
    with pytest.raises(CredentialsWrong):
        await sign_in(mira)


@pytest.mark.parametrize("calls", [1, 2])
async def test_not_with_a_password_that_changed_while_it_was_checked(mira, monkeypatch, calls: int):
    """REC-6: what was verified must still be so."""
    verify = mira.passwords.verify

    async def slow(stored: str | None, password: str) -> bool:
        found: bool = await verify(stored, password)
        monkeypatch.setattr(mira.passwords, "verify", verify)
        await mira.changes.reset(await mira.account(EMAIL), "demo", uuid4(), mira.new, mira.elsewhere)
        return found

    flow = await mira.sign_ins.start("demo", SignInRequest(identifier=EMAIL), API)
    monkeypatch.setattr(mira.passwords, "verify", slow)
    second = mira.sign_ins.password("demo", flow.id, PasswordRequest(password=mira.old), API)
    tried = sign_in(mira) if calls == 1 else second
    with pytest.raises(FlowEnded):
        await tried
    second.close()


async def test_repeated_with_its_key_it_is_the_same_session(mira):
    """API-4."""
    caller = replace(API, idempotency_key="k", fingerprint="f")
    first = await sign_in(mira, caller=caller)
    with pytest.raises(Replay) as again:
        await sign_in(mira, caller=caller)
    assert again.value.body["session"]["token"] == first.session.token


async def test_the_twenty_first_session_ends_the_oldest(mira, clock):
    """SES-7."""
    for _ in range(21):
        await sign_in(mira)
        clock.move(1)
    async with mira.db.read() as conn:
        rows = await conn.fetch("SELECT revoked_at IS NOT NULL AS ended FROM session ORDER BY created_at")
    assert [row["ended"] for row in rows] == [True, *[False] * 20]
    assert [one["reason"] for one in await mira.told("session_revoked")] == ["limit"]
