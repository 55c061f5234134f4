"""Messages of API problems in the language asked for (docs/openapi.json)."""

import pytest
from gateway.portal import words


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("de", "Bitte füllen Sie dies aus."),
        ("fr-CH, en;q=0.5", "Veuillez remplir ce champ."),
        ("xx, es;q=0.3", "Rellene este campo, por favor."),
        ("en", "Please fill this in."),
        (None, "Please fill this in."),
        ("*;q=x,,;", "Please fill this in."),
    ],
)
def test_by_accept_language(accept: str | None, expected: str):
    assert words.translator(accept)("required", "This is needed", {}) == expected


def test_with_its_numbers():
    assert "15" in words.translator("ar")("password_too_short", "Use 15", {"min": 15})


def test_what_has_no_words_stays_as_the_service_said_it():
    assert words.translator("de")("no_such_code", "As it is", {}) == "As it is"
    assert words.translator("de")("password_too_short", "Use 15 or more", {}) == "Use 15 or more"
