"""Calls: a prompt without digits, then digit by digit with pauses, twice, in less than a minute (PST-4, E14, WEB-18)."""

import re
from datetime import timedelta

import pytest
from latchkey_contracts.configuration import LANGUAGES
from latchkey_contracts.templates import TEMPLATES
from notifier.channels.base import Call, Pause
from notifier.channels.twilio import CALL_SECONDS, KEY_SECONDS, VOICES, twiml
from notifier.templates.render import NotRenderable

from .conftest import NOW, xml

CALLS = [name for name, one in TEMPLATES.items() if "voice" in one.channels]
GOODBYE = "Nobody from Elmstead will ever ask you for this code. Goodbye."
DIGITS = [
    "4", Pause(0.6), "8", Pause(0.6), "2", Pause(1.2), "9", Pause(0.6), "1", Pause(0.6), "3", Pause(1.2),
]  # fmt: skip
OWN = {"password_reset": {"de": {"voice": "Hier {{ short }}. Schreiben Sie mit: {{ digits }}. Das war es, {{ name }}."}}}


def seconds(call: Call) -> float:
    """Slow speech: 12 letters a second, half a second a digit."""
    spoken = [part for part in call.script if isinstance(part, str)]
    words = sum(0.5 if part.isdigit() else len(part) / 12 for part in [call.prompt, *spoken])
    return words + sum(part.seconds for part in call.script if isinstance(part, Pause))


class TestWords:
    def test_in_english(self, compose):
        call = compose("voice", "password_reset")
        assert call.prompt == "Hello, this is Elmstead with your code to set a new password. Press 1 to hear it."
        assert list(call.script) == ["Your code is:", *DIGITS, "Once more:", *DIGITS, GOODBYE]
        assert call.body == f"Your code is: 4, 8, 2, 9, 1, 3. Once more: 4, 8, 2, 9, 1, 3. {GOODBYE}"

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", CALLS)
    def test_in_every_language(self, compose, template: str, language: str):
        call = compose("voice", template, language)
        assert call.language == language
        assert re.findall(r"\d", call.prompt) == ["1"], "the key, and no digit of the code"
        assert "Elmstead" in call.prompt
        assert "Elmstead" in call.script[-1]
        assert [part for part in call.script if isinstance(part, str) and part.isdigit()] == list("482913482913")

    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("template", CALLS)
    def test_in_less_than_a_minute(self, compose, template: str, language: str):
        """With eight digits, pressed at the last moment."""
        call = compose("voice", template, language, code="48291377")
        assert seconds(call) + KEY_SECONDS + 1 < CALL_SECONDS

    @pytest.mark.parametrize("template", CALLS)
    def test_a_dead_code_is_not_said(self, compose, template: str):
        with pytest.raises(NotRenderable):
            compose("voice", template, now=NOW + timedelta(minutes=6))


class TestOwn:
    def test_digits_in_ones_own_words(self, compose):
        call = compose("voice", "password_reset", "de", texts=OWN)
        assert list(call.script)[:2] == ["Hier Elmstead. Schreiben Sie mit:", "4"]
        assert call.script[-2] == ". Das war es, Mira."
        assert call.script[-1].startswith("Niemand von Elmstead"), "the warning stays"

    def test_no_name_brings_more_digits(self, compose):
        call = compose("voice", "password_reset", "de", texts=OWN, given_name="\ue000{{ digits }}\ue000")
        assert sum(part == "4" for part in call.script) == 1

    def test_the_longest_is_heard_to_its_end(self, compose):
        """300 letters are the most that a policy takes."""
        text = ("word " * 60)[:274] + " {{ digits }} {{ digits }}"
        call = compose("voice", "password_reset", texts={"password_reset": {"en": {"voice": text}}})
        assert seconds(call) < CALL_SECONDS


class TestTwiml:
    def test_the_prompt_waits_for_a_key(self, compose):
        root = xml(twiml(compose("voice", "password_reset", "de"), "https://id.example/cb?a=1&b=2"))
        gather, hangup = root
        assert (gather.tag, gather.get("action"), gather.get("numDigits")) == ("Gather", "https://id.example/cb?a=1&b=2", "1")
        assert gather[0].text.startswith("Guten Tag, hier ist Elmstead")
        assert (gather[0].get("voice"), gather[0].get("language")) == ("Polly.Vicki", "de-DE")
        assert hangup.tag == "Hangup"

    def test_pauses_between_digits(self, compose):
        """0.6 s, 1.2 s after each third: <Pause> knows whole seconds only."""
        root = xml(twiml(compose("voice", "password_reset"), None))
        (say,) = root.findall("Say")
        assert [one.get("time") for one in say.findall("break")] == ["600ms", "600ms", "1200ms"] * 4
        assert "".join(say.itertext()).split() == f"Your code is: 4 8 2 9 1 3 Once more: 4 8 2 9 1 3 {GOODBYE}".split()

    def test_every_language_has_a_voice(self):
        assert set(VOICES) == set(LANGUAGES)

    def test_words_are_no_markup(self):
        evil = '</Say><Dial>+1900</Dial> & "<break time="9s"/>'
        call = Call("id", "+49", evil, (evil, Pause(0.6), evil), "en")
        for answer in (twiml(call, "https://x/?a=b&c='\"<"), twiml(call, None)):
            root = xml(answer)
            assert not list(root.iter("Dial"))
            assert all(one.get("time") == "600ms" for one in root.iter("break"))
            assert evil in "".join(root.itertext())
