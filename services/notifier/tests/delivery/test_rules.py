"""Pure rules of the delivery: back-off, lanes, cost, other ways, masks."""

import re
from datetime import timedelta
from typing import get_args

import pytest
from latchkey_contracts.configuration import NotificationPolicy
from latchkey_contracts.messages import Contact, Reach
from notifier.delivery import rules
from notifier.delivery.states import State

from ..conftest import Notifier

POLICY = NotificationPolicy.model_validate(
    {
        "name": "Default",
        "sms": {"countries": ["+49", "+1"], "price": 0.25, "prices": {"+49": 0.08}},
        "fallback": {"email": ["sms"], "sms": ["voice", "email"], "voice": ["sms", "email"]},
    }
)
EVERYWHERE = Contact(
    channel="sms", to="+4934155501234", others=[Reach(channel="voice", to="+4934155501234"), Reach(channel="email", to="m@p.example")]
)  # fmt: skip
ALL = ("email", "sms", "voice")


class TestDelay:
    def test_grows_and_stays_short_enough_to_drain_soon(self):
        """Drains within 60 s of an outage's end: nobody waits longer than 30 s for the next look."""
        longest = [rules.delay(tries, 1.0) for tries in range(1, 40)]
        assert longest[:4] == [timedelta(seconds=seconds) for seconds in (1, 2, 4, 8)]
        assert max(longest) == timedelta(seconds=30)
        assert rules.delay(5, 0.0) == rules.delay(5, 1.0) / 2


class TestLanes:
    def test_whatever_fills_the_channel_leaves_room_above(self):
        """NOT-3, REL-9: bulk may fill a part of it; a security notice finds room even then."""
        bulk_alone = rules.lane_rooms(12, 12, {})[4]
        assert bulk_alone < 12
        full_of_bulk = rules.lane_rooms(12 - bulk_alone, 12, {4: bulk_alone})
        assert full_of_bulk[4] == 0
        assert full_of_bulk[0] == 12 - bulk_alone

    def test_the_upper_may_take_all(self):
        assert rules.lane_rooms(12, 12, {})[0] == 12
        assert rules.lane_rooms(1, 12, {0: 11}) == [1, 1, 1, 1, 1]
        assert rules.lane_rooms(0, 12, {0: 12}) == [0, 0, 0, 0, 0]


class TestNextWay:
    @pytest.mark.parametrize(
        ("went", "able", "way"),
        [
            (["sms"], ALL, "voice"),
            (["sms", "voice"], ALL, "email"),
            (["sms"], ("email", "sms"), "email"),
            (["sms", "voice", "email"], ALL, None),
            (["voice"], ALL, "sms"),
        ],
    )
    def test_in_the_policys_order_each_once(self, went: list[str], able: tuple[str, ...], way: str | None):
        """E15."""
        found = rules.next_way(POLICY, "password_reset", went, EVERYWHERE, able)
        assert (found.channel if found else None) == way

    def test_only_where_this_person_is_reached(self):
        alone = EVERYWHERE.model_copy(update={"others": []})
        assert rules.next_way(POLICY, "password_reset", ["sms"], alone, ALL) is None

    def test_only_what_the_message_has(self):
        """There is no activation by voice."""
        found = rules.next_way(POLICY, "activation", ["sms"], EVERYWHERE, ALL)
        assert found is not None
        assert found.channel == "email"


class TestMasked:
    @pytest.mark.parametrize(
        ("channel", "to", "shown"),
        [("email", "mira@posteo.example", "m•••@p•••"), ("sms", "+4934155501234", "+49•••34"), ("email", "用户@例子.测试", "用•••@例•••")],
    )  # fmt: skip
    def test_as_a_rep_may_see_it(self, channel, to: str, shown: str):
        """ENU-3."""
        assert rules.masked(channel, to) == shown


class TestStates:
    async def test_rules_name_those_of_the_table(self, notifier: Notifier):
        """A state that SQL may write and no rule knows, or the other way round, is a mistake."""
        async with notifier.db.read() as conn:
            said = await conn.fetchval(
                "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'delivery_state_check'"
            )
        assert set(re.findall(r"'(\w+)'", said)) == set(get_args(State)) == set(rules.FOLLOWS)

    @pytest.mark.parametrize(
        ("now", "receipt", "bounced", "heeded"),
        [
            ("handed_over", "accepted", False, True),
            ("accepted", "handed_over", False, False),
            ("accepted", "failed", False, True),
            ("failed", "accepted", False, False),
            ("failed", "delivered", False, True),
            ("failed", "failed", True, False),
            ("delivered", "failed", False, False),
            ("delivered", "failed", True, True),
            ("queued", "failed", True, False),
            ("submitting", "delivered", False, False),
            ("suppressed", "delivered", False, False),
            ("expired", "failed", True, False),
        ],
    )
    def test_which_receipts_are_heeded(self, now: State, receipt: State, bounced: bool, heeded: bool):
        """REL-8: a later word takes back an earlier one in one direction, a bounce takes back all, and nothing a bounce."""
        assert rules.heeded(now, receipt, bounced=bounced) is heeded
