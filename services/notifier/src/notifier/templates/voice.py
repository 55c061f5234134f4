"""What a call says: digit by digit, with time to write each down, twice at most, in less than a minute (PST-4, E14)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from servicekit.own_texts import fill

from notifier.channels.base import Pause, Spoken

from . import own
from .facts import one_line
from .words import copy_of, filled

BETWEEN_SECONDS = 0.6
AFTER_THIRD_SECONDS = 1.2
_DIGITS = "\ue000"  # stands for them while the words are made


def digits(code: str) -> Iterator[Spoken]:
    for number, digit in enumerate(code, start=1):
        yield digit
        yield Pause(AFTER_THIRD_SECONDS if number % 3 == 0 or number == len(code) else BETWEEN_SECONDS)


def prompt(message: str, language: str, facts: Mapping[str, Any]) -> str:
    """Asks for a key; has no digit of the code."""
    return filled(copy_of(message, language)["voice"]["prompt"], dict(facts))


def script(message: str, language: str, facts: Mapping[str, Any], text: str | None) -> tuple[Spoken, ...]:
    """`text`: an operator's own instead of ours. The warning at the end is always there."""
    words = copy_of(message, language)["voice"]
    if text is None:
        parts = [filled(words["code"], dict(facts)), _DIGITS, filled(words["again"], dict(facts)), _DIGITS]
    else:
        known = {name: value.replace(_DIGITS, "") for name, value in own.values(facts).items()}
        said = one_line(fill(text.replace(_DIGITS, ""), {**known, "digits": _DIGITS}))
        parts = [part.strip() for part in re.split(f"({_DIGITS})", said) if part.strip()]
    parts.append(filled(copy_of("layout", language)["goodbye"], dict(facts)))
    return tuple(one for part in parts for one in (digits(facts["code"]) if part == _DIGITS else (part,)))
