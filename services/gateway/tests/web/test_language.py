"""Accept-Language as browsers, apps and scripts really write it (WEB-16, RFC 9110 §12.5.4)."""

import pytest
from gateway.web.language import best
from hypothesis import given
from hypothesis import strategies as st

OFFERED = ["en", "ar", "de", "es", "fr"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT", "de"),
        ("de_DE", "de"),
        ("DE-de", "de"),
        (" de ; q = 0.9 , fr ; q = 0.95", "fr"),
        ("fr;q=0.3, de;q=0.3", "fr"),
        ("xx, es;q=0.1", "es"),
        ("de;q=0", "en"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("de;q=0.000, *", "en"),
        ("*", "en"),
        ("*;q=0.5, ar;q=0.4", "en"),
        ("en;q=0, *", "ar"),
        ("*;q=0", "en"),
        ("de;q=2, fr;q=x, es;level=1;q=0.1", "es"),
        ("de;q=nan, fr;q=-1, ar;Q=0.7", "ar"),
        (",;,q=1,;q=0.5,es", "es"),
    ],
)
def test_best(accept: str | None, expected: str) -> None:
    assert best(accept, OFFERED, "en") == expected


@given(st.text("deDE_-*;q=0.19, fr\t\u00a0", max_size=60))
def test_whatever_comes_is_a_language_that_is_offered(accept: str) -> None:
    assert best(accept, OFFERED, "en") in OFFERED
