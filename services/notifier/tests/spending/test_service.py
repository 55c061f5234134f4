"""Spend stays below every cap, whatever is asked, by whom, how often, and when a process dies (FRD-3, FRD-9, INV-12)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from latchkey_contracts.configuration import NotificationPolicy
from notifier.channels.base import Unknown
from notifier.channels.chain import Chain
from notifier.spending import rules
from notifier.spending.service import Reservation, give_back, reserve
from servicekit.clock import ManualClock
from servicekit.db import Database

from ..conftest import POLICY, Notifier, Provider, number, until
from ..delivery.test_crashes import crash, inbox, without_twilio

__all__ = ["inbox", "without_twilio"]
CODE = timedelta(minutes=6)
SPENDING = {"per_hour": 20, "per_day": 100, "strangers": {"enabled": True, "per_hour": 5, "per_day": 20}}


@pytest.fixture
def policy() -> dict[str, Any]:
    return {**POLICY, "spending": SPENDING}


@pytest.fixture
def backup() -> Provider:
    return Provider("backup", "email", "sms")


@pytest.fixture
def chain(clock: ManualClock, provider: Provider, phones: Provider, backup: Provider) -> Chain:
    return Chain([provider, phones, backup], clock)


async def code(notifier: Notifier, to: str, **more: Any) -> Any:
    asked: dict[str, Any] = {"channel": "sms", "template": "password_reset", "code": "482193", "lifetime": CODE, "to": to}
    return await notifier.queue(**{**asked, **more})


async def notice(notifier: Notifier, to: str, **more: Any) -> Any:
    asked: dict[str, Any] = {"channel": "sms", "template": "password_changed", "lifetime": timedelta(days=3), "to": to}
    return await notifier.queue(**{**asked, **more})


async def amounts(db: Database) -> dict[tuple[str, str], int]:
    async with db.read() as conn:
        return {
            (row["scope"], row["period"]): row["amount"] for row in await conn.fetch("SELECT scope, period, amount FROM budget")
        }


async def told_caps(notifier: Notifier) -> set[str]:
    """Whose caps listeners were told of as reached."""
    async with notifier.db.read() as conn:
        return {row["whose"] for row in await conn.fetch("SELECT unnest(told) AS whose FROM budget")}


async def settled(notifier: Notifier, *, but: int = 0) -> None:
    async def look() -> bool:
        return sum(row["state"] not in {"handed_over", "suppressed"} for row in await notifier.rows()) <= but

    await until(look, 90)


async def spend(notifier: Notifier, amount: int, whose: rules.Whose) -> Reservation | list[rules.Cap]:
    spending = NotificationPolicy.model_validate({**POLICY, "spending": SPENDING}).spending
    async with notifier.db.transaction() as tx:
        return await reserve(tx, "demo", rules.caps(spending, whose, None, tx.now), amount)


class TestCaps:
    async def test_hold_to_the_cent(self, notifier: Notifier, phones: Provider):
        """FRD-3, INV-12: customers may have 16.00 an hour: 200 messages of 0.08, from four replicas at once, whatever is asked."""
        messages = [await code(notifier, number(one)) for one in range(220)]
        async with notifier.running(replicas=4):
            await settled(notifier)
        states = [(await notifier.row(one))["state"] for one in messages]
        assert (states.count("handed_over"), len(phones.sent)) == (200, 200)
        assert {row["reason"] for row in await notifier.rows() if row["state"] == "suppressed"} == {"spending_cap"}
        assert await amounts(notifier.db) == dict.fromkeys([("all", "hour"), ("all", "day"), ("all", "month")], 160_000)
        assert (await notifier.told()).count("spend_cap_reached") == 1

    async def test_strangers_leave_the_rest_to_customers_and_notices(self, notifier: Notifier, phones: Provider):
        """FRD-6, NOT-3: 5.00 of theirs are gone; a customer's code and a security notice still leave."""
        strangers = [await notifier.queue(channel="sms", code="1", to=number(one), proven=None) for one in range(90)]
        async with notifier.running(replicas=2):
            await settled(notifier)
            mine = await code(notifier, "+4917612345678")
            told = await notice(notifier, "+4917612345679", application="demo")
            await notifier.wait(mine, "handed_over")
            await notifier.wait(told, "handed_over")
        states = [(await notifier.row(one))["state"] for one in strangers]
        assert states.count("handed_over") == 62  # of 0.08 within 5.00
        assert (await amounts(notifier.db))["strangers", "hour"] == 62 * 800

    async def test_many_at_once(self, notifier: Notifier):
        """INV-12: never above, not even between two looks."""

        async def look() -> None:
            for _ in range(100):
                assert (await amounts(notifier.db)).get(("all", "hour"), 0) <= 160_000
                await asyncio.sleep(0.005)

        found = await asyncio.gather(*(spend(notifier, 3_000, "proven") for _ in range(80)), look())
        assert sum(isinstance(one, Reservation) for one in found) == 53
        assert (await amounts(notifier.db))["all", "hour"] == 159_000

    async def test_a_clock_that_goes_back_and_forth(self, notifier: Notifier, clock: ManualClock):
        """INV-12: each hour's money is spent once, whenever it is said to be."""
        for seconds in (0, 3600, -3600, -1, 1, 3600):
            clock.move(seconds)
            while isinstance(await spend(notifier, 10_000, "security"), Reservation):
                pass
        async with notifier.db.read() as conn:
            rows = await conn.fetch("SELECT period, amount FROM budget")
        assert max(row["amount"] for row in rows if row["period"] == "hour") <= 200_000
        assert [row["amount"] for row in rows if row["period"] == "day"] == [600_000]

    async def test_what_sent_nothing_is_given_back_to_where_it_was_taken(self, notifier: Notifier, clock: ManualClock):
        found = await spend(notifier, 800, "strangers")
        assert isinstance(found, Reservation)
        clock.move(3600)
        async with notifier.db.transaction() as tx:
            await give_back(tx, found)
        assert set((await amounts(notifier.db)).values()) == {0}

    async def test_told_once_for_each(self, notifier: Notifier):
        """FRD-12: to whoever listens, with who may not spend more, until when; once for a period."""
        for whose in ("strangers", "strangers", "proven", "security", "security"):
            while isinstance(await spend(notifier, 10_000, whose), Reservation):
                pass
        assert await notifier.told() == ["spend_cap_reached"] * 3


class TestNotices:
    async def test_none_is_lost_to_a_cap(self, notifier: Notifier, clock: ManualClock, phones: Provider):
        """NOT-3: all money of this hour is gone, and it leaves in the next."""
        while isinstance(await spend(notifier, 10_000, "security"), Reservation):
            pass
        one = await notice(notifier, number(1))
        async with notifier.running():

            async def waits() -> bool:
                return (await notifier.row(one))["reason"] == "spending_cap"

            await until(waits)
            assert (await notifier.row(one))["state"] == "queued"
            clock.move(3600)
            await notifier.wait(one, "handed_over")

    @pytest.mark.parametrize("policy", [{**POLICY, "spending": {"per_hour": 0, "per_day": 0}}])
    async def test_one_that_finds_no_money_in_all_its_time_is_told_as_over(self, notifier: Notifier, clock: ManualClock):
        """NOT-3, EVT-9: an application without any money for texts: three days later its end is an event, and its state says it."""
        one = await notice(notifier, number(1))
        async with notifier.running():

            async def waits() -> bool:
                return (await notifier.row(one))["reason"] == "spending_cap"

            await until(waits)
            clock.move(3 * 86_400 + 1)
            await notifier.wait(one, "expired")
        assert (await notifier.told())[-1] == "message_expired"

    async def test_many_of_one_kind_to_one_number(self, notifier: Notifier, clock: ManualClock, phones: Provider):
        """FRD-4, NOT-1: of sixty password changes within a minute two are told at once, and the newest when ten minutes are over."""
        account = uuid4()
        messages = []
        async with notifier.running():
            for _ in range(60):
                messages.append(await notice(notifier, number(1), account_id=account))
                clock.move(0.5)
            await settled(notifier, but=1)
            assert len(phones.sent) == 2
            (waiting,) = [row for row in await notifier.rows() if row["state"] == "queued"]
            assert waiting["id"] == messages[-1]
            clock.move(600)
            await notifier.wait(messages[-1], "handed_over")
        assert len(phones.sent) == 3
        reasons = [row["reason"] for row in await notifier.rows() if row["state"] == "suppressed"]
        assert reasons == ["coalesced"] * 57

    async def test_another_kind_and_another_account_are_not_held_up(self, notifier: Notifier, phones: Provider):
        """NOT-1: whoever changes a password again and again keeps no other notice from its reader."""
        account = uuid4()
        async with notifier.running():
            for _ in range(5):
                await notice(notifier, number(1), account_id=account)
            for more in ({"template": "account_frozen", "account_id": account}, {"account_id": uuid4()}):
                await notifier.wait(await notice(notifier, number(1), **more), "handed_over")

    async def test_mails_are_not_limited(self, notifier: Notifier, provider: Provider):
        account = uuid4()
        sent = [await notifier.queue(template="password_changed", account_id=account) for _ in range(20)]
        async with notifier.running():
            for one in sent:
                await notifier.wait(one, "handed_over")


DRAINED = {
    **SPENDING,
    **dict.fromkeys(("per_hour", "per_day", "per_month"), 20),
    "countries": {"DE": 20},
    "strangers": {"enabled": True, "per_hour": 20, "per_day": 20},
}


@pytest.mark.parametrize("policy", [{**POLICY, "spending": DRAINED}])
class TestReserve:
    """Strangers and customers have spent all that they can of every cap: hour, day, month and country."""

    @staticmethod
    async def drain(notifier: Notifier) -> None:
        for one in range(140):
            await notifier.queue(channel="sms", code="1", to=number(one), proven=None)
        await settled(notifier)
        for one in range(140, 230):
            await code(notifier, number(one))
        await settled(notifier)

    async def test_a_notice_still_leaves_at_once(self, notifier: Notifier, phones: Provider):
        """NOT-3, FRD-6: the month's cap keeps none back either."""
        async with notifier.running(replicas=2):
            await self.drain(notifier)
            assert len(phones.sent) == 200  # of 0.08 within eight tenths of 20.00
            refused, one = await code(notifier, number(300)), await notice(notifier, number(301))
            await notifier.wait(one, "handed_over")
            await notifier.wait(refused, "suppressed")

    async def test_with_the_reserve_empty_mails_go_and_texts_wait_and_are_told(
        self, notifier: Notifier, clock: ManualClock, provider: Provider, phones: Provider
    ):
        """NOT-3, FRD-12, INV-12: the owners of many numbers have used up the notices' part, too. The next waits until tomorrow, which its row
        and an event say, its mail leaves, and no cap is broken.
        """
        async with notifier.running(replicas=2):
            await self.drain(notifier)
            for one in range(300, 352):
                await notice(notifier, number(one))

            async def waits() -> list[Any]:
                rows = [row for row in await notifier.rows() if row["state"] == "queued" and row["reason"] == "spending_cap"]
                return rows if len(phones.sent) + len(rows) == 252 else []

            waiting = await until(waits)
            assert all(row["due_at"] <= clock.now() + timedelta(days=1) < row["expires_at"] for row in waiting)
            assert "notices" in await told_caps(notifier)
            mail = await notifier.queue(template="password_changed")
            await notifier.wait(mail, "handed_over")
            left = len(phones.sent)
            clock.move(86_400)

            async def more() -> bool:
                return len(phones.sent) > left

            await until(more)
        spent = await amounts(notifier.db)
        assert spent["all", "month"] + spent["notices", "month"] <= 200_000


class TestCutStore:
    async def test_texts_wait_and_mails_go_on(self, notifier: Notifier, clock: ManualClock, phones: Provider):
        """FRD-9: who can't count sends nothing that costs; what waits is dropped when its time is over."""
        text, mail = await code(notifier, number(1)), await notifier.queue()
        async with notifier.db.transaction() as away:
            await away.execute("LOCK TABLE budget IN ACCESS EXCLUSIVE MODE")
            async with notifier.running():
                await notifier.wait(mail, "handed_over")
                clock.move(CODE.total_seconds() + 1)
                await notifier.wait(text, "expired")
        assert phones.sent == []


class TestHealth:
    async def test_by_application_and_by_who_asks(self, notifier: Notifier):
        """FRD-12: strangers' money is gone, so a registration is told that texts are down; who has an account isn't."""
        delivery = notifier.delivery()
        assert (await delivery.channels("demo", strangers=True))["sms"] == "ok"
        while isinstance(await spend(notifier, 800, "strangers"), Reservation):
            pass
        assert await delivery.channels("demo", strangers=True) == {"email": "ok", "sms": "down", "voice": "down"}
        assert (await delivery.channels("demo"))["sms"] == "ok"
        assert (await delivery.channels())["sms"] == "ok"
        while isinstance(await spend(notifier, 800, "proven"), Reservation):
            pass
        assert (await delivery.channels("demo"))["sms"] == "down"

    async def test_an_operator_sees_it(self, notifier: Notifier):
        await spend(notifier, 10_000, "strangers")
        found = (await notifier.watch.overview()).budgets
        assert {(one.whose, one.scope, one.period): (one.spent, one.cap) for one in found}["strangers", "strangers", "hour"] == (
            1.0,
            5.0,
        )


@pytest.mark.crash
class TestKilledBetweenReservationAndSending:
    async def test_neither_lost_nor_spent_twice(
        self, dsn: str, notifier: Notifier, inbox: Any, tmp_path: Path, without_twilio: Path
    ):
        """FRD-3, INV-12: killed ten times where money is reserved and nobody was asked; all leave, and the books are never below what left."""
        messages = {str(await code(notifier, number(one), lifetime=timedelta(days=2))) for one in range(10)}
        deaths = await crash(dsn, notifier, tmp_path, without_twilio, point="after_reserve", times=10)
        assert deaths >= 8
        rows = await notifier.rows()
        left = [row for row in rows if row["state"] == "handed_over"]
        spent = (await amounts(notifier.db))["all", "hour"]
        assert spent == sum(row["cost"] for row in rows) == 800 * sum(row["attempts"] for row in rows)
        assert 800 * len(left) <= spent <= 160_000
        assert len(messages) == len(rows)

    async def test_in_doubt_both_cost(self, notifier: Notifier, phones: Provider, backup: Provider):
        """FRD-10: the first may have sent it."""
        phones.always = Unknown("cut")
        one = await code(notifier, number(1))
        async with notifier.running():
            await notifier.wait(one, "handed_over")
        assert (await amounts(notifier.db))["all", "day"] == 1600


_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


class TestLocks:
    async def test_what_is_given_back_is_locked_in_the_order_in_which_it_is_reserved(
        self, notifier: Notifier, clock: ManualClock
    ):
        """Else two messages wait for each other's amounts until one of them is undone."""
        caps = rules.caps(NotificationPolicy.model_validate(POLICY).spending, "proven", None, clock.now())
        assert [cap.period for cap in caps] == ["hour", "day", "month"], "another order than that of their keys"
        async with notifier.db.transaction() as tx:
            reserved = await reserve(tx, "demo", caps, 100)
        assert isinstance(reserved, Reservation)

        async def back() -> None:
            async with notifier.db.transaction() as tx:
                await give_back(tx, reserved)

        async with notifier.db.transaction() as first:
            await first.fetch("SELECT FROM budget WHERE period = 'day' FOR UPDATE")
            task = asyncio.create_task(back())
            async with notifier.db.read() as conn:
                await until(lambda: conn.fetchval(_WAITS))
            async with notifier.db.transaction() as other:
                await other.fetch("SELECT FROM budget WHERE period = 'hour' FOR UPDATE NOWAIT")
        await task
        assert set((await amounts(notifier.db)).values()) == {0}
