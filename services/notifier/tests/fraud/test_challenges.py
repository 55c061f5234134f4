"""Codes and links of factors: whom they are for, by what their contact says, and that their use is counted (FRD-5 to FRD-7)."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.mfa import ChallengeSucceeded, FactorEnrolled
from notifier.fraud import rules
from notifier.fraud.service import Case
from servicekit.clock import ManualClock

from ..conftest import Notifier, number, received
from .conftest import Cases
from .test_service import CLOSED, consecutive

SIGN_IN = ("sign_in_code", "sign_in_link")


def factor_code(cases: Cases, to: str, **more: Any) -> Case:
    """To a new number of a signed-in account with a proven address, where accounts don't begin with a phone."""
    return cases.one(to, **{"template": "factor_code", "lane": 1, "known": True, "policy": CLOSED, **more})


async def close(cases: Cases, clock: ManualClock) -> None:
    """Codes to sixteen new numbers of one range, of which none was used."""
    for one in consecutive(16):
        assert (await cases.judge(factor_code(cases, one))).reason is None
        clock.move(61)
    clock.move(rules.RIPE_AFTER.total_seconds())


async def used(notifier: Notifier) -> list[UUID]:
    async with notifier.db.read() as conn:
        return [row["flow_id"] for row in await conn.fetch("SELECT flow_id FROM conversion WHERE used_at IS NOT NULL")]


class TestSignIn:
    @pytest.mark.parametrize("template", SIGN_IN)
    async def test_a_confirmed_number_is_proven(self, notifier: Notifier, cases: Cases, clock: ManualClock, template: str):
        """FRD-6: its range may be closed to others, and strangers' money spent."""
        await close(cases, clock)
        case = cases.proven("+4915112340901", template=template, policy=CLOSED)
        assert rules.standing(case.lane, case.proven_at, case.known, clock.now()) == "proven"
        assert (await cases.judge(case)).reason is None
        async with notifier.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM conversion WHERE message_id = $1", case.message_id) == 0

    async def test_by_call(self, cases: Cases):
        """FRD-7."""
        assert (await cases.judge(cases.proven(number(1), template="sign_in_code", channel="voice"))).reason is None

    @pytest.mark.parametrize("template", SIGN_IN)
    async def test_one_that_was_confirmed_just_now_is_watched(self, notifier: Notifier, cases: Cases, template: str):
        """FRD-5: whoever pumps may confirm numbers, too. Its use says that somebody was there."""
        today = cases.notifier.clock.now() - timedelta(hours=1)
        case = cases.proven(number(1), template=template, proven_at=today)
        assert case.flow_id is not None
        assert (await cases.judge(case)).reason is None
        told = {"factor_id": uuid4(), "kind": "phone", "application": "demo", "methods": ["sms"]}
        await notifier.handle(received(ChallengeSucceeded(account_id=case.account_id, flow_id=case.flow_id, **told)))
        assert await used(notifier) == [case.flow_id]


class TestEnrolment:
    async def test_a_new_number_of_a_known_account(self, cases: Cases):
        """FRD-6: its account has earned it; without a proven address it has not."""
        assert (await cases.judge(factor_code(cases, number(1)))).reason is None
        assert (await cases.judge(factor_code(cases, number(2), known=False))).reason == "untrusted"

    async def test_no_call_to_a_number_that_nobody_has_proven(self, cases: Cases):
        """FRD-7: nor while it becomes a factor; the account's own proven number may be called."""
        assert (await cases.judge(factor_code(cases, number(1), channel="voice"))).reason == "untrusted"
        proven = cases.proven(number(2), template="factor_code", channel="voice", policy=CLOSED)
        assert (await cases.judge(proven)).reason is None

    async def test_codes_that_nobody_uses_close_the_range(self, cases: Cases, clock: ManualClock):
        """FRD-5: a signed-in account may be a pump's, too."""
        await close(cases, clock)
        assert (await cases.judge(factor_code(cases, "+4915112340900"))).reason == "range_blocked"

    async def test_the_factor_is_their_flow(self, notifier: Notifier, cases: Cases):
        """FRD-5."""
        case = factor_code(cases, number(1))
        assert case.flow_id is not None
        await cases.judge(case)
        assert await used(notifier) == []
        await notifier.handle(
            received(FactorEnrolled(account_id=case.account_id, factor_id=case.flow_id, kind="phone", application="demo"))
        )
        assert await used(notifier) == [case.flow_id]
