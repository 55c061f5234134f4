"""Which phone numbers may be written to; the notifier's tests and those of whoever takes a number stand on it."""

import pytest
from latchkey_contracts.configuration import NotificationPolicy, PaidChannel
from prometheus_client import REGISTRY
from pydantic import ValidationError
from servicekit import numbers


class TestNumbers:
    """FRD-1, FRD-2."""

    @pytest.mark.parametrize(
        ("countries", "number", "reason"),
        [
            (["+1"], "+12025550123", None),
            (["+1"], "+18764551234", "country"),
            (["US"], "+12025550123", None),
            (["US"], "+18764551234", "country"),
            (["JM"], "+18764551234", None),
            (["GB"], "+447911123456", "country"),
            (["GG"], "+447911123456", None),
            (["+49"], "+12025550123", "country"),
            (["DE"], "+4915112345641", None),
            (["US"], "+15550100999", "country"),
            (["+1"], "+15550100999", "number_class"),
            ([], "+12025550123", "country"),
            (["+1"], "nonsense", "country"),
        ],
    )
    def test_the_country_is_that_of_the_range(self, countries: list[str], number: str, reason: str | None):
        """Jamaica shares +1 with the United States, Guernsey +44 with Great Britain; a range that no plan knows has a dial code alone."""
        assert numbers.against(PaidChannel(countries=countries), numbers.Land.of(number)) == reason

    @pytest.mark.parametrize(
        "number",
        ["+19005550123", "+449091234567", "+443001234567", "+18005551234", "+4918012345678", "+491805123456", "+881612345678", "+80012345678",
         "+870773111632", "+97912345678", "+88310123456789", "+88812345678"],
    )  # fmt: skip
    def test_some_never(self, number: str):
        """Premium, shared cost, company-wide, toll-free, and networks of no country, even where an operator has opened their code."""
        land = numbers.Land.of(number)
        assert land is not None
        assert numbers.against(PaidChannel(countries=[land.code]), land) == "number_class"

    @pytest.mark.parametrize("country", ["+0", "1", "us", "USA", "+12345", ""])
    def test_what_is_no_country(self, country: str):
        with pytest.raises(ValidationError):
            PaidChannel(countries=[country])


OPEN = PaidChannel(countries=["US", "DE", "GB"])


class TestFortyNumbers:
    """FRD-2: what is decided by class and by the region of the range, with the United States, Germany and Great Britain open."""

    @pytest.mark.parametrize(
        ("number", "reason"),
        [
            ("+12025550123", None),
            ("+13105550123", None),
            ("+4915112345678", None),
            ("+4917612345678", None),
            ("+493415550141", None),
            ("+447400123456", None),
            ("+442071234567", None),
            # all that share +1
            ("+18764551234", "country"),
            ("+12424551234", "country"),
            ("+18095551234", "country"),
            ("+14165551234", "country"),
            ("+12684641234", "country"),
            ("+14415551234", "country"),
            ("+16715551234", "country"),
            ("+17875551234", "country"),
            # all that share +44
            ("+447911123456", "country"),
            ("+447624123456", "country"),
            ("+447797123456", "country"),
            # of other countries
            ("+4366412345678", "country"),
            ("+41791234567", "country"),
            ("+33612345678", "country"),
            ("+2348031234567", "country"),
            ("+994501234567", "country"),
            ("+77011234567", "country"),
            # of an open country, and still not
            ("+19005550123", "number_class"),
            ("+18005551234", "number_class"),
            ("+449091234567", "number_class"),
            ("+443001234567", "number_class"),
            ("+448001234567", "number_class"),
            ("+447012345678", "number_class"),
            ("+4918012345678", "number_class"),
            ("+491805123456", "number_class"),
            ("+499001234567", "number_class"),
            ("+498001234567", "number_class"),
            ("+4970012345678", "number_class"),
            # of no country, and of no plan
            ("+881612345678", "country"),
            ("+870773111632", "country"),
            ("+97912345678", "country"),
            ("+15550100999", "country"),
            ("nonsense", "country"),
        ],
    )
    def test_decision(self, number: str, reason: str | None):
        assert numbers.against(OPEN, numbers.Land.of(number)) == reason

    @pytest.mark.parametrize("code", ["+800", "+808", "+870", "+878", "+881", "+882", "+883", "+888", "+979"])
    def test_no_range_of_no_country_is_ever_open(self, code: str):
        """FRD-2: the library takes +881 for mobile phones."""
        everything = PaidChannel(countries=[code])
        every = [f"{code}{digits}" for digits in ("12345678", "612345678", "773111632", "10123456789", "1234567")]
        assert {numbers.against(everything, numbers.Land.of(one)) for one in every} <= {"number_class", "country"}


class TestAtTheField:
    """FRD-1, FRD-2: what the notifier would refuse is said where the number is typed."""

    @pytest.mark.parametrize(
        ("number", "code"),
        [("+12025550123", None), ("+18764551234", "phone_country_closed"), ("+4915112345641", "phone_country_closed"),
         ("+19005550123", "phone_class_closed"), ("+1 202 555-0123", None), ("nonsense", None)],
    )  # fmt: skip
    def test_by_the_same_rule(self, number: str, code: str | None):
        """`+1` opens the United States alone. What can't be read as a number is somebody else's to refuse."""
        policy = NotificationPolicy(name="x", sms=PaidChannel(countries=["+1"]))
        found = numbers.closed(number, policy, "/phone")
        assert [(one.field, one.code) for one in found] == ([("/phone", code)] if code else [])

    def test_no_text_messages_at_all(self):
        policy = NotificationPolicy(name="x", sms=PaidChannel(enabled=False, countries=["+1"]))
        assert [one.code for one in numbers.closed("+12025550123", policy, "/phone")] == ["phone_country_closed"]

    def test_who_asks_from_a_closed_country_is_counted(self):
        """FRD-1: so that an operator sees what opening it would bring."""

        def count() -> float:
            return REGISTRY.get_sample_value("latchkey_closed_numbers_total", {"channel": "sms", "region": "JM"}) or 0

        policy, before = NotificationPolicy(name="x", sms=PaidChannel(countries=["+1"])), count()
        numbers.closed("+18764551234", policy, "/phone")
        numbers.closed("+12025550123", policy, "/phone")
        assert count() == before + 1
