"""`latchkey templates`: which messages there are, how each looks and sounds, and one sent to try it (E17)."""

import argparse
import json
from pathlib import Path
from typing import Any

from .surroundings import Ask, Where, complain, say

PATH = "/internal/templates"
_OUTCOMES = {
    "handed_over": "{provider} has taken it",
    "not_sent": "{provider} did not take it: {reason}",
    "refused": "{provider} refused it: {reason}",
    "unknown": "nobody can say whether {provider} took it: {reason}",
}


def add(commands: Any, where: Where) -> None:
    parser = commands.add_parser("templates", help="messages: list, preview, send one to try it")
    actions = parser.group("ACTION")
    for name, run, text in (
        ("list", _list, "each with its channels, and the languages in which you have texts of your own"),
        ("preview", _preview, "print one with sample data"),
        ("send", _send, "send one with sample data, marked as a test"),
    ):
        action = actions.add_parser(name, help=text)
        if name != "list":
            action.add_argument("template", metavar="TEMPLATE", help="as `list` prints it")
            action.add_argument("--language", help="left out: the application's default language")
            action.add_argument("--channel", default="email", help="email, sms or voice; left out: email")
        if name == "preview":
            action.add_argument("--html", type=Path, metavar="FILE", help="write the mail's HTML there")
        if name == "send":
            action.add_argument("--to", required=True, metavar="ADDRESS", help="mail address, or number as +49...")
        action.add_argument("--application", default="demo", help="whose brand, texts and providers; left out: demo")
        where.add_to(action, run)


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", PATH, params={"application": arguments.application})
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found:
        own = [f"{channel}: {', '.join(languages)}" for channel, languages in one["own"].items() if languages]
        off = "" if one["enabled"] else "  off"
        told = f"  own words in {'; '.join(own)}" if own else ""
        say(f"{one['template']:<22}{', '.join(one['channels'])}{off}{told}")
    return 0


def _body(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("template", "application", "language", "channel")
    return {name: getattr(arguments, name) for name in names}


def _preview(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("POST", f"{PATH}/preview", json=_body(arguments))
    if arguments.html is not None:
        if "html" not in found:
            return complain("only a mail has HTML")
        arguments.html.write_text(found["html"], encoding="utf-8")
    if arguments.json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for name in ("language", "from", "subject", "segments", "encoding"):
        if name in found:
            say(f"{name}: {found[name]}")
    if found["own"]:
        say(f"your own: {', '.join(found['own'])}")
    for name in ("prompt", "text", "sms", "voice"):
        if name in found:
            say(f"\n{found[name].rstrip()}")
    return 0


def _send(arguments: argparse.Namespace, ask: Ask) -> int:
    tries = ask("POST", f"{PATH}/send", json={**_body(arguments), "to": arguments.to})
    if arguments.json:
        say(json.dumps(tries, indent=2))
    else:
        for attempt in tries:
            say(_OUTCOMES[attempt["outcome"]].format(**attempt))
        if not tries:
            complain(f"the notifier has no provider for {arguments.channel}")
    return 0 if tries and tries[-1]["outcome"] == "handed_over" else 1
