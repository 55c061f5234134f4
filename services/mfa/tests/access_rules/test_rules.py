"""Access rules: which hold, and which of them counts (product: deny beats require beats skip)."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_address

import pytest
from latchkey_contracts.configuration import Rule
from mfa.access_rules.rules import Circumstances, Place, improbable, judge, kilometres
from pydantic import ValidationError

NOON = Circumstances(address=ip_address("192.0.2.7"), country="DE", known_device=False, improbable_travel=False, at=time(12))
LEIPZIG, PRAGUE, SYDNEY = Place(51.3, 12.4), Place(50.1, 14.4), Place(-33.9, 151.2)
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def rule(effect="deny", name=None, **when):
    return Rule(name=name or effect, effect=effect, when=when)


def holds(now=NOON, **when) -> bool:
    return judge([rule(**when)], now).effect == "deny"


class TestConditions:
    @pytest.mark.parametrize(
        ("networks", "address", "expected"),
        [
            (["192.0.2.0/24"], "192.0.2.7", True),
            (["198.51.100.0/24", "192.0.2.7/32"], "192.0.2.7", True),
            (["198.51.100.0/24"], "192.0.2.7", False),
            (["2001:db8::/32"], "192.0.2.7", False),
            (["2001:db8::/32"], "2001:db8:1::9", True),
        ],
    )
    def test_network(self, networks, address, expected):
        assert holds(replace(NOON, address=ip_address(address)), networks=networks) is expected

    @pytest.mark.parametrize(("country", "expected"), [("DE", True), ("AT", False), (None, False)])
    def test_country(self, country, expected):
        assert holds(replace(NOON, country=country), countries=["DE", "FR"]) is expected

    @pytest.mark.parametrize("known", [True, False])
    def test_device(self, known):
        now = replace(NOON, known_device=known)
        assert (holds(now, new_device=True), holds(now, new_device=False)) == (not known, known)

    @pytest.mark.parametrize(("found", "expected"), [(True, True), (False, False), (None, False)])
    def test_travel(self, found, expected):
        assert holds(replace(NOON, improbable_travel=found), improbable_travel=True) is expected

    def test_travel_that_nobody_knows_of_is_not_probable_either(self):
        assert not holds(replace(NOON, improbable_travel=None), improbable_travel=False)

    @pytest.mark.parametrize(
        ("at", "by_day", "by_night"),
        [
            (time(8), True, False),
            (time(7, 59, 59), False, False),
            (time(17, 59, 59), True, False),
            (time(18), False, False),
            (time(22), False, True),
            (time(0), False, True),
            (time(5, 59), False, True),
            (time(6), False, False),
        ],
    )
    def test_time(self, at, by_day, by_night):
        now = replace(NOON, at=at)
        assert (holds(now, between=("08:00", "18:00")), holds(now, between=("22:00", "06:00"))) == (by_day, by_night)

    def test_all_must_hold(self):
        assert holds(networks=["192.0.2.0/24"], countries=["DE"], new_device=True)
        (looked,) = judge([rule(networks=["192.0.2.0/24"], countries=["AT"], new_device=False)], NOON).looked
        assert (looked.holds, looked.lacked) == (False, ("countries", "new_device"))

    def test_without_an_address(self):
        assert not holds(replace(NOON, address=None), networks=["0.0.0.0/0", "::/0"])


class TestPrecedence:
    @pytest.mark.parametrize(
        ("effects", "expected"),
        [
            (["skip"], "skip"),
            (["skip", "require"], "require"),
            (["require", "deny", "skip"], "deny"),
            (["deny", "skip"], "deny"),
            ([], None),
        ],
    )
    def test_whichever_stands_first(self, effects, expected):
        found = [rule(one, countries=["DE"]) for one in effects]
        assert judge(found, NOON).effect == judge(found[::-1], NOON).effect == expected

    def test_what_does_not_hold_beats_nothing(self):
        found = judge([rule("deny", countries=["AT"]), rule("skip", countries=["DE"])], NOON)
        assert (found.effect, found.names) == ("skip", ("skip",))
        assert [(one.name, one.holds) for one in found.looked] == [("deny", False), ("skip", True)]


class TestTravel:
    @pytest.mark.parametrize(
        ("before", "hours", "expected"),
        [
            (SYDNEY, 10, True),  # 16,000 km
            (SYDNEY, 18, False),
            (PRAGUE, 0.01, False),  # near enough for an address that is known roughly
            (LEIPZIG, 0, False),
            (SYDNEY, 0, True),
        ],
    )
    def test_faster_than_an_aeroplane(self, before, hours, expected):
        assert improbable(before, NOW - timedelta(hours=hours), LEIPZIG, NOW) is expected

    def test_distance(self):
        assert kilometres(LEIPZIG, PRAGUE) == pytest.approx(195, abs=10)
        assert kilometres(LEIPZIG, SYDNEY) == pytest.approx(16_050, abs=150)
        assert kilometres(Place(0, 179), Place(0, -179)) == pytest.approx(222, abs=2)


class TestWritten:
    @pytest.mark.parametrize(
        ("when", "said"),
        [
            ({}, "without a condition it keeps everybody out"),
            ({"networks": ["192.0.2.1/24"]}, "a network is written as"),
            ({"networks": []}, "at least 1 item"),
            ({"countries": ["Germany"]}, "pattern"),
            ({"between": ["22:00", "22:00"]}, "two different times"),
            ({"between": ["8", "18:00"]}, "a time is written as 22:00"),
            ({"between": ["24:00", "18:00"]}, "a time is written as 22:00"),
            ({"weather": "rain"}, "Extra inputs"),
        ],
    )
    def test_refused(self, when, said):
        with pytest.raises(ValidationError, match=said):
            rule(**when)

    def test_times_without_quotes(self):
        """YAML takes 22:00 for 22 * 60."""
        assert rule(between=[1320, "06:00"]).when.between == ("22:00", "06:00")
