"""E31: short addresses that are said on the phone."""

import pytest
from servicekit.spoken import skeleton, spelt


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("flower", "fIower"), ("modern", "modem"), ("photo", "foto"), ("kim-shop", "kimshop"), ("clara", "dara"),
        ("jenny", "jeny"), ("bank", "pank"), ("vision", "wision"), ("taxi", "taksi"), ("zinnia", "sinnia"),
        ("lily", "liii"), ("phoenix", "foeniks"),
    ],
)  # fmt: skip
def test_taken_for_each_other(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(("one", "other"), [("demo", "mobile"), ("rose", "flower"), ("account", "shop"), ("energy", "water")])
def test_told_apart(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_spelt() -> None:
    assert spelt("my-shop") == "Mike, Yankee, dash, Sierra, Hotel, Oscar, Papa"
