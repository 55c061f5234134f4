"""WEB-18: how many segments an SMS takes, by 3GPP TS 23.038, and what each of ours takes at most."""

from typing import get_args

import pytest
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.messages import Origin
from latchkey_contracts.mfa import FactorKind
from latchkey_contracts.templates import TEMPLATES
from notifier.templates.segments import segments

from .conftest import NOW

# With our sample data and an origin of ten letters. Arabic needs 16 bits a letter, so a link fills a segment alone.
CODE_LIMIT = {"en": 1, "de": 1, "fr": 1, "es": 1, "ar": 2}
OTHER_LIMIT = {"en": 1, "de": 1, "fr": 1, "es": 1, "ar": 3}
SMS = [name for name, one in TEMPLATES.items() if "sms" in one.channels]


class TestAlphabets:
    @pytest.mark.parametrize("text", ["@£$¥èéùìòÇ", "Øøåß ÄÖÑÜ äöñüà", "ΔΦΓΛΩΠΨΣΘΞ", "¿¡ §¤ \n\r", "a'b\"c", "{[€]}~^|\\"])
    def test_gsm(self, text: str):
        assert segments(text).encoding == "GSM-7"

    @pytest.mark.parametrize("text", ["ç", "ê", "í", "ó", "’", "«", "–", "`", "\u00a0", "م", "中", "\U0001f98a", "\t"])
    def test_what_looks_like_it_and_is_not(self, text: str):
        """ASCII has a backtick and a tab that the default alphabet lacks; of the accents many are missing."""
        assert segments(text).encoding == "UCS-2"

    def test_characters_of_the_extension_take_two(self):
        assert segments("€").units == 2
        assert segments("a{b}").units == 6


class TestCounts:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("", 1),
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("a" * 306, 2),
            ("a" * 307, 3),
            ("é" * 160, 1),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("€" * 152, 2),
            ("€" * 153, 3),  # 153 septets hold 76 pairs and no half one
            ("م" * 70, 1),
            ("م" * 71, 2),
            ("م" * 134, 2),
            ("م" * 135, 3),
            ("\U0001f98a" * 35, 1),
            ("\U0001f98a" * 36, 2),
            ("\U0001f98a" * 66, 2),  # 67 units hold 33 pairs and no half one
            ("\U0001f98a" * 67, 3),
        ],
    )
    def test_of(self, text: str, count: int):
        assert segments(text).count == count


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", SMS)
def test_ours_stay_within_their_limits(compose, template: str, language: str):
    found = segments(compose("sms", template, language).body)
    limit = CODE_LIMIT if "code" in TEMPLATES[template].required.get("sms", ()) else OTHER_LIMIT
    assert found.count <= limit[language], found
    assert found.encoding == ("UCS-2" if language == "ar" else "GSM-7")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("factor", get_args(FactorKind))
@pytest.mark.parametrize("template", ["factor_added", "factor_removed"])
def test_whatever_the_factor(compose, template: str, factor: str, language: str):
    found = segments(compose("sms", template, language, factor=factor).body)
    assert found.count <= OTHER_LIMIT[language], found
    assert found.encoding == ("UCS-2" if language == "ar" else "GSM-7")


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != "ar"])
@pytest.mark.parametrize("month", range(1, 13))
def test_no_month_doubles_the_price(compose, language: str, month: int):
    """FRD-3: août has a letter that is in no GSM alphabet."""
    asked = Origin(at=NOW.replace(month=month, day=27))
    for template in ("password_changed", "username_reminder", "sign_in_link", "factor_added"):
        assert segments(compose("sms", template, language, asked=asked).body).encoding == "GSM-7"
