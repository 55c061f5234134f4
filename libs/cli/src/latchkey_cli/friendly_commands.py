"""`latchkey friendly-urls`: the short addresses of the applications, spelt out for the phone (R31, E31)."""

import argparse
import json
from typing import Any

from .surroundings import Ask, Where, say


def add(commands: Any) -> None:
    action = commands.add_parser("friendly-urls", help="the short addresses of the applications, spelt out for the phone")
    Where("identity").add_to(action, _list)


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", "/internal/friendly-urls")
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found:
        say(f"/go/{one['url']:<24} {one['application']:<20} {'' if one['enabled'] else '(disabled) '}{one['spelt']}")
    return 0
