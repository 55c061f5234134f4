"""Every message on every channel in every language, against stored texts, so that a reviewer sees what readers will see.

    LATCHKEY_WRITE_SNAPSHOTS=1 .venv/bin/python -m pytest services/notifier/tests/templates/test_snapshots.py

writes them anew; read the difference before it is committed.
"""

import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.templates import TEMPLATES
from notifier.channels.base import Mail, Text
from notifier.channels.twilio import twiml

SNAPSHOTS = Path(__file__).parent / "snapshots"
CASES = [(name, channel, language) for name, one in TEMPLATES.items() for channel in one.channels for language in LANGUAGES]
KEPT = {"lang", "dir", "href", "class", "role", "scope"}


class Outline(HTMLParser):
    """A mail's HTML as its structure and words, a line each; colours and sizes are looked at in pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.skip = False

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.skip = tag == "style"
        if tag not in {"style", "meta", "table", "tr"}:
            self.lines.append("<" + " ".join([tag, *(f'{name}="{value}"' for name, value in attrs if name in KEPT)]) + ">")

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.skip:
            self.lines.append(f"    {' '.join(data.split())}")


def readable(message) -> str:
    if isinstance(message, Mail):
        outline = Outline()
        outline.feed(message.html)
        parts = [message.subject, message.text, *outline.lines]
        return "\n".join([f"From: {message.sender_name} <{message.sender_address}>", "", *parts]) + "\n"
    if isinstance(message, Text):
        return message.body + "\n"
    answers = (twiml(message, "https://id.example/key"), twiml(message, None))
    return "\n".join([message.prompt, message.body, "", *(one.replace("><", ">\n<") for one in answers)]) + "\n"


@pytest.mark.parametrize(("template", "channel", "language"), CASES)
def test_as_stored(compose, template: str, channel: str, language: str):
    """R14, R20, WEB-16."""
    text = readable(compose(channel, template, language))
    path = SNAPSHOTS / f"{template}.{channel}.{language}.txt"
    if os.environ.get("LATCHKEY_WRITE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_nothing_is_stored_that_is_no_message():
    assert {path.name for path in SNAPSHOTS.iterdir()} == {f"{one}.{channel}.{language}.txt" for one, channel, language in CASES}
