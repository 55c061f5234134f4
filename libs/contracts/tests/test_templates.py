"""What an operator's own text of a message may say: data with names in it, never code (WEB-14)."""

import pytest
from latchkey_contracts.templates import LANES, PARTS, TEMPLATES, problems


class TestRegistry:
    def test_what_a_part_must_say_is_known_to_the_template(self) -> None:
        for name, one in TEMPLATES.items():
            assert one.lane in LANES
            for part, required in one.required.items():
                assert PARTS[part] in one.channels, name
                assert required <= one.variables, name

    def test_security_notices_have_a_lane_of_their_own(self) -> None:
        """NOT-3."""
        assert {name for name, one in TEMPLATES.items() if one.security} == {
            "reset_succeeded",
            "password_changed",
            "account_frozen",
            "total_loss_announced",
        }


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
