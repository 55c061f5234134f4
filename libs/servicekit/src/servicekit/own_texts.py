"""An operator's own text of a message: whether it can be used, and what it says with its values. Pure functions.

It is data: names in double braces and `{% if name %}`, `{% else %}`, `{% endif %}`; nothing else is read as code (WEB-14).
"""

import re
from collections.abc import Callable, Iterator, Mapping

from latchkey_contracts.templates import TEMPLATES, Template

_TAG = re.compile(r"\{\{\s*(?P<name>[a-z_]+)\s*\}\}|\{%\s*(?P<word>if|else|endif)(?:\s+(?P<asked>[a-z_]+))?\s*%\}")
_BRACES = re.compile(r"\{\{|\}\}|\{%|%\}|\{#|#\}")
# A variable inside of an HTML tag: a customer's name there would be more than text.
_INSIDE = re.compile(r"<[a-zA-Z/!][^<>]*?\{\{\s*(?!link\b)(?P<name>[a-z_]+)\s*\}\}")
_ADDRESS = re.compile(r"https?://|www\.", re.IGNORECASE)
MOST_DIGITS = 2


def problems(template: str, part: str, text: str) -> Iterator[str]:
    """Why an operator's text can't be used; nothing: it can. Says every reason, not the first."""
    known = TEMPLATES[template]
    depth, otherwise, seen, certain = 0, [False], set(), set()
    for tag in _TAG.finditer(text):
        name, word, asked = tag["name"], tag["word"], tag["asked"]
        if name is not None:
            seen.add(name)
            if depth == 0:
                certain.add(name)
        elif word == "if" and asked is not None:
            seen.add(asked)
            depth += 1
            otherwise.append(False)
        elif word == "else" and asked is None and depth and not otherwise[-1]:
            otherwise[-1] = True
        elif word == "endif" and asked is None and depth:
            depth -= 1
            otherwise.pop()
        else:
            yield f"{tag[0]} is out of place"
    if depth:
        yield "an {% if %} has no {% endif %}"
    if (stray := _BRACES.search(_TAG.sub("", text))) is not None:
        yield f"{stray[0]}: only {{{{ name }}}} and {{% if name %}}, {{% else %}}, {{% endif %}} are understood"
    if unknown := sorted(seen - known.variables):
        yield f"{', '.join(unknown)}: not known here; there are {', '.join(sorted(known.variables))}"
    # A mail about both may have one alone: its code's time was over before it left, or a text message without link fell back
    # to it. So each may stand behind an {% if %}.
    required = known.required.get(part, frozenset())
    either = {"code", "link"} & seen if part in {"text", "html"} and "code" in required else set()
    missing = required - certain - either
    if missing:
        yield f"must say {', '.join(f'{{{{ {name} }}}}' for name in sorted(missing))}, whatever else is so"
    yield from _unwise(known, part, text, seen)


def _unwise(known: Template, part: str, text: str, seen: set[str]) -> Iterator[str]:
    """What can be filled in and still must not be sent."""
    if part == "subject" and (secret := seen & {"code", "digits", "link"}):
        yield f"{', '.join(sorted(secret))}: not in a subject, which shows on locked screens"
    if part == "html" and (inside := sorted({tag["name"] for tag in _INSIDE.finditer(text)})):
        yield f"{', '.join(inside)}: not inside of a tag; only {{{{ link }}}} may stand there"
    if part == "sms" and "code" in known.required.get("sms", ()) and ("link" in seen or _ADDRESS.search(text)):
        yield "a text message with a code has no link, so that nobody learns to follow one (OTP-9)"
    if part == "voice" and sum(tag["name"] == "digits" for tag in _TAG.finditer(text)) > MOST_DIGITS:
        yield "says the digits more than twice (PST-4)"


def fill(text: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    """An operator's text with its values; what stands in a value is never read as a tag. `text` has no problems."""
    found, shown, at = [], [True], 0
    for tag in _TAG.finditer(text):
        if all(shown):
            found.append(text[at : tag.start()])
            if tag["name"] is not None:
                found.append(escape(values[tag["name"]]))
        if tag["word"] == "if":
            shown.append(bool(values[tag["asked"]]))
        elif tag["word"] == "else":
            shown[-1] = not shown[-1]
        elif tag["word"] == "endif":
            shown.pop()
        at = tag.end()
    return "".join([*found, text[at:]])
