"""Every message in every language, against stored texts; customers' data is data (WEB-14, WEB-16, WEB-18, EVT-9).

LATCHKEY_WRITE_SNAPSHOTS=1 writes the stored texts anew; read the difference before it is committed.
"""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from latchkey_contracts.messages import MessageContent, Origin
from notifier.templates import render
from notifier.templates.render import MESSAGES, Renderer, languages

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LINK = "https://id.example/demo/l/" + "x" * 43
RENDERER = Renderer("no-reply@localhost")


def content(**changes: object) -> MessageContent:
    values: dict = {
        "channel": "email",
        "to": "mira@posteo.example",
        "given_name": "Mira",
        "usernames": ["mira.okafor"],
        "link": LINK,
        "link_expires_at": NOW + timedelta(hours=24),
        "code": "482913",
        "code_expires_at": NOW + timedelta(minutes=6),
        "asked": Origin(at=NOW, device="Firefox on Android"),
        "sessions_ended": 2,
        "takes_effect_at": NOW + timedelta(hours=72),
    }
    return MessageContent(**{**values, **changes})


# What a message's own event brings beside its link.
ONLY = {
    "code": ("activation", "password_reset"),
    "code_expires_at": ("activation", "password_reset"),
    "usernames": ("username_reminder",),
    "sessions_ended": ("password_changed", "reset_succeeded"),
    "takes_effect_at": ("total_loss_announced",),
}


def mail(message: str, language: str, application, **changes: object):
    changes = {**{name: None for name, messages in ONLY.items() if message not in messages}, **changes}
    return RENDERER.render(message, language, application, content(**changes), "id", NOW)


class TestSnapshots:
    @pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr"])
    @pytest.mark.parametrize("message", MESSAGES)
    def test_subject_and_text(self, application, message: str, language: str):
        found = mail(message, language, application)
        text = f"{found.subject}\n\n{found.text}"
        path = SNAPSHOTS / f"{message}.{language}.txt"
        if os.environ.get("LATCHKEY_WRITE_SNAPSHOTS"):
            SNAPSHOTS.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    def test_nothing_is_stored_that_is_no_message(self):
        wanted = {f"{message}.{language}.txt" for message in MESSAGES for language in languages(message)}
        assert {path.name for path in SNAPSHOTS.glob("*.txt")} == wanted


@pytest.mark.parametrize("message", MESSAGES)
class TestEveryMessage:
    def test_in_all_five_languages(self, message: str):
        """WEB-16."""
        assert languages(message) == ("ar", "de", "en", "es", "fr")

    def test_the_link_stands_once_and_whole(self, application, message: str):
        found = mail(message, "en", application)
        assert found.text.count(LINK) == 1
        assert found.html.count(f'href="{LINK}"') == 1
        assert LINK in found.text.splitlines(), "on a line of its own, so that no client breaks it"

    def test_customers_data_is_data(self, application, message: str):
        """WEB-14, WEB-18: neither HTML nor a template, and no line of its own in a header."""
        evil = "<b>{{ 7*7 }}</b>\r\nBcc: evil@evil.test"
        found = mail(message, "en", application, given_name=evil, usernames=[evil], asked=Origin(at=NOW, device=evil))
        assert "49" not in re.sub(r"#\w+|\d+px|[0-9:,]{4,}", "", found.text)
        assert "<b>" not in found.html
        assert "\n" not in found.subject

    def test_right_to_left(self, application, message: str):
        """E28."""
        assert '<html lang="ar" dir="rtl">' in mail(message, "ar", application).html
        assert '<html lang="de" dir="ltr">' in mail(message, "de", application).html

    def test_an_unknown_language_falls_back(self, application, message: str):
        assert mail(message, "xx", application).language == "en"


class TestCodes:
    def test_a_dead_code_is_left_out(self, application):
        """EVT-9, OTP-2: where the mail waited too long, the link lives on alone."""
        found = mail("activation", "en", application, code_expires_at=NOW - timedelta(seconds=1))
        assert "482" not in found.text
        assert LINK in found.text

    def test_a_code_reads_in_two_halves(self, application):
        assert "\n482 913\n" in mail("password_reset", "en", application).text


class TestFacts:
    def test_rows_without_a_value_are_left_out(self, application):
        found = mail("password_changed", "en", application, sessions_ended=0, asked=Origin(at=NOW))
        assert "Also done" not in found.text
        assert "Where" not in found.text
        assert "When" in found.text


class TestStrict:
    def test_a_missing_variable_is_an_error(self, application, monkeypatch: pytest.MonkeyPatch):
        """The engine guesses nothing: a template with a slip is refused, not sent."""
        monkeypatch.setattr(render, "copy_of", lambda *_: {"subject": "{{ nothing }}", "title": "", "intro": "", "closing": ""})
        with pytest.raises(UndefinedError):
            mail("activation", "en", application)


class TestOtherChannels:
    @pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr"])
    def test_sms(self, application, language: str):
        """R14, D10: whose it is, the code, how long; one line without a link."""
        text = RENDERER.spoken("sms", "password_reset", language, application, content(), NOW)
        assert "Elmstead" in text
        assert "482913" in text
        assert "13:06" in text
        assert "http" not in text
        assert "\n" not in text
        reminder = RENDERER.spoken("sms", "username_reminder", language, application, content(), NOW)
        assert "mira.okafor" in reminder

    @pytest.mark.parametrize("language", ["ar", "de", "en", "es", "fr"])
    def test_voice(self, application, language: str):
        """Digit by digit, twice at most (PST-4)."""
        text = RENDERER.spoken("voice", "password_reset", language, application, content(), NOW)
        assert text.count("4, 8, 2, 9, 1, 3") == 2

    def test_a_message_without_such_a_form(self, application):
        with pytest.raises(KeyError):
            RENDERER.spoken("sms", "total_loss_announced", "en", application, content(), NOW)
