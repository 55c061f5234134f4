"""Mails: what they say in every language, with a link, a code, or both; how they are built (WEB-8, WEB-14, WEB-16, EVT-9)."""

import re
from datetime import timedelta
from html import unescape

import pytest
from jinja2 import UndefinedError
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.messages import Origin
from latchkey_contracts.templates import TEMPLATES
from notifier.templates import render, words
from notifier.templates.render import WIDTH, NotRenderable
from notifier.templates.sample import TOKEN

from .conftest import NOW

LINK = f"https://id.example/demo/l/{TOKEN}"
CODES = ("activation", "password_reset")
NOTICES = [name for name, one in TEMPLATES.items() if one.security]
# What a mail calls the button, the code and the other device, by language.
BUTTON = {"en": "button", "de": "Knopf", "fr": "bouton", "es": "botón", "ar": "الزر"}
CODE = {"en": "code", "de": "Code", "fr": "code", "es": "código", "ar": "رمز"}


def shown(html: str) -> str:
    """Words of the HTML without its head."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html.partition("</head>")[2])))


class TestDevice:
    """WEB-16: what was noted in English when the request came in is said in the mail's language."""

    @pytest.mark.parametrize(
        ("language", "said"),
        [
            ("en", "Firefox on Windows"),
            ("de", "Firefox auf Windows"),
            ("fr", "Firefox sur Windows"),
            ("es", "Firefox en Windows"),
            ("ar", "Firefox على Windows"),
        ],
    )
    def test_a_browser_and_its_system(self, compose, language: str, said: str):
        found = compose("email", "password_changed", language, asked=Origin(at=NOW, device="Firefox on Windows"))
        assert said in found.text
        assert said in shown(found.html)

    @pytest.mark.parametrize("device", ["Firefox", "a kiosk on the moon"])
    def test_anything_else_as_it_is(self, compose, device: str):
        assert device in compose("email", "password_changed", "de", asked=Origin(at=NOW, device=device)).text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", TEMPLATES)
class TestEvery:
    def test_has_its_own_words(self, template: str, language: str):
        """WEB-16: no language lacks a text that another has."""
        assert words.languages(template) == tuple(sorted(LANGUAGES))
        assert words.copy_of(template, language).keys() == words.copy_of(template, "en").keys()

    def test_link_alone_on_its_line(self, compose, template: str, language: str):
        found = compose("email", template, language)
        assert found.text.splitlines().count(LINK) == 1
        assert found.html.count(f'href="{LINK}"') == 1

    def test_lines_of_72(self, compose, template: str, language: str):
        assert all(len(line) <= WIDTH for line in compose("email", template, language).text.splitlines() if line != LINK)

    def test_both_parts_say_the_same(self, compose, template: str, language: str):
        """NOT-4, WEB-8: whoever reads the plain part misses nothing."""
        found = compose("email", template, language)
        html = "".join(shown(found.html).split())
        for line in found.text.splitlines():
            if line not in {LINK, "--"} and not re.fullmatch(r"[\d ]+", line):
                for part in re.split(r"\s?:(?:\s|$)", line):
                    assert "".join(part.split()) in html, part

    def test_direction_and_language(self, compose, template: str, language: str):
        """E28: also on the part that stays where a mail program drops <html>."""
        html = compose("email", template, language).html
        direction = "rtl" if language == "ar" else "ltr"
        assert f'<html lang="{language}" dir="{direction}">' in html
        assert f'<div role="main" lang="{language}" dir="{direction}">' in html

    def test_nothing_from_elsewhere(self, compose, template: str, language: str):
        """NOT-4: no pictures that tell who opened it, no script, no font that is loaded."""
        html = compose("email", template, language).html
        assert not re.search(r"<(img|script|link|iframe|form)|url\(|@import", html)

    def test_nothing_known_reads_well(self, compose, template: str, language: str):
        """No name, no device, no time: no gap and no stray sign."""
        found = compose("email", template, language, given_name=None, asked=None)
        assert not re.search(r" [,.،]|\(\)|  |None", found.text + found.subject), found.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", CODES)
class TestLinkOrCode:
    def test_both(self, compose, template: str, language: str):
        found = compose("email", template, language)
        assert BUTTON[language] in found.text
        assert re.search(r"(?m)^482 ?913$", found.text)

    def test_a_code_alone(self, compose, template: str, language: str):
        """E15: an SMS that fell back to mail has no link; nothing speaks of a button."""
        found = compose("email", template, language, link=None, link_expires_at=None)
        assert BUTTON[language] not in found.text
        assert "http" not in found.text
        assert CODE[language] in found.text
        assert re.search(r"(?m)^482 ?913$", found.text)
        assert "13:06" in found.text
        assert "482 913" in found.html
        assert not re.search(r"<a ", found.html)

    def test_a_link_alone(self, compose, template: str, language: str):
        """EVT-9, OTP-2: the mail waited too long for its code; the link lives on."""
        found = compose("email", template, language, now=NOW + timedelta(minutes=6))
        assert LINK in found.text
        assert "482" not in found.text
        assert "482 913" not in found.html
        assert CODE[language] not in found.text.partition("--")[0]
        assert "13:06" not in found.text

    def test_a_link_that_a_rep_sent(self, compose, template: str, language: str):
        """D14: there is no window that shows a number, so the mail speaks of none."""
        number = {
            "en": "first window",
            "de": "erstes Fenster",
            "fr": "première fenêtre",
            "es": "primera ventana",
            "ar": "نافذتك الأولى",
        }
        text = " ".join(compose("email", template, language, code=None, code_expires_at=None).text.split())
        assert number[language] not in text
        assert (number[language] in " ".join(compose("email", template, language).text.split())) == (template == "password_reset")

    def test_neither(self, compose, template: str, language: str):
        with pytest.raises(NotRenderable):
            compose("email", template, language, link=None, now=NOW + timedelta(minutes=6))


class TestTimes:
    @pytest.mark.parametrize(
        ("language", "today", "tomorrow", "later"),
        [
            ("en", "until 14:00", "until tomorrow, 13:00", "until 29 November, 13:00"),
            ("de", "bis 14:00 Uhr", "bis morgen, 13:00 Uhr", "bis zum 29. November, 13:00 Uhr"),
            ("fr", "jusqu’à 14:00", "jusqu’à demain, 13:00", "jusqu’au 29 novembre, 13:00"),
            ("es", "hasta las 14:00", "hasta mañana a las 13:00", "hasta el 29 de noviembre a las 13:00"),
            ("ar", "حتى الساعة 14:00", "حتى غدٍ الساعة 13:00", "حتى 29 نوفمبر الساعة 13:00"),
        ],
    )
    def test_until_when(self, compose, language: str, today: str, tomorrow: str, later: str):
        """WEB-16: whole phrases of the language, Latin digits, in the application's time zone."""
        for hours, said in ((1, today), (24, tomorrow), (120, later)):
            text = compose("email", "password_reset", language, link_expires_at=NOW + timedelta(hours=hours)).text
            assert said in " ".join(text.split())

    def test_asked_on_another_day(self, compose):
        asked = Origin(at=NOW - timedelta(days=3), device="Firefox", place="Leipzig")
        text = " ".join(compose("email", "activation", asked=asked).text.split())
        assert "on 21 November at 13:00, in Firefox near Leipzig." in text


class TestNotices:
    def test_rows_without_a_value_are_left_out(self, compose):
        found = compose("email", "password_changed", sessions_ended=0, asked=Origin(at=NOW))
        assert "Also done" not in found.text
        assert "Where" not in found.text
        assert "When: Tuesday, 24 November 2026, 13:00" in found.text

    @pytest.mark.parametrize("template", NOTICES)
    def test_why_it_comes_stands_below(self, compose, template: str):
        """NOT-3: it can't be switched off, and says so at the foot."""
        assert "safety of your account" in " ".join(compose("email", template).text.partition("\n--\n")[2].split())

    def test_no_link_no_invitation_to_press(self, compose):
        text = compose("email", "password_changed", link=None).text
        assert "Press here" not in text


class TestLanguages:
    def test_an_unknown_language_falls_back_as_a_whole(self, compose, application):
        """WEB-16."""
        assert compose("email", "activation", "xx").language == "en"

    def test_to_the_applications_default(self, compose, application, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setitem(application.__dict__, "default_language", "fr")
        found = compose("email", "activation", "pt")
        assert (found.language, found.subject) == ("fr", "Activez votre compte Elmstead")


class TestStrict:
    def test_a_missing_variable_is_an_error(self, compose, monkeypatch: pytest.MonkeyPatch):
        """The engine guesses nothing: a template with a slip is refused, not sent."""
        broken = {**words.copy_of("layout", "en"), "subject": "{{ nothing }}"}
        monkeypatch.setattr(render, "copy_of", lambda *_: broken)
        with pytest.raises(UndefinedError):
            compose("email", "activation")


def test_a_test_says_so(compose):
    found = compose("email", "welcome", "de", test=True)
    assert found.subject == "[Test] Willkommen bei Elmstead"
    assert found.text.startswith("Dies ist ein Test.")
    assert "Dies ist ein Test." in shown(found.html)
