"""Sign-in against a real database: a second factor is asked after every right password (E6, REC-3)."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from identity.accounts import store as accounts
from identity.accounts.rules import Identifier
from identity.credentials import store as credentials
from identity.password_change.service import PasswordChanges
from identity.signin.service import SignIns
from latchkey_contracts.http.sign_in import PasswordRequest, SignInRequest
from servicekit.caller import Caller
from servicekit.db import Conn, Database
from servicekit.errors import ServiceError
from servicekit.ids import random_id
from servicekit.keys import Keys

OLD, NEW = "correct horse staple battery", "seven copper lanterns drifting north"
CALLER = Caller(service="gateway", flow="ab" * 32)


class Totp:
    """An account with an authenticator app, as the mfa service will tell it."""

    async def enrolled(self, conn: Conn, account_id: UUID) -> list[str]:
        return ["totp"]


@pytest.fixture
async def made(customers, db: Database, keys: Keys) -> tuple[SignIns, PasswordChanges, UUID]:
    found = type(customers)(db, customers.configuration, keys, factors=Totp())
    configuration, passwords, changes, sign_ins = found.configuration, found.passwords, found.changes, found.sign_ins
    hashed = await passwords.hash(OLD)
    async with db.transaction() as tx:
        account_id = await accounts.insert(tx, configuration.application("demo").store.id, "en")
        address = Identifier("email", "mira@posteo.example", "mira@posteo.example")
        await accounts.add_identifier(tx, account_id, configuration.application("demo").store.id, address, verified_at=tx.now)
        await accounts.activate(tx, account_id, profile={}, consents=[], language="en")
        await credentials.put(tx, account_id, hashed)
    return sign_ins, changes, account_id


async def sign_in(sign_ins: SignIns, password: str) -> Any:
    flow = await sign_ins.start("demo", SignInRequest(identifier="mira@posteo.example"), CALLER)
    return await sign_ins.password("demo", flow.id, PasswordRequest(password=password), CALLER)


def wrong(times: int) -> list[str]:
    return ["not the password at all"] * times


async def outcomes(sign_ins: SignIns, passwords: list[str], caller: Caller = CALLER) -> list[int]:
    """Each in an attempt of its own: what they were told, 200 for a right one."""
    found = []
    for password in passwords:
        flow = await sign_ins.start("demo", SignInRequest(identifier="mira@posteo.example"), caller)
        try:
            await sign_ins.password("demo", flow.id, PasswordRequest(password=password), caller)
        except ServiceError as error:
            found.append(error.status)
        else:
            found.append(200)
    return found


async def live_sessions(db: Database) -> int:
    async with db.read() as conn:
        return int(await conn.fetchval("SELECT count(*) FROM session"))


class TestEnrolledFactor:
    async def test_is_asked_before_any_session(self, made, db):
        sign_ins, _, _ = made
        answer = await sign_in(sign_ins, OLD)
        assert (answer.status, answer.factors, answer.session) == ("needs_factor", ["totp"], None)
        assert await live_sessions(db) == 0

    async def test_is_still_asked_after_a_reset(self, made, db):
        """REC-3, E6: the reset replaced the password and nothing else."""
        sign_ins, changes, account_id = made
        assert await changes.reset(account_id, "demo", random_id(), NEW, CALLER)
        answer = await sign_in(sign_ins, NEW)
        assert (answer.status, answer.factors, answer.session) == ("needs_factor", ["totp"], None)
        assert await live_sessions(db) == 0


class TestReset:
    async def test_a_flow_sets_one_password(self, made, db):
        """The last call repeated, with whatever password: nothing happens again."""
        _, changes, account_id = made
        flow = random_id()
        assert await changes.reset(account_id, "demo", flow, NEW, CALLER) is True
        async with db.read() as conn:
            stored = await credentials.get(conn, account_id)
        assert await changes.reset(account_id, "demo", flow, "quite another set of words", CALLER) is False
        async with db.read() as conn:
            assert await credentials.get(conn, account_id) == stored
            told = await conn.fetchval("SELECT count(*) FROM outbox WHERE attributes->>'type' LIKE '%password_changed%'")
        assert told == 1

    async def test_forgives_the_names_of_the_account(self, made):
        """BRF-1: its owner has tried long enough."""
        sign_ins, changes, account_id = made
        assert await outcomes(sign_ins, wrong(6)) == [403] * 5 + [429]
        assert await changes.reset(account_id, "demo", random_id(), NEW, CALLER)
        assert await outcomes(sign_ins, [NEW]) == [200]

    async def test_forgives_nobody_else(self, made, db):
        """An address that the account only claims is counted for its owner."""
        sign_ins, changes, _ = made
        async with db.transaction() as tx:
            store_id = changes.configuration.application("demo").store.id
            other = await accounts.insert(tx, store_id, "en")
            claimed = Identifier("email", "mira@posteo.example", "mira@posteo.example")
            assert await accounts.add_identifier(tx, other, store_id, claimed, verified_at=None, contested=True)
            await accounts.activate(tx, other, profile={}, consents=[], language="en")
        assert await outcomes(sign_ins, wrong(5)) == [403] * 5
        assert await changes.reset(other, "demo", random_id(), NEW, CALLER)
        assert await outcomes(sign_ins, [OLD]) == [429]


class TestKnownBrowser:
    """BRF-3."""

    async def test_its_owner_is_not_slowed_by_strangers(self, made, clock):
        """BRF-1: 99 wrong ones from elsewhere, and she signs in at once; from an unknown browser she waits."""
        sign_ins, _, account_id = made
        own = replace(CALLER, device="5e" * 16, device_account_id=account_id)
        for _ in range(20):
            await outcomes(sign_ins, wrong(5))
            clock.move(31)
        assert (await outcomes(sign_ins, [OLD])) == [429]
        assert (await outcomes(sign_ins, [OLD], own)) == [200]

    async def test_has_the_same_limits(self, made):
        sign_ins, _, account_id = made
        own = replace(CALLER, device="5e" * 16, device_account_id=account_id)
        assert await outcomes(sign_ins, wrong(6), own) == [403] * 5 + [429]
        assert await outcomes(sign_ins, [OLD]) == [200], "what is counted for the browser is counted for nobody else"
        assert await outcomes(sign_ins, [OLD], own) == [429], "and a right one elsewhere doesn't forgive it"

    async def test_of_another_account_is_any(self, made):
        sign_ins, _, _ = made
        other = replace(CALLER, device="5e" * 16, device_account_id=random_id())
        assert await outcomes(sign_ins, wrong(5)) == [403] * 5
        assert await outcomes(sign_ins, [OLD], other) == [429]


class TestManyAtOnce:
    """BRF-1, INV-13: as many are looked at as one after the other would be, wherever they arrive."""

    async def tries(self, replicas: Sequence[Any], typed: str) -> list[int]:
        async def one(customers: Any) -> int:
            try:
                await customers.sign_in(typed, "not the password at all")
            except ServiceError as error:
                return error.status
            return 200

        return sorted(await asyncio.gather(*(one(customers) for customers in replicas for _ in range(10))))

    @pytest.mark.parametrize("typed", ["mira@posteo.example", "nobody@posteo.example"])
    async def test_five_of_twenty_on_two_replicas(self, customers, another_replica, dsn, clock, typed: str):
        await customers.join(email="mira@posteo.example", username="mira")
        other = await Database.connect(dsn, service="identity", origin="https://id.example", clock=clock, pool_size=5)
        try:
            replicas = [customers, another_replica(other)]
            assert await self.tries(replicas, typed) == [403] * 5 + [429] * 15
            clock.move(31)
            assert await self.tries(replicas, typed) == [403] * 5 + [429] * 15, "another five, as one after the other"
        finally:
            await other.close()

    async def test_right_ones_are_not_counted(self, customers):
        await customers.join(email="mira@posteo.example", username="mira")
        for _ in range(7):
            assert (await customers.sign_in("mira@posteo.example")).status == "complete"
