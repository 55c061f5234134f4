"""Every text of the pages exists in every language, with the same places to fill in and the same markup (WEB-16)."""

import re
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Message

sys.path.insert(0, str(Path(__file__).parents[4] / "tools"))
import messages

PLACES = re.compile(r"%\((\w+)\)s|\{(\w+)\}|(<[^>]+>)")
LANGUAGES = sorted(path.stem for path in messages.LOCALE.glob("*.po"))


def places(text: str) -> list[str]:
    return sorted("".join(found) for found in PLACES.findall(text))


def forms(message: Message) -> list[str]:
    return list(message.string) if isinstance(message.string, tuple | list) else [message.string]


def test_five_languages() -> None:
    assert LANGUAGES == ["ar", "de", "es", "fr"], "and English, in which the pages are written"


@pytest.mark.parametrize("language", LANGUAGES)
class TestCatalogue:
    def test_complete(self, language: str) -> None:
        assert messages.missing(messages.updated(language)) == []

    def test_committed_as_the_tool_writes_it(self, language: str) -> None:
        before = (messages.LOCALE / f"{language}.po").read_bytes()
        assert messages.rendered(messages.updated(language)) == before, "run tools/messages.py"

    def test_same_places_and_markup(self, language: str) -> None:
        for message in messages.updated(language):
            if not message.id:
                continue
            wanted = places(message.id[-1] if isinstance(message.id, tuple) else message.id)
            for form in forms(message):
                # A form for none, one or two may say the number in words.
                assert set(places(form)) <= set(wanted), (message.id, form)
                assert message.pluralizable or places(form) == wanted, (message.id, form)
