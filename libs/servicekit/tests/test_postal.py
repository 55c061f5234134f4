"""R33: postal addresses, in the form of each country."""

from typing import Any

import pytest
from servicekit import postal

HOME = {"country_code": "DE", "street_address": "Karl-Heine-Str. 12", "postal_code": "04229", "city": "Leipzig"}


def problems(value: Any) -> dict[str, str]:
    return {one.field.removeprefix("/profile/address"): one.code for one in postal.check(value, "/profile/address")}


class TestCheck:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (HOME, {}),
            ({"country_code": "de", **{name: HOME[name] for name in ("street_address", "postal_code", "city")}}, {}),
            ("Karl-Heine-Str. 12", {"": "not_this_form"}),
            ({}, {"/country_code": "required"}),
            ({"country_code": "XX"}, {"/country_code": "not_an_option"}),
            ({"country_code": "ZZ"}, {"/country_code": "not_an_option"}),
            ({"country_code": "../"}, {"/country_code": "not_this_form"}),
            ({"country_code": 49}, {"/country_code": "not_this_form"}),
            ({"country_code": "DE"}, {"/street_address": "required", "/postal_code": "required", "/city": "required"}),
            ({**HOME, "postal_code": "4229"}, {"/postal_code": "postal_code_not_valid"}),
            ({**HOME, "planet": "Earth"}, {"/planet": "unknown_field"}),
            ({**HOME, "city": "Leip\x00zig"}, {"/city": "not_this_form"}),
            ({**HOME, "city": "Leip\u202ezig"}, {"/city": "not_this_form"}),
            ({**HOME, "city": "a\nb"}, {"/city": "not_this_form"}),
            ({**HOME, "city": "x" * 81}, {"/city": "not_this_form"}),
            ({**HOME, "street_address": "a\nb\nc\nd"}, {"/street_address": "not_this_form"}),
            ({"country_code": "US", "street_address": "1 Main St", "city": "Springfield", "country_area": "Ohio", "postal_code": "45501"}, {}),
            (
                {"country_code": "US", "street_address": "1 Main St", "city": "Springfield", "country_area": "Bavaria", "postal_code": "45501"},
                {"/country_area": "not_an_option"},
            ),
            (
                {"country_code": "US", "street_address": "1 Main St", "city": "Springfield", "country_area": "OH", "postal_code": "94043"},
                {"/postal_code": "postal_code_not_valid"},
            ),
        ],
    )  # fmt: skip
    def test_field_by_field(self, value, expected):
        assert problems(value) == expected

    def test_every_country_says_what_it_needs(self):
        """And none of them fails otherwise, whatever is typed."""
        assert len(postal.countries()) > 240
        for country in postal.countries():
            found = {one.name: one for one in postal.fields({"country_code": country})}
            needed = {f"/{name}": "required" for name, one in found.items() if one.required}
            assert problems({"country_code": country}) == needed, country
            for area, _ in found["country_area"].choices[:2] if "country_area" in found else ():
                value = {"country_code": country, "country_area": area, "city": "x", "city_area": "y", "postal_code": "?"}
                assert set(problems(value)) <= {f"/{name}" for name in found}, country


class TestClean:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ({**HOME, "city": "  Leipzig \t"}, HOME),
            ({**HOME, "postal_code": "٠٤٢٢٩"}, HOME),
            ({**HOME, "street_address": "Hinterhaus\r\n\r\n Karl-Heine-Str. 12"}, {**HOME, "street_address": "Hinterhaus\nKarl-Heine-Str. 12"}),
            ({**HOME, "country_area": "Sachsen", "sorting_code": ""}, HOME),
            (
                {"country_code": "ch", "street_address": "Bahnhofstrasse 1", "postal_code": "CH-8001", "city": "Zürich"},
                {"country_code": "CH", "street_address": "Bahnhofstrasse 1", "postal_code": "8001", "city": "Zürich"},
            ),
            (
                {"country_code": "GB", "street_address": "10 Downing Street", "postal_code": "sw1a 2aa", "city": "London"},
                {"country_code": "GB", "street_address": "10 Downing Street", "postal_code": "SW1A 2AA", "city": "London"},
            ),
        ],
    )  # fmt: skip
    def test_as_it_is_stored(self, value, expected):
        assert problems(value) == {}
        assert postal.clean(value) == expected
        assert postal.clean(postal.clean(value)) == expected

    @pytest.mark.parametrize(
        ("value", "is_blank"),
        [(None, True), ({}, True), ({"country_code": "DE"}, True), ({"city": ""}, True), ({"city": "x"}, False), ("x", False)],
    )
    def test_blank(self, value, is_blank):
        assert postal.blank(value) == is_blank


class TestForm:
    def test_order_and_names(self):
        def of(country: str) -> list[tuple[str, str, bool]]:
            return [(one.name, one.kind, one.required) for one in postal.fields({"country_code": country})]

        assert of("DE") == [("street_address", "", True), ("postal_code", "postal", True), ("city", "city", True)]
        assert of("GB")[1:] == [("city", "post_town", True), ("postal_code", "postal", True)]
        assert of("US")[1:] == [("city", "city", True), ("country_area", "state", True), ("postal_code", "zip", True)]
        assert of("JP")[0] == ("postal_code", "postal", True)
        assert of("XX") == []

    def test_choices_follow_from_what_is_chosen(self):
        """Each once, in the country's script and in Latin letters."""
        [area] = [one for one in postal.fields({"country_code": "KR"}) if one.name == "country_area"]
        assert "강원 / Gangwon-do" in dict(area.choices).values() or "Gangwon-do / 강원" in dict(area.choices).values()
        first = area.choices[0][0]
        [city] = [one for one in postal.fields({"country_code": "KR", "country_area": first}) if one.name == "city"]
        assert city.choices

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (HOME, ["Karl-Heine-Str. 12", "04229 Leipzig"]),
            ({**HOME, "postal_code": ""}, ["Karl-Heine-Str. 12", "Leipzig"]),
            (
                {"country_code": "US", "street_address": "1 Main St\nApt 4", "city": "Springfield", "country_area": "OH", "postal_code": "45501"},
                ["1 Main St", "Apt 4", "Springfield, OH 45501"],
            ),
            ({"country_code": "US", "street_address": "1 Main St", "country_area": "OH"}, ["1 Main St", "OH"]),
            ({"country_code": "CH", "street_address": "Seestr. 1", "city": "Zürich"}, ["Seestr. 1", "Zürich"]),
            (
                {"country_code": "JP", "street_address": "千代田1-1", "country_area": "東京都", "postal_code": "100-8111"},
                ["〒100-8111", "東京都", "千代田1-1"],
            ),
            ({"country_code": "ES", "street_address": "Gran Vía 1", "postal_code": "01001", "city": "VITORIA", "country_area": "VI"}, ["Gran Vía 1", "01001 VITORIA Álava"]),
            ({"country_code": "XX"}, []),
        ],
    )  # fmt: skip
    def test_as_on_a_letter(self, value, expected):
        assert postal.lines(value) == expected
