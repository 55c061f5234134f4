"""Pure rules of the delivery: back-off, lanes, cost, other ways, masks."""

from datetime import timedelta

import pytest
from latchkey_contracts.configuration import NotificationPolicy, PaidChannel
from latchkey_contracts.messages import Contact, Reach
from notifier.delivery import rules
from pydantic import ValidationError

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


class TestCost:
    @pytest.mark.parametrize(
        ("number", "units", "cost"), [("+4934155501234", 1, 800), ("+4934155501234", 3, 2400), ("+12025550123", 1, 2500)]
    )
    def test_by_country_else_the_dearer_default(self, number: str, units: int, cost: int):
        assert rules.cost(POLICY.sms, rules.Land.of(number), units) == cost

    def test_a_region_before_its_dial_code(self):
        channel = PaidChannel(prices={"+1": 0.01, "JM": 0.3})
        assert rules.cost(channel, rules.Land.of("+18764551234"), 1) == 3000
        assert rules.cost(channel, rules.Land.of("+12025550123"), 1) == 100


class TestNumbers:
    """FRD-1, FRD-2."""

    @pytest.mark.parametrize(
        ("countries", "number", "reason"),
        [
            (["+1"], "+12025550123", None),
            (["+1"], "+18764551234", None),
            (["US"], "+12025550123", None),
            (["US"], "+18764551234", "country"),
            (["JM"], "+18764551234", None),
            (["GB"], "+447911123456", "country"),
            (["GG"], "+447911123456", None),
            (["+49"], "+12025550123", "country"),
            (["DE"], "+4915112345641", None),
            (["US"], "+15550100999", "country"),
            (["+1"], "+15550100999", None),
            ([], "+12025550123", "country"),
            (["+1"], "nonsense", "country"),
        ],
    )
    def test_the_country_is_that_of_the_range(self, countries: list[str], number: str, reason: str | None):
        """Jamaica shares +1 with the United States, Guernsey +44 with Great Britain; a range that no plan knows has a dial code alone."""
        assert rules.against(PaidChannel(countries=countries), rules.Land.of(number)) == reason

    @pytest.mark.parametrize(
        "number",
        ["+19005550123", "+449091234567", "+443001234567", "+18005551234", "+4918012345678", "+491805123456", "+881612345678", "+80012345678",
         "+870773111632", "+97912345678", "+88310123456789", "+88812345678"],
    )  # fmt: skip
    def test_some_never(self, number: str):
        """Premium, shared cost, company-wide, toll-free, and networks of no country, even where an operator has opened their code."""
        land = rules.Land.of(number)
        assert land is not None
        assert rules.against(PaidChannel(countries=[land.code]), land) == "number_class"

    @pytest.mark.parametrize("country", ["+0", "1", "us", "USA", "+12345", ""])
    def test_what_is_no_country(self, country: str):
        with pytest.raises(ValidationError):
            PaidChannel(countries=[country])


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
