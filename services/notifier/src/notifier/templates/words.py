"""Our own words of all messages: a folder for each message, a file in it for each language, the layout's words beside them.

They are ours, so Jinja reads them, in a sandbox; operators' texts never come here (own.py).
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

FOLDER = Path(__file__).parent
RIGHT_TO_LEFT = frozenset({"ar"})
_ENGINE = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@cache
def copy_of(message: str, language: str) -> dict[str, Any]:
    """The words of one message in one language, never mixed with another's (WEB-16)."""
    return tomllib.loads((FOLDER / message / f"{language}.toml").read_text(encoding="utf-8"))


@cache
def languages(message: str) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (FOLDER / message).glob("*.toml")))


@cache
def _template(text: str) -> Template:
    return _ENGINE.from_string(text)


def filled(text: str, facts: dict[str, Any]) -> str:
    """On one line, so that nothing that was filled in begins a header or a line of its own (WEB-14)."""
    return " ".join(_template(text).render(facts).split())
