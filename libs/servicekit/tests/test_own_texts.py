"""What an operator's own text of a message may say: data with names in it, never code (WEB-14)."""

from typing import ClassVar

import pytest
from servicekit.own_texts import fill, problems


@pytest.mark.parametrize(
    "text",
    [
        "{{ brand }}: {{code}} until {{ code_until }}",
        "Hello{% if name %} {{ name }}{% else %} there{% endif %}: {{ code }}",
        "{% if name %}{% if device %}{{ device }}{% endif %}{% endif %}{{ code }}",
        "100 % of {braces} and 5 % are plain: {{ code }}",
    ],
)
def test_understood(text: str) -> None:
    assert list(problems("activation", "sms", text)) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no variable", "must say {{ code }}"),
        ("{% if name %}{{ code }}{% endif %}", "must say {{ code }}"),
        ("{{ code }} {{ password }}", "password: not known here"),
        ("{{ code }} {{ usernames }}", "usernames: not known here"),
        ("{{ code }}{{ name.__class__ }}", "{{: only"),
        ("{{ code }}{{ 7*7 }}", "{{: only"),
        ("{{ code|upper }}", "{{: only"),
        ("{{ code }}{% for x in name %}{% endfor %}", "{%: only"),
        ("{{ code }}{% set x = 1 %}", "{%: only"),
        ("{{ code }}{# a comment #}", "{#: only"),
        ("{{ code }}{% if name %}", "has no {% endif %}"),
        ("{{ code }}{% endif %}", "out of place"),
        ("{{ code }}{% else %}", "out of place"),
        ("{{ code }}{% if name %}{% else %}{% else %}{% endif %}", "out of place"),
        ("{{ code }}{% if %}{% endif %}", "out of place"),
        ("{{ code", "{{: only"),
    ],
)
def test_refused_with_its_reason(text: str, why: str) -> None:
    assert any(why in one for one in problems("activation", "sms", text)), list(problems("activation", "sms", text))


def test_a_mail_may_leave_a_dead_code_out() -> None:
    """EVT-9: the link lives on alone."""
    assert list(problems("password_reset", "text", "{{ link }}{% if code %} or {{ code }}{% endif %}")) == []


def test_a_mail_may_have_a_code_alone() -> None:
    """E15: a text message fell back to it. A notice always has its link."""
    text = "{% if link %}{{ link }}{% endif %}{% if code %}{{ code }}{% endif %}"
    assert list(problems("password_reset", "html", text)) == []
    assert any("must say {{ link }}" in one for one in problems("password_changed", "html", "{% if link %}{{ link }}{% endif %}"))


class TestUnwise:
    """What could be filled in and still must not be sent."""

    @pytest.mark.parametrize("text", ["{{ code }} is your code", "Press {{ link }}"])
    def test_no_secret_in_a_subject(self, text: str) -> None:
        assert any("locked screens" in one for one in problems("password_reset", "subject", text))

    @pytest.mark.parametrize(
        "text", ["{{ code }} {{ link }}", "{{ code }} https://elmstead.example", "{{ code }} WWW.elmstead.example"]
    )
    def test_no_link_beside_a_code(self, text: str) -> None:
        """OTP-9."""
        assert any("OTP-9" in one for one in problems("password_reset", "sms", text))

    def test_a_notice_needs_its_link(self) -> None:
        assert list(problems("password_changed", "sms", "Not you? {{ link }}")) == []

    @pytest.mark.parametrize("tag", ['<a href="{{ name }}">', "<p title={{device}}>", '<a href="{{ link }}" lang="{{ brand }}">'])
    def test_customers_data_only_between_tags(self, tag: str) -> None:
        """WEB-14."""
        assert any("inside of a tag" in one for one in problems("password_reset", "html", f"{tag}{{{{ link }}}}{{{{ code }}}}"))

    @pytest.mark.parametrize("text", ["<a href='{{ link }}'>{{ code }}</a>", "1 < 2 {{ name }} > {{ link }} {{ code }}"])
    def test_the_link_may(self, text: str) -> None:
        assert not any("link" in one for one in problems("password_reset", "html", text))

    def test_digits_twice_at_most(self) -> None:
        """PST-4."""
        assert list(problems("password_reset", "voice", "{{ digits }} {{ digits }}")) == []
        assert any("PST-4" in one for one in problems("password_reset", "voice", "{{ digits }}" * 3))


class TestFill:
    VALUES: ClassVar = {"name": "Mira", "device": "", "code": "482913", "brand": "{{ code }}{% if code %}"}

    @pytest.mark.parametrize(
        ("text", "filled"),
        [
            ("{{ name }}: {{code}}.", "Mira: 482913."),
            ("a{% if device %} in {{ device }}{% endif %}b", "ab"),
            ("a{% if device %}x{% else %}y{% endif %}b", "ayb"),
            ("{% if name %}{% if device %}x{% else %}y{% endif %}z{% else %}u{% endif %}", "yz"),
            ("{% if device %}{% if name %}x{% else %}y{% endif %}{% endif %}", ""),
            ("{{ brand }}", "{{ code }}{% if code %}"),
            ("100 % {sure}", "100 % {sure}"),
            ("", ""),
        ],
    )
    def test_a_value_is_never_read_as_a_tag(self, text: str, filled: str) -> None:
        assert fill(text, self.VALUES) == filled

    def test_values_alone_are_escaped(self) -> None:
        assert fill("<b>{{ name }}</b>", {"name": "<i>"}, lambda value: value.replace("<", "&lt;")) == "<b>&lt;i></b>"
