"""`latchkey channels`, `latchkey suppression`, `latchkey messages`: how messages leave, and what became of them (FRD-11, REL-8)."""

import argparse
import json
from typing import Any

from .surroundings import Ask, Where, say

SWITCHES, SUPPRESSION, MESSAGES, FRAUD = "/internal/switches", "/internal/suppression", "/internal/messages", "/internal/fraud"


def add(commands: Any, where: Where) -> None:
    _add_channels(commands, where)
    _add_suppression(commands, where)
    _add_messages(commands, where)


def _add_channels(commands: Any, where: Where) -> None:
    parser = commands.add_parser(
        "channels",
        help="kill switches (list what is off, switch off and on: within a second), money and blocked ranges of numbers",
    )
    actions = parser.group("ACTION")
    where.add_to(actions.add_parser("list", help="what is off, and since when"), _channels_list)
    for name, run, text in (
        ("off", _channels_off, "nothing of it leaves any more; what waits is kept"),
        ("on", _channels_on, "as before; what was kept goes, if its time is not over"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("channel", choices=["email", "sms", "voice"], help="how messages leave")
        action.add_argument("--country", default="", help="one country alone, as +49")
        action.add_argument("--application", default="", help="one application alone")
        if name == "off":
            action.add_argument("--drop", action="store_true", help="don't keep what waits, but for security notices")
        where.add_to(action, run)
    _add_fraud(actions, where)


def _add_fraud(actions: Any, where: Where) -> None:
    where.add_to(
        actions.add_parser("budget", help="what is spent of each cap, and which ranges of numbers are blocked, and why"), _budget
    )
    unblock = actions.add_parser("unblock", help="let strangers' numbers of a range have messages again")
    unblock.add_argument("range", help="as `budget` says it: prefix:+491511234")
    where.add_to(unblock, _unblock)
    for name, text in (
        ("vouch", "for a number: no range and no doubt stands in its way; money caps hold"),
        ("unvouch", "take that back"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("number", help="as +4915112345678")
        where.add_to(action, _vouch if name == "vouch" else _unvouch)


def _add_suppression(commands: Any, where: Where) -> None:
    parser = commands.add_parser(
        "suppression", help="addresses that are left alone after a bounce or complaint: count, remove one"
    )
    actions = parser.group("ACTION")
    where.add_to(actions.add_parser("list", help="how many; the addresses themselves are kept nowhere"), _suppression_list)
    action = actions.add_parser("remove", help="let one in again")
    action.add_argument("channel", choices=["email", "sms", "voice"], help="how messages leave")
    action.add_argument("to", metavar="ADDRESS", help="mail address, or number as +49...")
    where.add_to(action, _suppression_remove)


def _add_messages(commands: Any, where: Where) -> None:
    parser = commands.add_parser("messages", help="what an account was sent, and what became of it")
    actions = parser.group("ACTION")
    action = actions.add_parser("list", help="the newest first")
    action.add_argument("--account", required=True, metavar="ID", help="whose messages")
    where.add_to(action, _messages_list)
    action = actions.add_parser("show", help="one with its words; name, link and code are taken out")
    action.add_argument("id", metavar="ID", help="as `list` prints it")
    where.add_to(action, _messages_show)


def _which(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("channel", "country", "application")}


def _channels_list(arguments: argparse.Namespace, ask: Ask) -> int:
    return _show_switches(arguments, ask("GET", SWITCHES))


def _channels_off(arguments: argparse.Namespace, ask: Ask) -> int:
    return _show_switches(arguments, ask("POST", f"{SWITCHES}/off", json={**_which(arguments), "drop": arguments.drop}))


def _channels_on(arguments: argparse.Namespace, ask: Ask) -> int:
    return _show_switches(arguments, ask("POST", f"{SWITCHES}/on", json=_which(arguments)))


def _show_switches(arguments: argparse.Namespace, found: list[dict[str, Any]]) -> int:
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found:
        only = " ".join(part for part in (one["country"], one["application"]) if part) or "everywhere"
        kept = "what waits is dropped" if one["drop"] else "what waits is kept"
        say(f"{one['channel']:<6} off since {one['off_since']}  {only}  {kept}")
    if not found:
        say("nothing is off")
    return 0


def _budget(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", FRAUD)
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found["budgets"]:
        if one["spent"] or one["whose"] == "all":
            say(f"{one['application']:<16} {one['whose']:<10} {one['period']:<6} {one['spent']:>10.2f} of {one['cap']:.2f}")
    for one in found["blocks"]:
        used = f"{one['used']} of {one['sent']} codes were used"
        say(f"{one['range']:<24} blocked until {one['until'][:19]}  {used}  level {one['level']}")
    for one in found["regions"]:
        say(f"{one['region']:<16} {one['used']} of {one['sent']} codes to new numbers were used within a day")
    for one in found["lasting"]:
        say(
            f"{one['region']:<16} {one['lasted']} of {one['used']} accounts behind used codes were still active a day later; {one['returned']} were signed in to"
        )
    if found["vouched"]:
        say(f"{found['vouched'] // 2} numbers are vouched for")
    return 0


def _unblock(arguments: argparse.Namespace, ask: Ask) -> int:
    ask("POST", f"{FRAUD}/unblock", json={"range": arguments.range})
    say("unblocked")
    return 0


def _vouch(arguments: argparse.Namespace, ask: Ask) -> int:
    ask("POST", f"{FRAUD}/vouch", json={"number": arguments.number})
    say("vouched for")
    return 0


def _unvouch(arguments: argparse.Namespace, ask: Ask) -> int:
    ask("POST", f"{FRAUD}/unvouch", json={"number": arguments.number})
    say("taken back")
    return 0


def _suppression_list(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", SUPPRESSION)
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found:
        say(f"{one['channel']:<6} {one['reason']:<10} {one['count']}")
    if not found:
        say("nobody is on the list")
    return 0


def _suppression_remove(arguments: argparse.Namespace, ask: Ask) -> int:
    ask("POST", f"{SUPPRESSION}/remove", json={"channel": arguments.channel, "to": arguments.to})
    say("removed")
    return 0


def _messages_list(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", MESSAGES, params={"account_id": arguments.account})
    if arguments.json:
        say(json.dumps(found, indent=2))
        return 0
    for one in found:
        why = f"  {one['reason']}" if one["reason"] else ""
        by = f"  {one['provider']}" if one["provider"] else ""
        say(f"{one['id']}  {one['created_at'][:19]}  {one['channel']:<6} {one['template']:<20} {one['state']}{by}{why}")
    return 0


def _messages_show(arguments: argparse.Namespace, ask: Ask) -> int:
    found = ask("GET", f"{MESSAGES}/{arguments.id}")
    if arguments.json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for name, value in found.items():
        if name != "body" and value is not None:
            say(f"{name}: {value}")
    say(f"\n{(found['body'] or 'its text is no longer there').rstrip()}")
    return 0
