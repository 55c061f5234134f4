"""What a person types or pastes, as we read it: one normaliser for codes, numbers to match and identifiers (OTP-8, REG-6).

Never for passwords: those are taken as they are (PWD-2). Both functions are idempotent and never fail.
"""

import re
import unicodedata
from typing import Any

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
# Hyphens and dashes that aren't in Unicode's category of dashes: minus, bullet, modifier, superscript, subscript.
_DASHES = frozenset("\u2212\u2043\u02d7\u207b\u208b")
# Nothing to see, though not in the category of formats: joiners, fillers, an empty braille cell, variation selectors.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Between letters they are spelling, in Persian names of domains for instance.
_JOINERS = re.compile(r"(?<![^\W\d_])[\u200c\u200d]|[\u200c\u200d](?![^\W\d_])")


def line(text: Any) -> Any:
    """An identifier: digits of every script and full-width letters as ASCII, every dash as "-", every blank as a space and none
    around, and nothing that can't be seen (U+200B, U+200E, U+2066, U+FEFF ...). What is no text stays as it is.
    """
    if not isinstance(text, str):
        return text
    seen = "".join(map(_read, _UNSEEN.sub("", text.translate(_FULL_WIDTH))))
    return _JOINERS.sub("", seen).strip()


def code(text: Any) -> Any:
    """A code, or a number to match: the same, and neither blanks nor dashes count."""
    return re.sub(r"[\s-]", "", line(text)) if isinstance(text, str) else text


def _read(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Nd":
        return str(unicodedata.decimal(one))
    if category == "Pd" or one in _DASHES:
        return "-"
    if category == "Zs":
        return " "
    return "" if category == "Cf" and one not in "\u200c\u200d" else one
