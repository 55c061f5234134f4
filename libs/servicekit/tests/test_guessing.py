"""OTP-6: many people, a few guesses each."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.identity import CodeGuessingSuspected
from servicekit.clock import ManualClock
from servicekit.db import Database
from servicekit.keys import Keys
from servicekit.proof import OneTimeSecrets, ToIssue
from servicekit.proof.guessing import CALM, LEAST_WRONG, LONG_CODE, WINDOW, Guesses

pytestmark = pytest.mark.usefixtures("clean")


@pytest.fixture
def guesses(db: Database) -> Guesses:
    return make(db)


def make(db: Database, purpose: str = "password_reset") -> Guesses:
    return Guesses(db, purpose, CodeGuessingSuspected)


async def events_of(db: Database) -> list[dict[str, Any]]:
    async with db.read() as conn:
        return [json.loads(row["value"]) for row in await conn.fetch("SELECT value FROM outbox ORDER BY id")]


def type_codes(guesses: Guesses, *, wrong: int = 0, right: int = 0) -> None:
    for _ in range(wrong):
        guesses.count("wrong")
    for _ in range(right):
        guesses.count("ok")


class TestAlarm:
    async def test_two_thousand_people_three_guesses_each(
        self, guesses: Guesses, db: Database, keys: Keys, clock: ManualClock
    ) -> None:
        """The alarm comes with the next look, and the next codes have eight digits."""
        onetime = OneTimeSecrets(keys)
        for start in range(0, 2000, 100):
            async with db.transaction() as tx:
                flows = [uuid4() for _ in range(100)]
                for flow_id in flows * 3:
                    result = await onetime.consume_code(tx, flow_id=flow_id, purpose="password_reset", code=f"{start:06d}")
                    guesses.count(result.outcome)
        assert guesses.code_length(6) == 6
        await guesses.look()
        assert guesses.code_length(6) == LONG_CODE
        (event,) = await events_of(db)
        assert (event["purpose"], event["wrong"], event["code_length"]) == ("password_reset", 6000, 8)
        async with db.transaction() as tx:
            issued = await onetime.issue(
                tx,
                ToIssue(
                    purpose="password_reset",
                    flow_id=uuid4(),
                    subject=None,
                    tenant="store",
                    browser=None,
                    code_lifetime=timedelta(minutes=6),
                    code_length=guesses.code_length(6),
                ),
            )
        assert issued.code is not None
        assert len(issued.code) == 8

    async def test_a_longer_policy_stays_longer(self, guesses: Guesses) -> None:
        assert guesses.code_length(7) == 7
        type_codes(guesses, wrong=LEAST_WRONG)
        await guesses.look()
        assert guesses.code_length(7) == LONG_CODE

    @pytest.mark.parametrize(
        ("wrong", "right"),
        [(LEAST_WRONG - 1, 0), (LEAST_WRONG, LEAST_WRONG + 1), (LEAST_WRONG, 20 * LEAST_WRONG)],
    )
    async def test_people_who_mistype(self, guesses: Guesses, db: Database, wrong: int, right: int) -> None:
        type_codes(guesses, wrong=wrong, right=right)
        await guesses.look()
        assert guesses.code_length(6) == 6
        assert await events_of(db) == []

    async def test_too_slow_to_be_seen_in_one_window(self, guesses: Guesses, clock: ManualClock) -> None:
        for _ in range(4):
            type_codes(guesses, wrong=LEAST_WRONG // 2)
            await guesses.look()
            clock.move(WINDOW.total_seconds() + 60)
        assert guesses.code_length(6) == 6

    async def test_of_another_purpose(self, guesses: Guesses, db: Database) -> None:
        other = make(db, "activation")
        type_codes(other, wrong=LEAST_WRONG)
        await other.look()
        await guesses.look()
        assert (guesses.code_length(6), other.code_length(6)) == (6, LONG_CODE)

    async def test_a_late_right_code_is_no_guess(self, guesses: Guesses) -> None:
        for outcome in ("expired", "used", "ok"):
            for _ in range(LEAST_WRONG):
                guesses.count(outcome)
        await guesses.look()
        assert guesses.code_length(6) == 6


class TestReplicas:
    async def test_counted_over_all_and_told_to_all(self, db: Database, replica: Database) -> None:
        """One alone would not have noticed; one that types nothing knows as well."""
        first, second, third = make(db), make(replica), make(db)
        type_codes(first, wrong=LEAST_WRONG // 2)
        type_codes(second, wrong=LEAST_WRONG // 2)
        for one in (first, second, third):
            await one.look()
        assert (second.code_length(6), third.code_length(6)) == (LONG_CODE, LONG_CODE)
        await first.look()
        assert first.code_length(6) == LONG_CODE

    async def test_raised_once(self, db: Database, replica: Database) -> None:
        both = [make(db), make(replica)]
        for one in both:
            type_codes(one, wrong=LEAST_WRONG)
        await asyncio.gather(*(one.look() for one in both))
        assert len(await events_of(db)) == 1

    async def test_what_could_not_be_written_is_kept(
        self, db: Database, guesses: Guesses, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        type_codes(guesses, wrong=LEAST_WRONG)
        with monkeypatch.context() as patch:
            patch.setattr(db, "transaction", lambda: (_ for _ in ()).throw(ConnectionRefusedError))
            with pytest.raises(ConnectionRefusedError):
                await guesses.look()
        await guesses.look()
        assert guesses.code_length(6) == LONG_CODE


class TestCalm:
    async def test_an_hour_after_the_last_guesses(self, guesses: Guesses, db: Database, clock: ManualClock) -> None:
        """While it lasts the alarm is prolonged and not told again; a later attack is a new one."""
        for _ in range(3):
            type_codes(guesses, wrong=LEAST_WRONG)
            await guesses.look()
            clock.move(CALM.total_seconds() - 60)
            assert guesses.code_length(6) == LONG_CODE
        clock.move(60)
        assert guesses.code_length(6) == 6
        assert len(await events_of(db)) == 1
        type_codes(guesses, wrong=LEAST_WRONG)
        await guesses.look()
        assert guesses.code_length(6) == LONG_CODE
        assert len(await events_of(db)) == 2
