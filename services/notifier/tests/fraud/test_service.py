"""What leaves and what doesn't, with the counters of the database: trust, ranges, velocity (FRD-4 to FRD-8)."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.identity import AccountDisabled, AccountFrozen, SignedIn
from notifier.fraud import metrics, rules
from servicekit.clock import ManualClock

from ..conftest import Notifier, number
from .conftest import OPEN, Cases

CLOSED = NotificationPolicy.model_validate({**OPEN, "spending": {"per_hour": 1000, "per_day": 5000}})


def consecutive(count: int, start: int = 0, prefix: str = "+491511234") -> list[str]:
    return [f"{prefix}{start + one:04d}" for one in range(count)]


class TestTrust:
    async def test_a_stranger_gets_nothing(self, cases: Cases):
        """FRD-6: an anonymous start with any number costs nothing where accounts don't begin with a phone."""
        assert await cases.ask(number(1), policy=CLOSED) == "untrusted"

    async def test_an_account_with_a_proven_address_does(self, cases: Cases):
        """FRD-6: its owner has earned it, and so has one whose number was proven today."""
        assert await cases.ask(number(1), policy=CLOSED, known=True) is None
        today = cases.notifier.clock.now() - timedelta(hours=1)
        assert await cases.ask(number(2), policy=CLOSED, proven_at=today) is None

    async def test_where_accounts_begin_with_a_phone_a_stranger_does(self, cases: Cases):
        assert await cases.ask(number(1)) is None

    async def test_no_call_to_a_number_that_nobody_has_proven(self, cases: Cases):
        """FRD-7: not even where the account has another address."""
        assert await cases.ask(number(1), channel="voice", known=True) == "untrusted"
        assert (await cases.judge(cases.proven(number(2), channel="voice"))).reason is None


class TestVelocity:
    async def test_of_a_number(self, cases: Cases, clock: ManualClock):
        """FRD-4: 3 in 10 minutes, 5 an hour, 10 a day, whatever account."""
        found = []
        for _ in range(30):
            found.append((await cases.judge(cases.proven(number(1)))).reason)
            clock.move(60)
        assert found[:4] == [None, None, None, "velocity"]
        assert found.count(None) == 5
        assert set(found) == {None, "velocity"}

    async def test_resets_of_an_owner_hold_up_no_registration(self, cases: Cases):
        """REG-1: else a registration would show whether its number has an owner, by what a reset before it has used up."""
        for _ in range(4):
            await cases.judge(cases.proven(number(1)))
        assert await cases.ask(number(1), template="account_exists") is None

    async def test_two_calls_an_hour(self, cases: Cases):
        """FRD-7."""
        found = [(await cases.judge(cases.proven(number(1), channel="voice"))).reason for _ in range(3)]
        assert found == [None, None, "velocity"]

    async def test_of_a_range(self, cases: Cases):
        """FRD-4: of 275 consecutive numbers ten get their text in 10 minutes."""
        found = [await cases.ask(one) for one in consecutive(275)]
        assert found.count(None) == 10

    async def test_of_a_range_a_day(self, cases: Cases, clock: ManualClock):
        """FRD-4: fifty a day, at whatever pace; used codes, so that nothing else stops them."""
        left = 0
        for one in consecutive(140):
            case = cases.one(one)
            if (await cases.judge(case)).reason is None:
                left += 1
                await cases.use(case)
            clock.move(600)
        assert left == 50

    async def test_a_proven_number_of_a_range_is_not_held_up(self, cases: Cases):
        """FRD-4: "until proven"."""
        for one in consecutive(20):
            await cases.ask(one)
        assert (await cases.judge(cases.proven("+4915112349999"))).reason is None

    async def test_of_a_system(self, cases: Cases, clock: ManualClock):
        """FRD-4: whoever asks out of one autonomous system has half of the strangers' money; others, and customers, have the rest."""
        dear = {"cost": 500_000, "asn": 64500}
        found = [await cases.ask(number(one), **dear) for one in range(5)]
        assert found == [None] * 4 + ["system_velocity"]
        assert (await cases.judge(cases.proven(number(6), **dear))).reason is None
        assert await cases.ask(number(7), cost=500_000, asn=64501) is None
        assert await cases.ask(number(8), cost=500_000) is None
        clock.move(3_601)
        assert await cases.ask(number(9), **dear) is None

    async def test_what_sent_nothing_is_not_counted_again(self, cases: Cases):
        """A provider that is away for minutes uses up nobody's limits."""
        case = cases.one(number(1))
        assert (await cases.judge(case)).reason is None
        for _ in range(20):
            async with cases.notifier.db.transaction() as tx:
                assert (await cases.notifier.fraud.admit(tx, case)).reason is None


def monitored(reason: str) -> float:
    return metrics.REFUSED.labels("sms", reason, "monitored")._value.get()


async def pump(cases: Cases, clock: ManualClock, count: int, *, used: int = 0, start: int = 0) -> list[str | None]:
    """A code a minute to consecutive numbers, of which some are used."""
    found = []
    for place, one in enumerate(consecutive(count, start)):
        case = cases.one(one)
        found.append((await cases.judge(case)).reason)
        if found[-1] is None and place < used:
            await cases.use(case)
        clock.move(61)
    return found


class TestConversion:
    async def test_codes_that_nobody_uses_close_the_range(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-5: after 16 of which none was used, when the last has had its time, the next is not sent; told once, without a number."""
        assert await pump(cases, clock, 16) == [None] * 16
        clock.move(rules.RIPE_AFTER.total_seconds())
        assert await cases.ask("+4915112340900") == "range_blocked"
        assert await cases.ask("+4915112340901") == "range_blocked"
        async with notifier.db.read() as conn:
            rows = await conn.fetch("SELECT attributes FROM outbox ORDER BY id")
        told = [row["attributes"]["subject"] for row in rows if "fraud" in row["attributes"]["type"]]
        assert told == ["prefix:+491511234"]

    async def test_where_most_are_used_it_stays_open(self, cases: Cases, clock: ManualClock):
        """FRD-5: 12 of 16."""
        assert await pump(cases, clock, 16, used=12) == [None] * 16
        clock.move(600)
        assert await cases.ask("+4915112340900") is None

    async def test_who_has_not_had_time_to_type_is_no_evidence(self, cases: Cases):
        """A campaign begins: many ask within a minute, all over a network."""
        found = [await cases.ask(number(one)) for one in range(60)]
        assert found == [None] * 60

    async def test_one_probes_when_it_is_over(self, cases: Cases, clock: ManualClock):
        """FRD-5: after 15 minutes one message alone; unused, it is closed for 30 more."""
        await pump(cases, clock, 16)
        clock.move(200)
        assert await cases.ask("+4915112340900") == "range_blocked"
        clock.move(15 * 60)
        assert [await cases.ask(one) for one in consecutive(3, 910)] == [None, "range_blocked", "range_blocked"]
        clock.move(29 * 60)
        assert await cases.ask("+4915112340920") == "range_blocked"
        clock.move(60)
        assert await cases.ask("+4915112340921") is None

    async def test_a_used_probe_opens_it(self, cases: Cases, clock: ManualClock):
        """FRD-5: and what was before doesn't close it again."""
        await pump(cases, clock, 16)
        clock.move(200)
        assert await cases.ask("+4915112340900") == "range_blocked"
        clock.move(15 * 60)
        probe = cases.one("+4915112340910")
        assert (await cases.judge(probe)).reason is None
        await cases.use(probe)
        assert [await cases.ask(one) for one in consecutive(5, 920)] == [None] * 5

    async def test_a_whole_network_by_numbers_far_apart(self, cases: Cases, clock: ManualClock):
        """FRD-5: no prefix has enough, the network has; another network goes on."""
        for one in range(16):
            assert await cases.ask(f"+491511{one * 41:03d}0000") is None
            clock.move(30)
        clock.move(200)
        assert await cases.ask("+4915119990000") == "range_blocked"
        assert await cases.ask("+4917612345678") is None

    async def test_proven_numbers_and_notices_go_on(self, cases: Cases, clock: ManualClock):
        await pump(cases, clock, 16)
        clock.move(200)
        assert await cases.ask("+4915112340900") == "range_blocked"
        assert (await cases.judge(cases.proven("+4915112340901"))).reason is None
        assert (await cases.judge(cases.one("+4915112340902", template="password_changed", lane=0))).reason is None

    async def test_who_is_vouched_for_goes_on(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-8: an operator's list, by number; no list can be read out of it."""
        await pump(cases, clock, 16)
        clock.move(200)
        assert await cases.ask("+4915112340900") == "range_blocked"
        await notifier.watch.vouch("+4915112340900")
        assert await cases.ask("+4915112340900") is None
        await notifier.watch.unvouch("+4915112340900")
        assert await cases.ask("+4915112340900") == "range_blocked"

    async def test_an_operator_opens_it(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-8: with the reasons to look at."""
        await pump(cases, clock, 16)
        clock.move(200)
        await cases.ask("+4915112340900")
        (block,) = (await notifier.watch.overview()).blocks
        assert (block.range, block.sent, block.used, block.level) == ("prefix:+491511234", 16, 0, 0)
        await notifier.watch.unblock(block.range)
        assert await cases.ask("+4915112340900") is None

    async def test_monitored(self, cases: Cases, clock: ManualClock):
        """FRD-1: what would have happened is recorded and refuses nothing; money holds all the same."""
        document = {**OPEN, "sms": {**OPEN["sms"], "monitored": ["DE"]}}
        watched = NotificationPolicy.model_validate(document)
        await pump(cases, clock, 16)
        clock.move(200)
        assert await cases.ask("+4915112340900", policy=watched) is None
        tight = NotificationPolicy.model_validate(
            {**document, "spending": {"per_hour": 0, "per_day": 0, "strangers": {"enabled": True}}}
        )
        assert await cases.ask("+4915112340901", policy=tight) == "spending_cap"

    async def test_every_rule_is_monitored(self, cases: Cases, clock: ManualClock):
        """FRD-1: class, share of a region, velocity of number, range and system: each counted under its reason, none refuses."""
        document = {**OPEN, "sms": {**OPEN["sms"], "countries": ["DE", "GB"], "monitored": ["DE"]}}
        document["spending"] = {**OPEN["spending"], "strangers": {"enabled": True, "per_hour": 1, "per_day": 1}}
        watched = NotificationPolicy.model_validate(document)
        cases.notifier.traffic.crowded = frozenset({"DE"})
        before = {reason: monitored(reason) for reason in ("number_class", "region_crowded", "velocity", "system_velocity")}
        found = [await cases.ask(one, policy=watched, cost=10, asn=64500) for one in consecutive(12)]
        assert await cases.ask("+499001234567", policy=watched, cost=4_900, asn=64500) is None
        assert found == [None] * 12
        assert await cases.ask(number(1), policy=watched, cost=100, asn=64500) is None
        for reason, count in before.items():
            assert monitored(reason) > count, reason

    async def test_lost_accounts_count_as_unused_codes(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-5: whoever types the codes of a range and whose accounts are then disabled closes it, too; not those to which somebody
        had come back before.
        """
        for start, returned in ((0, True), (500, False)):
            for one in consecutive(16, start, "+491511234" if returned else "+491511235"):
                case = cases.one(one)
                assert (await cases.judge(case)).reason is None
                await cases.use(case)
                if returned:
                    signed_in = {"application": "demo", "session_id": uuid4(), "methods": ["password"]}
                    await notifier.handle(SignedIn(account_id=case.account_id, **signed_in))
                await notifier.handle(AccountDisabled(account_id=case.account_id))
                clock.move(61)
        assert await cases.ask("+4915112340900") is None
        assert await cases.ask("+4915112350900") == "range_blocked"

    async def test_a_code_that_was_never_sent_is_no_evidence(self, cases: Cases, clock: ManualClock):
        for one in consecutive(20):
            case = cases.one(one)
            await cases.judge(case)
            async with cases.notifier.db.transaction() as tx:
                await cases.notifier.fraud.not_sent(tx, case.message_id)
            clock.move(61)
        clock.move(200)
        assert await cases.ask("+4915112340900") is None


class TestUse:
    @pytest.mark.parametrize("template", ["activation", "password_reset"])
    async def test_by_the_flow(self, notifier: Notifier, cases: Cases, template: str):
        """FRD-5: whichever of a flow's messages it was."""
        flow = uuid4()
        for one in (number(1), number(2)):
            await cases.judge(cases.one(one, flow_id=flow, template=template))
        await cases.use(cases.one(number(1), flow_id=flow))
        async with notifier.db.read() as conn:
            assert await conn.fetchval("SELECT count(used_at) FROM conversion") == 2

    async def test_whether_its_account_lasted(self, notifier: Notifier, cases: Cases, clock: ManualClock):
        """FRD-5: of three used codes one account is disabled and one frozen within a day, a later end says nothing; told when the day is over."""
        accounts = [await self.used(notifier, cases, number(one)) for one in range(4)]
        clock.move(3_600)
        await notifier.handle(AccountDisabled(account_id=accounts[0]))
        await notifier.handle(AccountFrozen(account_id=accounts[1], application="demo", language="en"))
        for account in (accounts[0], accounts[3]):  # to the first too late
            signed_in = {"application": "demo", "session_id": uuid4(), "methods": ["password"]}
            await notifier.handle(SignedIn(account_id=account, **signed_in))
        assert (await notifier.watch.overview()).lasting == []
        clock.move(86_400)
        await notifier.handle(AccountDisabled(account_id=accounts[2]))
        (found,) = (await notifier.watch.overview()).lasting
        assert (found.region, found.used, found.lasted, found.returned) == ("DE", 4, 2, 1)

    @staticmethod
    async def used(notifier: Notifier, cases: Cases, to: str) -> UUID:
        case = cases.one(to)
        assert (await cases.judge(case)).reason is None
        await cases.use(case)
        account: UUID = (await notifier.row(case.message_id))["account_id"]
        return account

    async def test_what_carries_no_code_is_not_counted(self, notifier: Notifier, cases: Cases):
        await cases.ask(number(1), template="account_exists")
        async with notifier.db.read() as conn:
            assert await conn.fetchval("SELECT count(*) FROM conversion") == 0
