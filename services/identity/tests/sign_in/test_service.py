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
from identity.sign_in.service import SignIns
from latchkey_contracts.http.access import AccessState, SecondFactor
from latchkey_contracts.http.sign_in import PasswordRequest, RequiredActionRequest, SignInRequest
from servicekit.db import Database
from servicekit.errors import CredentialsWrong, FlowEnded, NotFound, Overloaded, ServiceError
from servicekit.ids import random_id
from servicekit.web.caller import Caller

OLD, NEW = "correct horse staple battery", "seven copper lanterns drifting north"
CALLER = Caller(service="gateway", flow="ab" * 32)


@pytest.fixture
async def made(customers, db: Database) -> tuple[SignIns, PasswordChanges, UUID]:
    """An account with an authenticator app."""
    found = customers
    configuration, passwords, changes, sign_ins = found.configuration, found.passwords, found.changes, found.sign_ins
    hashed = await passwords.hash(OLD)
    async with db.transaction() as tx:
        account_id = await accounts.insert(tx, configuration.application("demo").store.id, "en")
        address = Identifier("email", "mira@posteo.example", "mira@posteo.example")
        await accounts.add_identifier(tx, account_id, configuration.application("demo").store.id, address, verified_at=tx.now)
        named = Identifier("username", "mira.o", "mira.o")  # which the store requires
        await accounts.add_identifier(tx, account_id, configuration.application("demo").store.id, named, verified_at=None)
        await accounts.activate(tx, account_id, profile={}, consents=[], language="en")
        await credentials.put(tx, account_id, hashed)
    await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=1))
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
        assert (answer.status, [one.kind for one in answer.factors], answer.session) == ("needs_factor", ["totp"], None)
        assert await live_sessions(db) == 0

    async def test_is_still_asked_after_a_reset(self, made, db):
        """REC-3, E6: the reset replaced the password and nothing else."""
        sign_ins, changes, account_id = made
        assert await changes.reset(account_id, "demo", random_id(), NEW, CALLER)
        answer = await sign_in(sign_ins, NEW)
        assert (answer.status, [one.kind for one in answer.factors], answer.session) == ("needs_factor", ["totp"], None)
        assert await live_sessions(db) == 0


class TestProvenFactor:
    """mfa holds the challenge; the window that asked goes on here."""

    async def test_leads_to_one_session(self, customers, made, db):
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        assert (await sign_ins.read("demo", flow.id, CALLER)).status == "needs_factor"
        customers.mfa.prove(flow.id, db.clock.now())
        done = await sign_ins.read("demo", flow.id, CALLER)
        assert (done.status, done.session is not None) == ("complete", True)
        assert (await sign_ins.read("demo", flow.id, CALLER)).session is None
        async with db.read() as conn:
            assert await conn.fetchval("SELECT methods FROM session") == ["pwd", "otp", "mfa"]

    async def test_many_looks_at_once_make_one_session(self, customers, made, db):
        """INV-13: every open tab looks."""
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        customers.mfa.prove(flow.id, db.clock.now())
        found = await asyncio.gather(*(sign_ins.read("demo", flow.id, CALLER) for _ in range(16)))
        assert sum(one.session is not None for one in found) == 1
        assert await live_sessions(db) == 1

    async def test_not_in_another_browser(self, customers, made, db):
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        customers.mfa.prove(flow.id, db.clock.now())
        with pytest.raises(NotFound):
            await sign_ins.read("demo", flow.id, replace(CALLER, flow="cd" * 32))
        assert await live_sessions(db) == 0

    async def test_not_after_the_password_was_changed(self, customers, made, db):
        """LNK-7, REC-6: what the password proved is proven no more."""
        sign_ins, changes, account_id = made
        flow = await sign_in(sign_ins, OLD)
        await changes.reset(account_id, "demo", random_id(), NEW, CALLER)
        customers.mfa.prove(flow.id, db.clock.now())
        assert (await sign_ins.read("demo", flow.id, CALLER)).status == "ended"
        assert await live_sessions(db) == 0

    async def test_not_after_its_time(self, customers, made, db):
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        customers.mfa.prove(flow.id, db.clock.now())
        db.clock.move(601)
        assert (await sign_ins.read("demo", flow.id, CALLER)).status == "ended"

    async def test_what_is_required_comes_after_it(self, customers, made, db):
        """D32: the factor is not asked again behind it."""
        sign_ins, _, account_id = made
        async with db.transaction() as tx:
            await accounts.require(tx, account_id, "username")
        flow = await sign_in(sign_ins, OLD)
        assert (flow.status, flow.actions) == ("needs_factor", [])
        customers.mfa.prove(flow.id, db.clock.now())
        assert (await sign_ins.read("demo", flow.id, CALLER)).actions == ["username"]
        done = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira"), CALLER)
        assert done.status == "complete"

    async def test_enrolled_while_something_else_was_required(self, customers, made, db):
        """No session without the factor comes of a flow from before it."""
        sign_ins, _, account_id = made
        await customers.second_factors.put(account_id, SecondFactor(enrolled=False, version=2))
        async with db.transaction() as tx:
            await accounts.require(tx, account_id, "username")
        flow = await sign_in(sign_ins, OLD)
        assert flow.status == "needs_action"
        await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=3))
        with pytest.raises(FlowEnded):
            await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira"), CALLER)
        assert await live_sessions(db) == 0

    @pytest.mark.parametrize("at_once", [False, True])
    async def test_a_challenge_that_is_over_already_is_no_yes(self, customers, made, db, at_once):
        """MFA-7: a password in the attempt's last moment, or after wrong codes, is refused; only "allow" and "proven" lead on."""
        sign_ins, _, _ = made
        customers.mfa.always = AccessState(decision="ended")
        body = SignInRequest(identifier="mira@posteo.example", password=OLD if at_once else None)
        caller = replace(CALLER, api_client=True)
        with pytest.raises(FlowEnded):
            await (sign_ins.start("demo", body, caller) if at_once else sign_in(sign_ins, OLD))
        assert await live_sessions(db) == 0

    async def test_a_trusted_device_gives_what_is_required_and_is_in(self, customers, made, db):
        sign_ins, _, account_id = made
        async with db.transaction() as tx:
            await accounts.require(tx, account_id, "username")
        flow = await sign_ins.start("demo", SignInRequest(identifier="mira@posteo.example"), CALLER)
        customers.mfa.states[flow.id] = AccessState(decision="allow")
        assert (await sign_ins.password("demo", flow.id, PasswordRequest(password=OLD), CALLER)).status == "needs_action"
        done = await customers.actions.act("demo", flow.id, RequiredActionRequest(username="mira"), CALLER)
        assert done.status == "complete"

    async def test_too_many_wrong_codes_end_it(self, customers, made):
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        customers.mfa.states[flow.id] = AccessState(decision="ended")
        assert (await sign_ins.read("demo", flow.id, CALLER)).status == "ended"


class TestMarker:
    async def test_an_older_version_changes_nothing(self, customers, made, db):
        """A removal that comes late must not open an account that has enrolled again."""
        sign_ins, _, account_id = made
        await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=3))
        await customers.second_factors.put(account_id, SecondFactor(enrolled=False, version=2))
        assert (await sign_in(sign_ins, OLD)).status == "needs_factor"
        await customers.second_factors.put(account_id, SecondFactor(enrolled=False, version=4))
        assert (await sign_in(sign_ins, OLD)).status == "complete"

    async def test_a_factor_that_is_gone_already_is_not_asked_for(self, customers, made):
        """The marker is set first and taken back last; what mfa says counts."""
        sign_ins, _, _ = made
        flow = await sign_ins.start("demo", SignInRequest(identifier="mira@posteo.example"), CALLER)
        customers.mfa.states[flow.id] = AccessState(decision="allow")
        assert (await sign_ins.password("demo", flow.id, PasswordRequest(password=OLD), CALLER)).status == "complete"

    async def test_enrolled_while_the_password_was_checked(self, customers, made, db, monkeypatch):
        """An acknowledged enrolment protects the very next session, also one that is on its way."""
        sign_ins, _, account_id = made
        await customers.second_factors.put(account_id, SecondFactor(enrolled=False, version=2))
        verify = customers.passwords.verify

        async def meanwhile(*given: Any) -> bool:
            await customers.second_factors.put(account_id, SecondFactor(enrolled=True, version=3))
            return bool(await verify(*given))

        monkeypatch.setattr(customers.passwords, "verify", meanwhile)
        with pytest.raises(FlowEnded):
            await sign_in(sign_ins, OLD)
        assert await live_sessions(db) == 0


class TestMfaAway:
    """Never a bypass, and nobody's password is told right or wrong by it."""

    async def test_right_and_wrong_look_alike(self, customers, made, db):
        sign_ins, _, _ = made
        customers.mfa.away = True
        for password in (OLD, "not the password at all"):
            with pytest.raises(Overloaded):
                await sign_in(sign_ins, password)
        flow = await sign_ins.start("demo", SignInRequest(identifier="nobody@posteo.example"), CALLER)
        with pytest.raises(Overloaded):
            await sign_ins.password("demo", flow.id, PasswordRequest(password=OLD), CALLER)
        assert await live_sessions(db) == 0

    async def test_in_one_call_too(self, customers, made):
        sign_ins, _, _ = made
        customers.mfa.away = True
        for password in (OLD, "not the password at all"):
            body = SignInRequest(identifier="mira@posteo.example", password=password, client="api")
            with pytest.raises(Overloaded):
                await sign_ins.start("demo", body, replace(CALLER, api_client=True))

    async def test_who_has_no_factor_signs_in(self, customers, made):
        sign_ins, _, account_id = made
        await customers.second_factors.put(account_id, SecondFactor(enrolled=False, version=2))
        customers.mfa.away = True
        assert (await sign_in(sign_ins, OLD)).status == "complete"

    async def test_the_flow_goes_on_once_it_is_back(self, customers, made, db):
        sign_ins, _, _ = made
        flow = await sign_in(sign_ins, OLD)
        customers.mfa.away = True
        with pytest.raises(Overloaded):
            await sign_ins.read("demo", flow.id, CALLER)
        customers.mfa.away = False
        customers.mfa.prove(flow.id, db.clock.now())
        assert (await sign_ins.read("demo", flow.id, CALLER)).status == "complete"


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


class TestAlike:
    async def written(self, customers: Any, typed: str) -> tuple[list[str], int, int]:
        """What a wrong password for that name leaves in the customer's own transaction, and what is told behind it."""
        with pytest.raises(CredentialsWrong):
            await customers.sign_in(typed, "not the password at all")
        async with customers.db.read() as conn:
            work = [sorted(row["payload"]) for row in await conn.fetch("SELECT payload FROM work")]
        before = len(await customers.told("sign_in_failed"))
        await customers.work()
        return work[0], len(work), len(await customers.told("sign_in_failed")) - before

    async def test_a_wrong_password_writes_the_same_for_known_and_unknown(self, customers):
        """ENU-2: the event for the known one comes of work that both leave."""
        await customers.join(email="mira@posteo.example", username="mira")
        await customers.work()
        known, unknown = [await self.written(customers, typed) for typed in ("mira@posteo.example", "nobody@posteo.example")]
        assert known[:2] == unknown[:2] == (["account_id", "application"], 1)
        assert (known[2], unknown[2]) == (1, 0)
