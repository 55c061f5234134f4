"""A notifier whose application lets accounts begin with a phone, and cases to judge."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.configuration import NotificationPolicy
from notifier.fraud.service import Case, Verdict
from notifier.suppression.rules import fingerprint
from servicekit import numbers

from ..conftest import POLICY, Notifier

OPEN: dict[str, Any] = {
    **POLICY,
    "sms": {"countries": ["DE", "US", "GB"], "price": 0.25, "prices": {"DE": 0.08}},
    "spending": {"per_hour": 1000, "per_day": 5000, "strangers": {"enabled": True, "per_hour": 400, "per_day": 1000}},
}


@pytest.fixture
def policy() -> dict[str, Any]:
    return OPEN


async def row_of(notifier: Notifier, case: Case) -> None:
    """A message that is about to leave has a row."""
    row = await notifier.queue(channel="sms", template="activation", to=case.number)
    async with notifier.db.transaction() as tx:
        await tx.execute(
            "UPDATE delivery SET id = $2, account_id = $3, state = 'sending' WHERE id = $1", row, case.message_id, case.account_id
        )


class Cases:
    """Makes cases of one notifier and judges them."""

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier

    def one(self, number: str, **more: Any) -> Case:
        land = numbers.Land.of(number)
        assert land is not None
        channel = more.get("channel", "sms")
        case = Case(
            message_id=uuid4(),
            account_id=uuid4(),
            flow_id=uuid4(),
            application="demo",
            template="activation",
            lane=2,
            channel="sms",
            number=number,
            land=land,
            recipient=fingerprint(self.notifier.keys.secret("lookup"), channel, number),
            proven_at=None,
            known=False,
            cost=800,
            policy=NotificationPolicy.model_validate(OPEN),
        )
        return replace(case, **more)

    def proven(self, number: str, **more: Any) -> Case:
        now = self.notifier.clock.now()
        return self.one(
            number, **{"proven_at": now - timedelta(days=30), "known": True, "template": "password_reset", "lane": 1, **more}
        )

    async def judge(self, case: Case) -> Verdict:
        await row_of(self.notifier, case)
        async with self.notifier.db.transaction() as tx:
            return await self.notifier.fraud.admit(tx, case)

    async def ask(self, number: str, **more: Any) -> str | None:
        return (await self.judge(self.one(number, **more))).reason

    async def use(self, case: Case) -> None:
        assert case.flow_id is not None
        async with self.notifier.db.transaction() as tx:
            await self.notifier.fraud.used(tx, case.flow_id)


@pytest.fixture
def cases(notifier: Notifier) -> Cases:
    return Cases(notifier)
