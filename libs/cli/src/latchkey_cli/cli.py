"""`latchkey`, the one program beside the services (README.md). A new group of commands is one line in `GROUPS`."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError

from . import __version__, access_commands, delivery_commands, friendly_commands, record_commands, template_commands
from .surroundings import Parser, Unusable, Where, add_keys_dir, add_url, clock, complain, environment, keys_dir, local, say


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit code 0: done; 1: it could not be done; 2: asked for wrongly. Whatever goes wrong is told in a sentence."""
    parsed = parser().parse_args(arguments)
    try:
        sys.exit(parsed.run(parsed))
    except Unusable as error:
        sys.exit(complain(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(130)


def parser() -> Parser:
    found = Parser(
        prog="latchkey", description="Latchkey: apply configuration, try messages, look after parked records, work and keys."
    )
    found.add_argument("--version", action="version", version=f"latchkey {__version__}", help="print the version and end")
    commands = found.group("COMMAND")
    for add in GROUPS:
        add(commands)
    return found


def _add_apply(commands: Any) -> None:
    action = commands.add_parser("apply", help="apply a configuration file: stores, policies, applications")
    action.add_argument("file", type=Path, metavar="FILE", help="YAML; docs/configuration.md has every setting")
    add_url(action, "identity", dest="identity_url")
    add_keys_dir(action)
    action.set_defaults(run=_apply)


def _apply(arguments: argparse.Namespace) -> int:
    from servicekit.web.apply import apply_file, print_report

    url = Where("identity").url(arguments.identity_url)
    return print_report(apply_file(arguments.file, identity_url=url, keys_dir=keys_dir(arguments.keys_dir)))


def _add_notifier(commands: Any) -> None:
    notifier = Where("notifier")
    template_commands.add(commands, notifier)
    delivery_commands.add(commands, notifier)


def _add_keys(commands: Any) -> None:
    actions = commands.add_parser("keys", help="keys of the sealed envelopes, callers and keyed hashes").group("ACTION")
    for name, text in (
        ("init", "make what is missing"),
        ("rotate", "new keys that seal and sign; old ones open and verify while that is needed"),
    ):
        action = actions.add_parser(name, help=text)
        add_keys_dir(action)
        action.set_defaults(run=_keys, action=name)


def _keys(arguments: argparse.Namespace) -> int:
    from servicekit import keys

    directory = keys_dir(arguments.keys_dir)
    try:
        if arguments.action == "init":
            keys.init(directory)
        else:
            keys.rotate(directory, clock())
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}")
    say(f"keys in {directory}")
    return 0


def _add_topics(commands: Any) -> None:
    action = commands.add_parser("topics", help="create the topics that are missing (development, compose)")
    action.add_argument(
        "--bootstrap",
        metavar="HOST:PORT",
        default=environment("LATCHKEY_KAFKA_BOOTSTRAP"),
        help="a broker (or LATCHKEY_KAFKA_BOOTSTRAP); left out: the local stack's",
    )
    action.add_argument("--replication-factor", type=int, default=1, metavar="NUMBER", help="copies of each; left out: 1")
    action.set_defaults(run=_topics)


def _topics(arguments: argparse.Namespace) -> int:
    from servicekit.events.kafka import ensure_topics

    bootstrap = arguments.bootstrap or local("kafka")
    if not bootstrap:
        raise Unusable("which broker? Start `make run`, or give --bootstrap or LATCHKEY_KAFKA_BOOTSTRAP")
    prefix = environment("LATCHKEY_TOPIC_PREFIX") or ""
    try:
        for name in asyncio.run(ensure_topics(bootstrap, prefix, replication_factor=arguments.replication_factor)):
            say(f"created {name}")
    except (KafkaError, RuntimeError, ValueError, AssertionError) as error:
        return complain(f"Kafka at {bootstrap}: {error or type(error).__name__}")
    return 0


def _add_documents(commands: Any) -> None:
    for name, text in (
        ("openapi", "print the public API's OpenAPI document"),
        ("asyncapi", "print the AsyncAPI document of the events"),
    ):
        commands.add_parser(name, help=text).set_defaults(run=_document, document=name)


def _document(arguments: argparse.Namespace) -> int:
    try:
        if arguments.document == "openapi":
            from gateway.api.openapi import document
        else:
            from .asyncapi import document
    except ModuleNotFoundError:
        return complain("the gateway's image alone can print that")
    say(json.dumps(document(), indent=2, ensure_ascii=False))
    return 0


def _add_development(commands: Any) -> None:
    try:
        from devstack.cli import add_commands
    except ImportError:  # an image holds no devstack
        return
    add_commands(commands)


GROUPS: Sequence[Callable[[Any], None]] = (
    _add_apply,
    _add_notifier,
    access_commands.add,
    friendly_commands.add,
    record_commands.add,
    _add_keys,
    _add_topics,
    _add_documents,
    _add_development,
)

if __name__ == "__main__":
    main()
