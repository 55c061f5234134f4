"""Finds the code or the link in what somebody received, so that it is at hand."""

import re

from .store import Message

_LINK = re.compile(r"https?://\S+/l/[^\s<>]+")
_WEB = re.compile(r"https?://\S+")
_ALONE = re.compile(r"(?m)^\s*([0-9]{3,4} ?[0-9]{3,5})\s*$")  # mails: the code has a line of its own
_BOUND = re.compile(r"(?m)^@\S+ #([0-9]{4,8})\s*$")  # origin-bound codes (OTP-9)
# In a sentence; no part of a number with + or of a time, a date, a sum.
_WITHIN = re.compile(r"(?<![\w+#@/.:,-])([0-9]{6,8}|[0-9]{3} [0-9]{3,4}|[0-9]{4} [0-9]{4})(?![\w/:-]|[.,][0-9]| ?[0-9])")
_NOTE = re.compile(r"\[[^\]]*\]")
_KEY = re.compile(r"\[[^\]]* pressed\]")
_SPOKEN = re.compile(r"(?<![\w+])[0-9](?:[\s.,;…،-]+[0-9](?!\w)){3,}(?!\w)")


def code_in(message: Message) -> str | None:
    return {"sms": _written, "voice": _spoken}.get(message.channel, _mailed)(message.text)


def link_in(message: Message) -> str | None:
    found = _LINK.search(message.text)
    return found[0].rstrip(".,;)،") if found else None


def _mailed(text: str) -> str | None:
    found = _ALONE.search(text)
    return found[1] if found else None


def _written(text: str) -> str | None:
    found = _BOUND.search(text) or _WITHIN.search(_WEB.sub(" ", text))
    return found[1] if found else None


def _spoken(text: str) -> str | None:
    """Digit by digit, after a key (PST-4), perhaps twice without a word between; else as it is written."""
    heard = _NOTE.sub(" ", _KEY.split(text)[-1])
    found = _SPOKEN.search(heard)
    if found is None:
        return _written(heard)
    digits = re.sub(r"[^0-9]", "", found[0])
    half = len(digits) // 2
    return digits[:half] if half >= 4 and digits[:half] == digits[half:] else digits
