"""How many round trips to the database an operation may take: a bound for each, so that none grows unseen (ENU-2, docs/benchmarks.md)."""

import re
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.errors import CredentialsWrong
from servicekit.proof import hash_token
from testkit.statements import recorded

EMAIL = "mira@posteo.example"
API = {"api_client": True}


@pytest.fixture
async def mira(customers) -> Any:
    await customers.join(email=EMAIL, username="mira")
    await customers.sign_in(EMAIL)  # whatever is done once is done
    return customers


def of_what(statements: list[str]) -> list[str]:
    """Without values, and the id of a savepoint."""
    return [re.sub(r"\d+", "n", one) for one in statements]


async def at_once(customers: Any, typed: str, password: str, caller: Any = None) -> Any:
    caller = replace(caller or customers.here, **API)
    return await customers.sign_ins.start("demo", SignInRequest(identifier=typed, password=password, client="api"), caller)


class TestSignIn:
    async def test_start(self, mira):
        with recorded(mira.db) as statements:
            await mira.sign_ins.start("demo", SignInRequest(identifier=EMAIL), mira.here)
        assert len(statements) <= 1, statements

    @pytest.fixture
    async def laptop(self, mira):
        """Where she has signed in before."""
        return replace(mira.here, device="her-laptop", device_account_id=await mira.account(EMAIL))

    @pytest.mark.parametrize(("known", "most"), [(True, 11), (False, 12)], ids=["known device", "new device, which is told"])
    async def test_right_password(self, mira, laptop, known: bool, most: int):
        caller = laptop if known else mira.here
        flow = await mira.sign_ins.start("demo", SignInRequest(identifier=EMAIL), caller)
        with recorded(mira.db) as statements:
            answer = await mira.sign_ins.password("demo", flow.id, PasswordRequest(password=mira.old), caller)
        assert answer.status == "complete"
        assert len(statements) <= most, statements

    @pytest.mark.parametrize(("known", "most"), [(True, 10), (False, 11)], ids=["known device", "new device, which is told"])
    async def test_in_one_call(self, mira, laptop, known: bool, most: int):
        with recorded(mira.db) as statements:
            answer = await at_once(mira, EMAIL, mira.old, laptop if known else None)
        assert answer.status == "complete"
        assert len(statements) <= most, statements

    @pytest.mark.parametrize("way", ["two calls", "one call"])
    async def test_known_and_unknown_ask_the_same(self, mira, way: str):
        """ENU-2: the very same statements, in the same order."""
        asked = []
        for typed in (EMAIL, "nobody@posteo.example"):
            sign_in = partial(at_once, mira) if way == "one call" else mira.sign_in
            with recorded(mira.db) as statements, pytest.raises(CredentialsWrong):
                await sign_in(typed, "not the password at all")
            asked.append(of_what(statements))
        assert asked[0] == asked[1]
        assert len(asked[0]) <= (3 if way == "one call" else 8), asked[0]


class TestSession:
    async def test_start(self, mira):
        app = mira.configuration.application("demo")
        account_id = await mira.account(EMAIL)
        with recorded(mira.db) as statements:
            async with mira.db.transaction() as tx:
                await mira.sessions.start(tx, account_id=account_id, app=app, caller=mira.here, methods=["pwd"])
        assert len(statements) <= 4, statements  # BEGIN, the session, its event, COMMIT

    async def test_look_up(self, mira):
        session = (await mira.sign_in(EMAIL)).session
        with recorded(mira.db) as statements:
            await mira.sessions.look_up(hash_token(session.token))
        assert len(statements) <= 1, statements

    async def test_told_of_uses(self, mira):
        session = (await mira.sign_in(EMAIL)).session
        found = await mira.sessions.look_up(hash_token(session.token))
        with recorded(mira.db) as statements:
            await mira.sessions.touch([(found.id, mira.db.clock.now())])
        assert len(statements) <= 2, statements

    async def test_nobody_was_there(self, mira):
        with recorded(mira.db) as statements:
            await mira.sessions.touch([])
        assert statements == []


async def test_me(mira):
    account_id = await mira.account(EMAIL)
    with recorded(mira.db) as statements:
        me = await mira.profiles.read(replace(mira.here, account_id=account_id, session_id=account_id, application="demo"))
    assert (me.sessions, [one["kind"] for one in me.model_dump()["identifiers"]]) == (1, ["email", "username"])
    assert len(statements) <= 1, statements
