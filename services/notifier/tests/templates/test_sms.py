"""Text messages: whose they are, what for, until when; a code bound to our host, and no link beside it (OTP-9)."""

import re
from datetime import timedelta

import pytest
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.templates import TEMPLATES
from notifier.templates.render import NotRenderable, Renderer
from notifier.templates.sample import TO_SECURITY
from notifier.templates.segments import segments

from .conftest import NOW

CODES = ("activation", "password_reset", "sign_in_code", "step_up_code", "factor_code", "caller_code")
NEVER = {
    "en": "We never ask",
    "de": "Wir fragen nie",
    "fr": "Nous ne le demandons jamais",
    "es": "Nunca se la pedimos",
    "ar": "لا نطلبه منك أبدًا",
}
# The one code that is told to somebody: to whom the customer has called (E24).
TOLD = {
    "en": "Tell it only if you called us",
    "de": "Nennen Sie ihn nur, wenn Sie uns angerufen haben",
    "fr": "Ne le dites que si vous nous avez appelés",
    "es": "No la diga si no nos ha llamado usted",
    "ar": "لا تقله إلا إذا كنت أنت من اتصل بنا",
}
LINKED = ("reset_succeeded", "password_changed", "account_frozen")


@pytest.mark.parametrize("language", LANGUAGES)
class TestCodes:
    @pytest.mark.parametrize("template", CODES)
    def test_the_last_line_binds_it_to_our_host(self, compose, template: str, language: str):
        """OTP-9: one line of words, then `@host #code`."""
        said, bound = compose("sms", template, language).body.split("\n")
        assert bound == "@id.example #482913"
        assert "Elmstead" in said
        assert "482913" in said
        assert "13:06" in said
        assert (TOLD if template == "caller_code" else NEVER)[language] in said
        assert not re.search(r"https?:|www\.", said)

    @pytest.mark.parametrize("template", CODES)
    def test_a_dead_code_is_never_sent(self, compose, template: str, language: str):
        """EVT-9."""
        with pytest.raises(NotRenderable):
            compose("sms", template, language, now=NOW + timedelta(minutes=6))

    @pytest.mark.parametrize("template", LINKED)
    def test_a_notice_ends_with_its_link(self, compose, template: str, language: str):
        """REC-7: nothing after it that a phone would take for a part of it."""
        found = compose("sms", template, language)
        assert found.body.endswith(" https://id.example/demo/l/test-link-that-opens-nothing-00000000000000")
        assert "#" not in found.body

    @pytest.mark.parametrize("template", sorted(one for one in TO_SECURITY if "sms" in TEMPLATES[one].channels))
    def test_a_notice_of_factors_ends_with_the_security_page(self, compose, template: str, language: str):
        assert compose("sms", template, language).body.endswith(" https://id.example/demo/account/security")
        assert compose("sms", template, language, link=None, factor=None, asked=None).body.endswith(".")

    def test_a_sign_in_link_ends_its_text(self, compose, language: str):
        """R29: whose, what for, asked when; and nothing to be typed."""
        body = compose("sms", "sign_in_link", language).body
        assert body.endswith(" https://id.example/demo/l/test-link-that-opens-nothing-00000000000000")
        assert "Elmstead" in body
        assert "13:00 CET" in body
        assert "#" not in body

    def test_a_notice_without_a_link(self, compose, language: str):
        assert compose("sms", "password_changed", language, link=None).body.rstrip().endswith(".")

    def test_usernames(self, compose, language: str):
        """R14, REC-10: all of them."""
        body = compose("sms", "username_reminder", language, usernames=["mira", "mira.okafor"]).body
        assert re.search(r"mira[,،] mira\.okafor", body)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8080", "localhost"),
        ("https://id.example:8443/x", "id.example"),
        ("https://xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
    ],
)
def test_the_host_has_no_port(application, origin: str, host: str):
    assert Renderer("a@b", origin)._host == host


class TestTyped:
    """One typographic sign puts a whole text message into UCS-2, at two or three times the price (FRD-3)."""

    @pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "ar"])
    @pytest.mark.parametrize("template", [*CODES, *LINKED])
    def test_a_brands_name(self, compose, template: str, language: str):
        brand = {"name": "Macy’s “Energy” – north", "short_name": "Macy’s"}
        body = compose("sms", template, language, brand=brand).body
        assert segments(body).encoding == "GSM-7"
        assert "Macy's" in body

    def test_an_operators_own_words_of_it(self, compose):
        texts = {"password_changed": {"en": {"sms": "{{ brand }} – {{ short }}: {{ link }}"}}}
        body = compose("sms", "password_changed", texts=texts, brand={"name": "Macy’s Energy", "short_name": "Macy’s"}).body
        assert body.startswith("Macy's Energy - Macy's: https://")

    def test_never_what_must_be_typed_or_followed_as_it_is(self, compose):
        link = "https://id.example/demo/l/a–b’c"
        assert compose("sms", "password_changed", link=link).body.endswith(link)
        assert "o’neill–1" in compose("sms", "username_reminder", usernames=["o’neill–1"]).body

    def test_mails_say_it_as_it_is_written(self, compose):
        assert "Macy’s" in compose("email", "activation", brand={"name": "Macy’s", "short_name": None}).subject


@pytest.mark.parametrize("template", [name for name, one in TEMPLATES.items() if "sms" not in one.channels])
def test_a_message_without_such_a_form(compose, template: str):
    with pytest.raises(NotRenderable):
        compose("sms", template)


def test_a_test_says_so(compose):
    assert compose("sms", "activation", "es", test=True).body.startswith("Prueba: Elmstead: 482913")
