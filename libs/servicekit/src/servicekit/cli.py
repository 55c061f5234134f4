"""`latchkey`, the one program beside the services (api.md §6)."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from . import delivery_commands, template_commands
from .operators import Where

Command = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="latchkey", description="Latchkey: apply configuration, try messages, look after parked records, work and keys."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_apply(commands)
    notifier = Where("notifier", lambda: service_url("notifier"), keys_dir)
    template_commands.add(commands, notifier)
    delivery_commands.add(commands, notifier)
    _add_parked(commands)
    _add_work(commands)
    _add_keys(commands)
    _add_topics(commands)
    _add_documents(commands)
    try:
        from devstack.cli import add_commands
    except ImportError:  # an image holds no devstack
        pass
    else:
        add_commands(commands)
    parsed = parser.parse_args(arguments)
    sys.exit(parsed.run(parsed))


def local(name: str) -> Any:
    """What `latchkey dev status` knows of the running local stack, so that commands work without any setting there."""
    try:
        from devstack.cli import status
    except ImportError:
        return None
    found = status()
    return found.get(name) if found else None


def service_url(name: str) -> str | None:
    services = local("services") or {}
    url: str | None = services.get(name, {}).get("url")
    return url


def keys_dir(given: str | None) -> Path:
    value = given or os.environ.get("LATCHKEY_KEYS_DIR")
    return Path(value) if value else Path(os.environ.get("LATCHKEY_DATA_DIR", ".latchkey")) / "keys"


def _add_apply(commands: Any) -> None:
    parser = commands.add_parser("apply", help="apply a configuration file: stores, policies, applications")
    parser.add_argument("file", type=Path)
    parser.add_argument("--identity-url", default=os.environ.get("LATCHKEY_IDENTITY_URL"))
    parser.add_argument("--keys-dir")
    parser.set_defaults(run=_apply)


def _apply(arguments: argparse.Namespace) -> int:
    from .apply import apply_file, print_report

    url = arguments.identity_url or service_url("identity")
    if url is None:
        sys.stderr.write("latchkey: where is identity? Start `make run`, or give --identity-url or LATCHKEY_IDENTITY_URL\n")
        return 2
    return print_report(apply_file(arguments.file, identity_url=url, keys_dir=keys_dir(arguments.keys_dir)))


def _add_parked(commands: Any) -> None:
    parser = commands.add_parser("parked", help="records that could not be handled: list, show, replay")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("list", _parked_list, "one line a record, oldest first"),
        ("show", _parked_show, "one record with its attributes and value"),
        ("replay", _parked_replay, "make records due now; the running service handles each once"),
    ):
        action = actions.add_parser(name, help=text)
        _add_database(action, required=name != "list")
        if name == "show":
            action.add_argument("id", type=UUID)
        if name == "list":
            action.add_argument("--subject")
        if name == "replay":
            action.add_argument("id", type=UUID, nargs="*")
            action.add_argument("--all", action="store_true")
            action.add_argument("--subject", help="all of one subject")
            action.add_argument("--type", help="all of one event type")
            action.add_argument("--dry-run", action="store_true", help="only say which")
        action.set_defaults(run=run)


def _add_work(commands: Any) -> None:
    parser = commands.add_parser("work", help="work that was given up: list, retry")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("list", _work_list, "one line a row, the first that was given up first"),
        ("retry", _work_retry, "make rows due now, as if never tried; the running service does them"),
    ):
        action = actions.add_parser(name, help=text)
        _add_database(action, required=name != "list")
        action.add_argument("--kind", help="all of one kind")
        if name == "retry":
            action.add_argument("id", type=int, nargs="*")
            action.add_argument("--all", action="store_true")
            action.add_argument("--dry-run", action="store_true", help="only say which")
        action.set_defaults(run=run)


def _add_database(action: argparse.ArgumentParser, *, required: bool) -> None:
    action.add_argument("--service", required=required, help="whose database")
    action.add_argument("--dsn", default=None, help="its DSN, if not that of the local stack (or LATCHKEY_POSTGRES_DSN)")
    action.add_argument("--json", action="store_true")


def _dsns(arguments: argparse.Namespace) -> dict[str, str]:
    dsn = arguments.dsn or os.environ.get("LATCHKEY_POSTGRES_DSN")
    if dsn:
        return {arguments.service or "service": dsn}
    every: dict[str, str] = local("postgres") or {}
    if not every:
        sys.stderr.write("latchkey: which database? Start `make run`, or give --dsn or LATCHKEY_POSTGRES_DSN\n")
        sys.exit(2)
    return {arguments.service: every[arguments.service]} if arguments.service else every


async def _with_database(dsn: str, use: Callable[[Any], Any]) -> Any:
    from .clock import make_clock
    from .db import Database

    clock_file = os.environ.get("LATCHKEY_CLOCK_FILE")
    clock = make_clock(Path(clock_file) if clock_file else None)
    db = await Database.connect(dsn, service="latchkey", origin="", clock=clock, pool_size=1)
    try:
        return await use(db)
    finally:
        await db.close()


def _parked_list(arguments: argparse.Namespace) -> int:
    from . import parked

    async def read(db: Any) -> Any:
        async with db.read() as conn:
            return await parked.listing(conn, arguments.subject)

    return _print_list(arguments, read, ("id", "event_type", "subject", "attempts", "due_at", "reason"), "parked")


def _print_list(arguments: argparse.Namespace, read: Callable[[Any], Any], columns: Sequence[str], what: str) -> int:
    """The rows that `read` finds in each database."""
    found = []
    for service, dsn in _dsns(arguments).items():
        found += [{"service": service, **_brief(row)} for row in asyncio.run(_with_database(dsn, read))]
    if arguments.json:
        print(json.dumps(found, default=str))
    else:
        for one in found:
            print("  ".join(str(one[name]) for name in ("service", *columns)))
        print(f"{len(found)} {what}")
    return 0


def _brief(row: Any) -> dict[str, Any]:
    return {name: row[name] for name in row.keys() if name not in {"headers", "value"}}  # noqa: SIM118 - an asyncpg Record


def _parked_show(arguments: argparse.Namespace) -> int:
    from . import parked

    async def read(db: Any) -> Any:
        async with db.read() as conn:
            return await parked.show(conn, arguments.id)

    ((_, dsn),) = _dsns(arguments).items()
    row = asyncio.run(_with_database(dsn, read))
    if row is None:
        sys.stderr.write("latchkey: no such record\n")
        return 1
    value = bytes(row["value"] or b"")
    document = {**_brief(row), "attributes": parked.readable_headers(row), "value": value.decode("utf-8", "backslashreplace")}
    print(json.dumps(document, default=str, indent=2))
    return 0


def _parked_replay(arguments: argparse.Namespace) -> int:
    from . import parked

    if not (arguments.id or arguments.all or arguments.subject or arguments.type):
        sys.stderr.write("latchkey: say which: ids, --all, --subject or --type\n")
        return 2

    async def replay(db: Any) -> Any:
        async with db.read() as conn:
            rows = await parked.listing(conn, arguments.subject)
        ids = [
            row["id"]
            for row in rows
            if (not arguments.id or row["id"] in arguments.id) and (not arguments.type or row["event_type"] == arguments.type)
        ]
        if not arguments.dry_run:
            async with db.transaction() as tx:
                await parked.replay(tx, ids)
        return ids

    return _print_ids(arguments, replay, "replayed")


def _print_ids(arguments: argparse.Namespace, change: Callable[[Any], Any], what: str) -> int:
    """The ids that `change` answers, of one database."""
    ((_, dsn),) = _dsns(arguments).items()
    ids = asyncio.run(_with_database(dsn, change))
    for one in ids:
        print(one)
    print(f"{len(ids)} {f'would be {what}' if arguments.dry_run else 'made due'}")
    return 0


def _work_list(arguments: argparse.Namespace) -> int:
    from . import work

    async def read(db: Any) -> Any:
        async with db.read() as conn:
            return await work.given_up(conn, arguments.kind)

    return _print_list(arguments, read, ("id", "kind", "attempts", "failed_at", "reason"), "given up")


def _work_retry(arguments: argparse.Namespace) -> int:
    from . import work

    if not (arguments.id or arguments.all or arguments.kind):
        sys.stderr.write("latchkey: say which: ids, --all or --kind\n")
        return 2

    async def retry(db: Any) -> Any:
        async with db.transaction() as tx:
            rows = await work.given_up(tx, arguments.kind)
            ids = [row["id"] for row in rows if not arguments.id or row["id"] in arguments.id]
            if not arguments.dry_run:
                await work.retry(tx, ids)
            return ids

    return _print_ids(arguments, retry, "retried")


def _add_keys(commands: Any) -> None:
    parser = commands.add_parser("keys", help="keys of the sealed envelopes, callers and keyed hashes")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    for name, text in (
        ("init", "make what is missing"),
        ("rotate", "a new sealing key; old ones are destroyed after the topics' retention"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("--keys-dir")
        action.set_defaults(run=_keys, action=name)


def _keys(arguments: argparse.Namespace) -> int:
    from . import keys
    from .clock import make_clock

    directory = keys_dir(arguments.keys_dir)
    if arguments.action == "init":
        keys.init(directory)
    else:
        clock_file = os.environ.get("LATCHKEY_CLOCK_FILE")
        keys.rotate(directory, make_clock(Path(clock_file) if clock_file else None))
    print(f"keys in {directory}")
    return 0


def _add_topics(commands: Any) -> None:
    parser = commands.add_parser("topics", help="create the topics that are missing (development, compose)")
    parser.add_argument("--bootstrap", default=os.environ.get("LATCHKEY_KAFKA_BOOTSTRAP"), required=False)
    parser.add_argument("--replication-factor", type=int, default=1)
    parser.set_defaults(run=_topics)


def _topics(arguments: argparse.Namespace) -> int:
    from .kafka import ensure_topics

    bootstrap = arguments.bootstrap or local("kafka")
    prefix = os.environ.get("LATCHKEY_TOPIC_PREFIX", "")
    for name in asyncio.run(ensure_topics(bootstrap, prefix, replication_factor=arguments.replication_factor)):
        print(f"created {name}")
    return 0


def _add_documents(commands: Any) -> None:
    for name, text in (
        ("openapi", "print the public API's OpenAPI document"),
        ("asyncapi", "print the AsyncAPI document of the events"),
    ):
        parser = commands.add_parser(name, help=text)
        parser.set_defaults(run=_document, document=name)


def _document(arguments: argparse.Namespace) -> int:
    if arguments.document == "openapi":
        from gateway.api.openapi import document
    else:
        from .asyncapi import document
    print(json.dumps(document(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    main()
