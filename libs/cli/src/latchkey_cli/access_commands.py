"""`latchkey access explain`: why one sign-in was let in, asked for a factor, or refused."""

import argparse
import json
from typing import Any

from .surroundings import Ask, Where, say

EXPLANATIONS = "/internal/access-explanations"


def add(commands: Any) -> None:
    actions = commands.add_parser("access", help="why a sign-in was let in, asked for a factor, or refused").group("ACTION")
    action = actions.add_parser("explain", help="the decision on one sign-in or step-up, with its reasons; kept for 30 days")
    action.add_argument("flow", metavar="FLOW", help="its id: in AccessDecided, in the log, in the address of its pages")
    Where("mfa").add_to(action, _explain)


def _explain(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", f"{EXPLANATIONS}/{arguments.flow}")
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for name in ("decision", "reasons", "kind", "application", "policy", "account_id", "decided_at"):
        value = found[name]
        say(f"{name:<12} {', '.join(value) if isinstance(value, list) else value}")
    for rule in found["rules"]:
        held = "held" if not rule["lacked"] else f"did not hold: {', '.join(rule['lacked'])}"
        say(f"rule         {rule['name']} ({rule['effect']}) {held}")
    return 0
