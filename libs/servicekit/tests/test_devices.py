"""Devices in words, and their parts for other languages (WEB-16)."""

import pytest
from servicekit.devices import in_words, parts

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def test_what_is_said_can_be_taken_apart() -> None:
    said = in_words(FIREFOX)
    assert said == "Firefox on Windows"
    assert parts(said) == ("Firefox", "Windows")


@pytest.mark.parametrize("words", ["Firefox", "Windows", "Lynx on Windows", "Firefox on Mars", "based on trust", " on ", ""])
def test_what_is_no_pair_of_ours_stays_whole(words: str) -> None:
    assert parts(words) is None
