"""Which passwords are refused, and why (PWD-1 to PWD-4, D38). Pure functions."""

import gzip
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from latchkey_contracts.configuration import PasswordPolicy
from servicekit.errors import FieldError

PRODUCT_WORDS = ("latchkey",)
COMMON = Path(__file__).with_name("data") / "common-passwords.txt.gz"
_NOT_LETTERS = re.compile(r"[\W\d_]+")
# What a password may consist of beside context words before it counts as a password of its own.
OWN_LETTERS = 5


@dataclass(frozen=True)
class Context:
    """Words that a guesser tries first: product, brand, application, the person's own identifiers and names."""

    words: tuple[str, ...] = ()  # letters only, longest first
    whole: frozenset[str] = frozenset()  # as they are, digits and signs included


def context_of(*texts: str | None) -> Context:
    """Of names and identifiers as they were given; an e-mail address counts whole, by its local part and in pieces."""
    words: list[str] = [*PRODUCT_WORDS]
    whole: set[str] = set()
    for text in texts:
        folded = fold(text or "")
        local = folded.partition("@")[0]
        whole |= {folded, local}
        words += [_NOT_LETTERS.sub("", folded), _NOT_LETTERS.sub("", local), *_NOT_LETTERS.split(folded)]
    return Context(tuple(sorted({word for word in words if len(word) >= 4}, key=len, reverse=True)), frozenset(whole))


def normalise(password: str) -> str:
    """NFKC, so that two spellings of one text are one password; never folded or cut (PWD-2)."""
    return unicodedata.normalize("NFKC", password)


def fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def common() -> frozenset[str]:
    """The passwords that people choose most, folded (data/README.md)."""
    with gzip.open(COMMON, "rt", encoding="utf-8") as file:
        return frozenset(file.read().split("\n"))


def _is_common(text: str) -> bool:
    """On the list, the same few characters or a listed password again and again, or a run like abcdefghijklmno."""
    if text in common():
        return True
    for width in range(1, len(text) // 2 + 1):
        unit = text[:width]
        if text == (unit * len(text))[: len(text)] and (width <= 4 or unit in common()):
            return True
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if text.isdecimal():  # 890123: digits go round
        steps = {1 if step == -9 else -1 if step == 9 else step for step in steps}
    return steps in ({1}, {-1})


def _is_context(text: str, context: Context) -> bool:
    """A word of the context with little of its own around it: elmstead2026, the own address, latchkeylatchkey!!"""
    if text in context.whole:
        return True
    rest = _NOT_LETTERS.sub("", text)
    found = False
    for word in context.words:
        if word in rest:
            rest, found = rest.replace(word, ""), True
    return found and len(rest) < OWN_LETTERS


def check(
    password: str,
    policy: PasswordPolicy,
    context: Context,
    *,
    breached: bool,
    second_factor: bool = False,
    field: str = "/password",
) -> list[FieldError]:
    """All that is wrong with it; an answer says why and how to do better. `second_factor`: one is always asked, too (PWD-1)."""
    text = normalise(password)
    length = len(text)
    least = policy.min_length_with_second_factor if second_factor else policy.min_length
    if length < least:
        message = f"Use {least} characters or more: {length} so far"
        return [FieldError(field, "password_too_short", message, {"min": least, "length": length})]
    if length > policy.max_length:
        message = f"Use at most {policy.max_length} characters"
        return [FieldError(field, "password_too_long", message, {"max": policy.max_length})]
    folded = fold(password)
    errors = []
    if _is_common(folded):
        message = "This password is among the first that are guessed. A few words that don't belong together are better"
        errors.append(FieldError(field, "password_common", message))
    if _is_context(folded, context):
        message = "This password is made of your name or ours. A few words that don't belong together are better"
        errors.append(FieldError(field, "password_contains_context", message))
    if breached:
        message = "This password is known from a data leak elsewhere. Choose one you use nowhere else"
        errors.append(FieldError(field, "password_breached", message))
    return errors
