"""Total-loss recoveries against a real database: who hears of one, and when it may take effect (REC-12)."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from latchkey_contracts import notifier
from latchkey_contracts.event import Meta
from latchkey_contracts.http.links import Cancelled, ConfirmRequest
from latchkey_contracts.http.recovery import TotalLossRequest
from prometheus_client import REGISTRY
from recovery.total_loss.consumers import handlers
from servicekit import errors

HOUR, DAY = 3600, 86400
NEW_ADDRESS = "new@posteo.example"


class Case:
    """One recovery, its notices, and what the notifier says of them."""

    def __init__(self, desk: Any, clock: Any) -> None:
        self.desk, self.clock, self.version = desk, clock, 0
        self.id = uuid4()

    async def begin(self) -> None:
        body = TotalLossRequest(identifier=self.desk.mail, email=NEW_ADDRESS)
        self.id = (await self.desk.made.total_loss.start("demo", body, self.desk.here)).id
        await self.desk.work()

    async def hear(
        self,
        kind: type[notifier.MessageEvent],
        message: UUID | None = None,
        template: str = "total_loss_announced",
        at: datetime | None = None,
    ) -> UUID:
        """Of a notice that was announced before."""
        message, self.version = message or uuid4(), self.version + 1
        async with self.desk.db.transaction() as tx:
            values: dict[str, Any] = {"provider": "mail", "attempts": 1, "reason": "spending_cap"}
            event = kind.model_validate(
                {
                    "account_id": self.desk.identity.account_id, "message_id": message, "flow_id": self.id, "template": template,
                    "channel": "email", "at": at or tx.now, **{name: one for name, one in values.items() if name in kind.model_fields},
                }
            ).received(Meta.model_construct(aggregateversion=self.version))  # fmt: skip
            await handlers(self.desk.made.waiting)[kind](tx, event)
        return message

    async def a_day(self, *heard: type[notifier.MessageEvent]) -> None:
        """What is heard of today's notice; then the next day."""
        for kind in heard:
            await self.hear(kind)
        self.clock.move(DAY)
        await self.desk.work()

    async def status(self) -> str:
        return await self.desk.status("total_loss_case", self.id)

    async def announced(self) -> int:
        return len(await self.desk.told("total_loss_recovery_announced"))


@pytest.fixture
async def case(desk, clock) -> Case:
    made = Case(desk, clock)
    await made.begin()
    return made


class TestEffect:
    async def test_after_a_notice_on_each_day(self, case, desk):
        """REC-12: a link to the new address, for any window."""
        for _ in range(3):
            assert await case.status() == "waiting"
            await case.a_day(notifier.MessageHandedOver)
        assert await case.status() == "effective"
        assert await case.announced() == 3
        answer = await desk.resets.confirm("demo", ConfirmRequest(token=await desk.token()), desk.elsewhere)
        assert answer.status == "new_password"

    async def test_waits_while_notices_are_suppressed(self, case):
        """REC-12: whoever drains the budget of the notices doesn't get the account; operators are told."""
        before = REGISTRY.get_sample_value("latchkey_total_loss_put_off_total") or 0
        for _ in range(3):
            await case.a_day(notifier.MessageSuppressed)
        assert await case.status() == "waiting"
        assert REGISTRY.get_sample_value("latchkey_total_loss_put_off_total") == before + 1
        for _ in range(3):
            assert await case.status() == "waiting"
            await case.a_day(notifier.MessageHandedOver)
        assert await case.status() == "effective"
        assert await case.announced() == 6

    async def test_a_day_without_a_notice_is_a_day_more(self, case):
        """REC-12."""
        await case.a_day(notifier.MessageHandedOver)
        await case.a_day()
        await case.a_day(notifier.MessageAccepted)
        assert await case.status() == "waiting"
        await case.a_day(notifier.MessageDelivered)
        assert await case.status() == "effective"

    async def test_notices_keep_to_the_days_of_the_case(self, case, desk, clock):
        """REC-12: one that was late by some hours doesn't put off the others; another start changes nothing."""
        await case.hear(notifier.MessageHandedOver)
        clock.move(12 * HOUR)
        body = TotalLossRequest(identifier=desk.mail, email="another@posteo.example")
        second = await desk.made.total_loss.start("demo", body, desk.elsewhere)
        await desk.work()
        assert await desk.status("total_loss_case", second.id) == "void"
        for hours in (33, 54):
            clock.move(21 * HOUR)
            await desk.work()
            assert await case.announced() == 1 + hours // 24
            await case.hear(notifier.MessageHandedOver)
        clock.move(21 * HOUR)
        await desk.work()
        assert await case.status() == "effective"

    async def test_what_came_back_was_no_notice(self, case):
        """REC-12: handed over, and bounced."""
        message = await case.hear(notifier.MessageHandedOver)
        await case.hear(notifier.MessageFailed, message)
        await case.a_day()
        for _ in range(2):
            await case.a_day(notifier.MessageHandedOver)
        assert await case.status() == "waiting"

    async def test_other_mail_is_no_notice(self, case):
        for _ in range(3):
            await case.hear(notifier.MessageHandedOver, template="password_reset")
            await case.a_day()
        assert await case.status() == "waiting"

    async def test_what_is_heard_late_counts_for_its_day(self, case, desk, clock):
        """EVT-4: the notifier's word for the last day comes after the time was over."""
        for _ in range(2):
            await case.a_day(notifier.MessageHandedOver)
        at = clock.now()
        await case.a_day()
        assert await case.status() == "waiting"
        await case.hear(notifier.MessageHandedOver, at=at)
        await desk.work()
        assert await case.status() == "effective"

    async def test_nobody_can_be_told_for_two_weeks(self, case):
        """REC-12: it comes to nothing, and the new address is forgotten."""
        for _ in range(15):
            await case.a_day(notifier.MessageSuppressed)
        assert await case.status() == "void"

    async def test_ways_that_are_newer_than_the_case_do_not_count(self, desk, clock):
        """REC-12: an address that somebody has just added is no way that the owner had."""
        desk.identity.verified_at = clock.now().replace(year=2100)
        case = Case(desk, clock)
        await case.begin()
        assert await case.status() == "void"


class TestStopping:
    async def test_any_notice_ends_it_for_good(self, case, desk):
        """REC-12: from any window."""
        first = await desk.token("total_loss_recovery_announced")
        await case.a_day(notifier.MessageHandedOver)
        second = await desk.token("total_loss_recovery_announced")
        assert await desk.made.links.confirm("demo", ConfirmRequest(token=first), desk.elsewhere) == Cancelled()
        with pytest.raises(errors.LinkEnded):
            await desk.made.links.confirm("demo", ConfirmRequest(token=second), desk.here)
        info = await desk.made.links.inspect("demo", second, desk.here)
        assert (info.state, info.over, info.renewable) == ("ended", "cancelled", False)
        for _ in range(3):
            await case.a_day(notifier.MessageHandedOver)
        assert await case.status() == "cancelled"

    async def test_is_never_sent_again(self, case, desk):
        """R19: only who asked for a link could want another."""
        with pytest.raises(errors.LinkMalformed):
            await desk.made.links.renew("demo", await desk.token("total_loss_recovery_announced"), desk.here)

    async def test_nobody_waits_for_identity(self, case, desk):
        """REL-16: a press isn't held up by the question whom to tell."""
        await case.a_day(notifier.MessageHandedOver)
        assert desk.identity.waiting == [0] * len(desk.identity.waiting)
        assert len(desk.identity.waiting) == 2

    async def test_unknown_names_come_to_nothing(self, desk, clock):
        """ENU-1: 202, and no word to anybody."""
        body = TotalLossRequest(identifier="nobody@posteo.example", email=NEW_ADDRESS)
        flow = await desk.made.total_loss.start("demo", body, desk.here)
        await desk.work()
        assert await desk.status("total_loss_case", flow.id) == "void"
        assert await desk.told("total_loss_recovery_announced") == []
