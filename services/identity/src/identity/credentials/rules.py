"""Which passwords are refused, and why (PWD-1 to PWD-4, D38). Pure functions."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from latchkey_contracts.configuration import PasswordPolicy
from servicekit.errors import FieldError

PRODUCT_WORDS = ("latchkey",)
_NOT_LETTERS = re.compile(r"[\W\d_]+")
# What a password may consist of beside context words before it counts as a password of its own.
OWN_LETTERS = 5


@dataclass(frozen=True)
class Context:
    """Words that a guesser tries first: product, brand, application, the person's own identifiers and names."""

    words: tuple[str, ...] = ()


def context_of(*texts: str | None) -> Context:
    words: list[str] = []
    for text in texts:
        if not text:
            continue
        whole = fold(text)
        local = whole.partition("@")[0]
        words += [_NOT_LETTERS.sub("", whole), _NOT_LETTERS.sub("", local), *_NOT_LETTERS.split(whole)]
    return Context(tuple(sorted({word for word in (*words, *PRODUCT_WORDS) if len(word) >= 4}, key=len, reverse=True)))


def normalise(password: str) -> str:
    """NFKC, so that two spellings of one text are one password; never folded or cut (PWD-2)."""
    return unicodedata.normalize("NFKC", password)


def fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


@cache
def common() -> frozenset[str]:
    """The passwords that people choose most (the list of the package zxcvbn, MIT)."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"])


def _repeats(text: str) -> bool:
    """aaaaaaaaaaaaaaa, 123123123123123, abcdefghijklmno: long, and yet among the first guesses."""
    for width in range(1, 5):
        if text == (text[:width] * len(text))[: len(text)]:
            return True
    steps = {ord(after) - ord(before) for before, after in zip(text, text[1:], strict=False)}
    return len(text) > 3 and steps in ({1}, {-1})


def _contains_context(text: str, context: Context) -> bool:
    rest = _NOT_LETTERS.sub("", text)
    found = False
    for word in context.words:
        if word in rest:
            rest, found = rest.replace(word, ""), True
    return found and len(rest) < OWN_LETTERS


def check(
    password: str, policy: PasswordPolicy, context: Context, *, breached: bool, field: str = "/password"
) -> list[FieldError]:
    """All that is wrong with it; an answer says why and how to do better."""
    text = normalise(password)
    length = len(text)
    if length < policy.min_length:
        message = f"Use {policy.min_length} characters or more: {length} so far"
        return [FieldError(field, "password_too_short", message, {"min": policy.min_length, "length": length})]
    if length > policy.max_length:
        message = f"Use at most {policy.max_length} characters"
        return [FieldError(field, "password_too_long", message, {"max": policy.max_length})]
    folded = fold(password)
    errors = []
    if folded in common() or _repeats(folded):
        message = "This password is among the first that are guessed. A few words that don't belong together are better"
        errors.append(FieldError(field, "password_common", message))
    if _contains_context(folded, context):
        message = "This password is made of your name or ours. A few words that don't belong together are better"
        errors.append(FieldError(field, "password_contains_context", message))
    if breached:
        message = "This password is known from a data leak elsewhere. Choose one you use nowhere else"
        errors.append(FieldError(field, "password_breached", message))
    return errors


def words_of(values: Iterable[object]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
