"""Mails: what they say in every language, with a link, a code, or both; how they are built (WEB-8, WEB-14, WEB-16, EVT-9)."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from html import unescape
from typing import get_args

import pytest
from jinja2 import UndefinedError
from latchkey_contracts.brand import Brand
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.messages import Origin
from latchkey_contracts.mfa import FactorKind
from latchkey_contracts.templates import TEMPLATES
from notifier.channels.smtp import compose as on_the_wire
from notifier.templates import render, words
from notifier.templates.render import WIDTH, NotRenderable
from notifier.templates.sample import TO_SECURITY, TOKEN

from .conftest import NOW

LINK, SECURITY = f"https://id.example/demo/l/{TOKEN}", "https://id.example/demo/account/security"
UNDO = f"https://id.example/demo/l/{TOKEN[::-1]}"
CODES = ("activation", "password_reset")
NOTICES = [name for name, one in TEMPLATES.items() if one.security]
# What a mail calls the button, the code and the other device, by language.
BUTTON = {"en": "button", "de": "Knopf", "fr": "bouton", "es": "botón", "ar": "الزر"}
CODE = {"en": "code", "de": "Code", "fr": "code", "es": "código", "ar": "رمز"}
NUMBER = {
    "en": "first window",
    "de": "erstes Fenster",
    "fr": "première fenêtre",
    "es": "primera ventana",
    "ar": "نافذتك الأولى",
}


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
        """None where a code alone is sent."""
        found, count = compose("email", template, language), int("link" in TEMPLATES[template].variables)
        link = SECURITY if template in TO_SECURITY else LINK
        assert found.text.splitlines().count(link) == count
        assert found.html.count(f'href="{link}"') == count
        # One that must say yes has a way out beside it.
        assert len(re.findall(r"<a [^>]*href=\"https:", found.html)) == count + ("undo" in TEMPLATES[template].variables)

    def test_lines_of_72(self, compose, template: str, language: str):
        assert all(
            len(line) <= WIDTH for line in compose("email", template, language).text.splitlines() if line not in {LINK, UNDO}
        )

    def test_both_parts_say_the_same(self, compose, template: str, language: str):
        """NOT-4, WEB-8: whoever reads the plain part misses nothing."""
        found = compose("email", template, language)
        html = "".join(shown(found.html).split())
        for line in found.text.splitlines():
            if line not in {LINK, UNDO, SECURITY, "--"} and not re.fullmatch(r"[\d ]+", line):
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
        assert not re.search(r"<(script|link|iframe|form)|url\(|@import", html)
        assert all(one.startswith("cid:") for one in re.findall(r'<img src="([^"]*)"', html))

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
        text = " ".join(compose("email", template, language, code=None, code_expires_at=None).text.split())
        assert NUMBER[language] not in text
        assert (NUMBER[language] in " ".join(compose("email", template, language).text.split())) == (template == "password_reset")

    def test_neither(self, compose, template: str, language: str):
        with pytest.raises(NotRenderable):
            compose("email", template, language, link=None, now=NOW + timedelta(minutes=6))


@pytest.mark.parametrize("language", LANGUAGES)
class TestSignIn:
    @pytest.mark.parametrize("template", ["sign_in_code", "factor_code"])
    def test_a_code(self, compose, template: str, language: str):
        """OTP-2, OTP-9: what for, asked when and where, until when; never once it is over."""
        found = compose("email", template, language)
        text = " ".join(found.text.split())
        assert "482 913" in found.html
        assert re.search(r"(?m)^482 ?913$", found.text)
        assert "482" not in found.subject
        assert "13:06" in text
        assert "13:00 CET" in text
        assert "Firefox" in text
        assert BUTTON[language] not in text
        with pytest.raises(NotRenderable):
            compose("email", template, language, now=NOW + timedelta(minutes=6))

    def test_nobody_is_greeted_where_nothing_is_proven(self, compose, language: str):
        assert "Mira" in compose("email", "sign_in_code", language).text
        assert "Mira" not in compose("email", "factor_code", language, given_name="Mira").text

    def test_a_link(self, compose, language: str):
        """LNK-3, LNK-4: asked when and in what; another device asks for the number."""
        text = " ".join(compose("email", "sign_in_link", language).text.split())
        assert NUMBER[language] in text
        assert BUTTON[language] in text
        assert "13:00 CET" in text
        assert "Firefox" in text
        assert "482" not in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("factor", get_args(FactorKind))
@pytest.mark.parametrize("template", ["factor_added", "factor_removed"])
def test_which_factor_it_was(compose, template: str, factor: str, language: str):
    """MFA-8: in words of the language."""
    said = words.copy_of("layout", language)
    assert said["factors"][factor] in " ".join(compose("email", template, language, factor=factor).text.split())
    assert said["factors_short"][factor] in compose("sms", template, language, factor=factor).body


class TestTimes:
    @pytest.mark.parametrize(
        ("language", "until", "asked"),
        [
            ("en", "until 25 November, 13:00 CET", "on 21 November at 13:00 CET"),
            ("de", "bis zum 25. November, 13:00 CET", "am 21. November um 13:00 CET"),
            ("fr", "jusqu’au 25 novembre, 13:00 CET", "le 21 novembre à 13:00 CET"),
            ("es", "hasta el 25 de noviembre a las 13:00 CET", "el 21 de noviembre a las 13:00 CET"),
            ("ar", "حتى 25 نوفمبر الساعة 13:00 CET", "يوم 21 نوفمبر الساعة 13:00 CET"),
        ],
    )
    def test_whole_phrases_with_date_and_zone(self, compose, language: str, until: str, asked: str):
        """WEB-16, NOT-4: true whenever and wherever it is read; Latin digits, in the application's time zone."""
        found = compose(
            "email",
            "password_reset",
            language,
            link_expires_at=NOW + timedelta(hours=24),
            asked=Origin(at=NOW - timedelta(days=3), device="Firefox", place="Leipzig"),
        )
        text = " ".join(found.text.split())
        assert until in text
        assert asked in text

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", TEMPLATES)
    def test_no_day_is_told_by_where_its_reader_stands(self, compose, template: str, language: str):
        """A mail of today is read tomorrow."""
        near = r"\b(today|tomorrow|heute|morgen|aujourd’hui|demain|hoy|mañana)\b|اليوم|غد"
        for channel in TEMPLATES[template].channels:
            message = compose(channel, template, language)
            said = f"{message.subject} {message.text}" if channel == "email" else message.body
            assert not re.search(near, said), said

    @pytest.mark.parametrize(("zone", "said"), [("Asia/Kolkata", "17:30 IST"), ("America/Sao_Paulo", "09:00 UTC-03:00")])
    def test_zones_without_a_name(self, compose, application, monkeypatch: pytest.MonkeyPatch, zone: str, said: str):
        monkeypatch.setitem(application.__dict__, "timezone", zone)
        assert said in compose("email", "password_changed").text


class TestPicture:
    """NOT-4: the brand's own, inside of the mail; nothing is loaded when it is read."""

    def logo(self, application, monkeypatch: pytest.MonkeyPatch, **brand: str) -> None:
        monkeypatch.setitem(application.__dict__, "brand", application.brand.model_copy(update=brand))

    def test_it_goes_along(self, compose, application, monkeypatch: pytest.MonkeyPatch):
        self.logo(application, monkeypatch, logo="leaf")
        found = compose("email", "activation")
        assert re.findall(r"<img [^>]*>", found.html) == [
            '<img src="cid:leaf" width="28" height="28" alt="" style="display:block;border:0;">'
        ]
        assert found.picture.png.startswith(b"\x89PNG")
        assert len(found.picture.png) < 4000
        message = message_from_bytes(on_the_wire(found, datetime.now(UTC)), policy=default)
        assert [one.get_content_type() for one in message.walk()] == [
            "multipart/alternative",
            "text/plain",
            "multipart/related",
            "text/html",
            "image/png",
        ]
        image = list(message.walk())[-1]
        assert (image["Content-ID"], image.get_content_disposition()) == ("<leaf>", "inline")
        assert image.get_content() == found.picture.png

    @pytest.mark.parametrize("logo", [one for one in get_args(Brand.model_fields["logo"].annotation) if one != "none"])
    @pytest.mark.parametrize("strip", ["#0b3d45", "#ffd84d"], ids=["dark strip", "light strip"])
    def test_every_mark_has_its_picture(self, compose, application, monkeypatch: pytest.MonkeyPatch, logo: str, strip: str):
        """WEB-14: a brand chooses among named marks; none is missing in a mail."""
        self.logo(application, monkeypatch, logo=logo, brand=strip)
        found = compose("email", "activation")
        assert found.picture.png.startswith(b"\x89PNG")
        assert f'src="cid:{logo}"' in found.html

    def test_dark_on_a_light_strip(self, compose, application, monkeypatch: pytest.MonkeyPatch):
        self.logo(application, monkeypatch, logo="leaf")
        dark = compose("email", "activation").picture.png
        self.logo(application, monkeypatch, logo="leaf", brand="#ffd84d")
        assert compose("email", "activation").picture.png != dark

    def test_a_brand_without_one(self, compose, application, monkeypatch: pytest.MonkeyPatch):
        self.logo(application, monkeypatch, logo="none")
        found = compose("email", "activation")
        assert (found.picture, "<img" in found.html) == (None, False)


class TestButton:
    def test_outlook_pads_its_cell(self, compose):
        """Its Word engine ignores a link's padding."""
        assert re.search(r"<td class=\"button\"[^>]*mso-padding-alt:13px 22px;", compose("email", "activation").html)
        assert re.search(r"<td class=\"edge\"[^>]*mso-padding-alt:13px 22px;", compose("email", "password_changed").html)


class TestNotices:
    def test_rows_without_a_value_are_left_out(self, compose):
        found = compose("email", "password_changed", sessions_ended=0, asked=Origin(at=NOW))
        assert "Also done" not in found.text
        assert "Where" not in found.text
        assert "When: Tuesday, 24 November 2026, 13:00 CET" in found.text

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
