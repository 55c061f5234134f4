"""An operator's own texts: used for their application and language alone, as data, cleaned, never mixed (docs/configuration.md, R14, R20, WEB-14, WEB-16)."""

import re
import time
from datetime import timedelta

import pytest
from latchkey_contracts.configuration import LANGUAGES
from notifier.templates.own import TAGS

from .conftest import NOW

HTML = '<h1>Grüß Gott {{ name }}</h1><p>Ihr neues Passwort: <a href="{{ link }}">hier</a>, oder <b>{{ code }}</b>.</p>'
TEXT = "Grüß Gott {{ name }},\n\nIhr neues Passwort:\n{{ link }}\n\nCode: {{ code }}"
GERMAN = {
    "password_reset": {"de": {"subject": "Passwort für {{ short }}", "text": TEXT, "html": HTML, "sms": "Ihr Code: {{ code }}"}}
}


def html_of(compose, html: str, **changes) -> str:
    """The operator's part of the mail, as it goes out."""
    texts = {"password_reset": {"de": {"text": TEXT, "html": html}}}
    return compose("email", "password_reset", "de", texts=texts, **changes).html.partition("</head>")[2]


class TestUse:
    def test_mail(self, compose):
        found = compose("email", "password_reset", "de", texts=GERMAN)
        assert found.subject == "Passwort für Elmstead"
        assert found.text.startswith("Grüß Gott Mira,\n\nIhr neues Passwort:\nhttps://id.example/demo/l/")
        assert "\nCode: 482 913\n" in found.text
        assert "Grüß Gott Mira</h1>" in found.html
        assert "Elmstead Energy</td>" in found.html, "inside of our layout"
        assert "Setzen Sie ein neues Passwort" not in found.text + found.html

    def test_sms(self, compose):
        """OTP-9: the bound line is added to any text with a code; typographic signs that would double the price are not."""
        assert compose("sms", "password_reset", "de", texts=GERMAN).body == "Ihr Code: 482913\n@id.example #482913"
        texts = {"password_reset": {"en": {"sms": "It’s “{{ code }}” – ours…\n\n{% if name %}Hi {{ name }}{% endif %}"}}}
        assert compose("sms", "password_reset", texts=texts).body == 'It\'s "482913" - ours...\n\nHi Mira\n@id.example #482913'

    def test_another_message_keeps_ours(self, compose):
        assert compose("email", "activation", "de", texts=GERMAN).subject == "Aktivieren Sie Ihr Konto bei Elmstead"

    def test_a_subject_alone(self, compose):
        found = compose("email", "welcome", "en", texts={"welcome": {"en": {"subject": "Here we go, {{ name }}"}}})
        assert found.subject == "Here we go, Mira"
        assert "Your account is ready" in found.text

    def test_what_is_not_known_is_left_out(self, compose):
        texts = {"welcome": {"en": {"subject": "Hello{% if name %} {{ name }}{% else %} there{% endif %}"}}}
        assert compose("email", "welcome", texts=texts, given_name=None).subject == "Hello there"

    @pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "de"])
    @pytest.mark.parametrize("channel", ["email", "sms", "voice"])
    def test_a_language_without_own_words_has_ours_as_a_whole(self, compose, channel: str, language: str):
        """WEB-16: never mixed in one message."""
        assert compose(channel, "password_reset", language, texts=GERMAN) == compose(channel, "password_reset", language)

    def test_an_unknown_language_has_the_defaults_own_words(self, compose):
        texts = {"welcome": {"en": {"subject": "Own"}}}
        assert compose("email", "welcome", "pt", texts=texts).subject == "Own"

    @pytest.mark.parametrize(
        "text",
        [
            {"sms": "{{ code.__class__ }} {{ code }}"},
            {"sms": "no code"},
            {"subject": "{% for x in y %}"},
            {"text": "{{ link }} {{ code }}"},
        ],
    )
    def test_what_could_not_be_applied_is_not_used(self, compose, text: dict):
        """A newer release may have let it through; ours go out then, and the log says so."""
        for channel in ("email", "sms"):
            ours = compose(channel, "password_reset", "en")
            assert compose(channel, "password_reset", "en", texts={"password_reset": {"en": text}}) == ours


class TestLinkOrCode:
    """EVT-9, E15: a mail may have a link alone, or a code alone."""

    BOTH = "{% if link %}Press {{ link }}{% if code %} or {% endif %}{% endif %}{% if code %}type {{ code }}{% endif %}."

    @pytest.mark.parametrize(
        ("changes", "text"),
        [
            ({}, "00000000000000 or\ntype 482 913.\n"),
            ({"link": None}, "type 482 913.\n"),
            ({"now": NOW + timedelta(minutes=6)}, "00000000000000.\n"),
        ],
    )
    def test_a_text_that_knows_it(self, compose, changes: dict, text: str):
        texts = {"password_reset": {"en": {"text": self.BOTH, "html": self.BOTH}}}
        assert text in compose("email", "password_reset", texts=texts, **changes).text

    @pytest.mark.parametrize("changes", [{"link": None}, {"now": NOW + timedelta(minutes=6)}])
    def test_a_text_that_doesnt_makes_room_for_ours(self, compose, changes: dict):
        assert compose("email", "password_reset", "de", texts=GERMAN, **changes) == compose(
            "email", "password_reset", "de", **changes
        )


class TestCleaning:
    @pytest.mark.parametrize(
        "html",
        [
            "<script>alert(1)</script>",
            "<style>.outer{display:none}</style>",
            "<img src='https://evil.test/pixel.gif'>",
            "<p onclick='alert(1)'>x</p>",
            "<p style='background:url(https://evil.test)'>x</p>",
            "<a href='javascript:alert(1)'>x</a>",
            "<a href='JaVaScRiPt:alert(1)'>x</a>",
            "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
            "<a href='//evil.test/x'>x</a>",
            "<iframe src='https://evil.test'></iframe>",
            "<form action='https://evil.test'><input name=a></form>",
            "<svg><script>alert(1)</script></svg>",
            "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
            "<link rel=stylesheet href='https://evil.test'>",
            "<meta http-equiv=refresh content='0;url=https://evil.test'>",
            "<base href='https://evil.test'>",
            "<!-- comment --><noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
            "<table background='https://evil.test/p.gif'><tr><td>x",
        ],
    )
    def test_gone(self, compose, html: str):
        found = html_of(compose, f"{html}<p>{{{{ link }}}} {{{{ code }}}}</p>")
        assert not re.search(
            r"evil\.test|alert\(|<(script|style|img|iframe|form|input|svg|math|link|meta|base)", found, re.IGNORECASE
        )
        assert "482 913" in found

    def test_open_tags_end_inside_of_the_layout(self, compose):
        """No text of an operator's can swallow the foot of the mail."""
        found = html_of(compose, "</td></tr></table><div><ul><li><b>{{ link }} {{ code }}")
        assert found.count("<div") == found.count("</div>")
        assert "never" not in found.partition("Passwort oder einem Code")[2]
        assert "Wir fragen nie nach Ihrem Passwort" in found

    def test_kept(self, compose):
        kept = "<h2>A</h2><ul><li>b</li></ul><p dir='rtl' lang='ar'><em>c</em></p><a href='mailto:help@elmstead.example'>d</a>"
        found = html_of(compose, f"{kept}{{{{ link }}}}{{{{ code }}}}")
        for part in ("<ul><li>b</li></ul>", 'dir="rtl"', 'lang="ar"', 'href="mailto:help@elmstead.example"', "<em>c</em>"):
            assert part in found
        assert "script" not in TAGS

    def test_values_are_text(self, compose):
        found = html_of(compose, "<p>{{ name }} {{ link }} {{ code }}</p>", given_name="<u>Mira</u>&amp;")
        assert "<u>" not in found

    @pytest.mark.parametrize("name", ["javascript:alert(1)", "x onclick=alert(1)"])
    def test_even_inside_of_a_tag(self, compose, monkeypatch: pytest.MonkeyPatch, name: str):
        """Refused at apply, and harmless should it come all the same."""
        monkeypatch.setattr("notifier.templates.own._usable", lambda *_: True)
        found = html_of(compose, "<a href={{ name }}>{{ link }}{{ code }}</a>", given_name=name)
        assert not re.search(r"href=.?javascript|onclick", found)

    def test_looks_like_the_rest(self, compose):
        found = html_of(compose, '<p>x</p><a href="{{ link }}">{{ code }}</a>')
        assert 'class="accent"' in found


def test_composing_is_quick(compose):
    """A mail in well below a millisecond, one with an operator's HTML in about one; ten times that is a mistake."""
    for texts in (None, GERMAN):
        compose("email", "password_reset", "de", texts=texts)
        started = time.process_time()
        for _ in range(50):
            compose("email", "password_reset", "de", texts=texts)
        assert (time.process_time() - started) / 50 < 0.010
