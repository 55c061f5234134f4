"""`latchkey parked`, `latchkey work`: what waits in the services' own databases for somebody to look at it (REL-4)."""

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from servicekit.db import Database, DatabaseUnavailable
from servicekit.events import parked, work

from .surroundings import Unusable, add_json, clock, complain, environment, local, say


def add(commands: Any) -> None:
    _add_parked(commands)
    _add_work(commands)


def _add_parked(commands: Any) -> None:
    parser = commands.add_parser("parked", help="records that could not be handled: list, show, replay")
    actions = parser.group("ACTION")
    for name, run, text in (
        ("list", _parked_list, "one line a record, oldest first"),
        ("show", _parked_show, "one record with its attributes and value"),
        ("replay", _parked_replay, "make records due now; the running service handles each once"),
    ):
        action = actions.add_parser(name, help=text)
        _add_database(action, required=name != "list")
        if name == "show":
            action.add_argument("id", type=UUID, metavar="ID", help="as `list` prints it")
        if name == "list":
            action.add_argument("--subject", help="those of one subject alone")
        if name == "replay":
            action.add_argument("id", type=UUID, nargs="*", metavar="ID", help="as `list` prints it")
            action.add_argument("--all", action="store_true", help="all there are")
            action.add_argument("--subject", help="all of one subject")
            action.add_argument("--type", help="all of one event type")
            action.add_argument("--dry-run", action="store_true", help="only say which")
        action.set_defaults(run=run)


def _add_work(commands: Any) -> None:
    parser = commands.add_parser("work", help="work that was given up: list, retry")
    actions = parser.group("ACTION")
    for name, run, text in (
        ("list", _work_list, "one line a row, the first that was given up first"),
        ("retry", _work_retry, "make rows due now, as if never tried; the running service does them"),
    ):
        action = actions.add_parser(name, help=text)
        _add_database(action, required=name != "list")
        action.add_argument("--kind", help="all of one kind")
        if name == "retry":
            action.add_argument("id", type=int, nargs="*", metavar="ID", help="as `list` prints it")
            action.add_argument("--all", action="store_true", help="all there are")
            action.add_argument("--dry-run", action="store_true", help="only say which")
        action.set_defaults(run=run)


def _add_database(action: argparse.ArgumentParser, *, required: bool) -> None:
    action.add_argument("--service", required=required, help="whose database")
    action.add_argument("--dsn", default=None, help="its DSN, if not that of the local stack (or LATCHKEY_POSTGRES_DSN)")
    add_json(action)


def _dsns(arguments: argparse.Namespace) -> dict[str, str]:
    """Raises Unusable."""
    dsn = arguments.dsn or environment("LATCHKEY_POSTGRES_DSN")
    if dsn:
        if urlsplit(dsn).scheme not in {"postgresql", "postgres"}:
            raise Unusable("--dsn or LATCHKEY_POSTGRES_DSN: must be postgresql://user@host/database")
        return {arguments.service or "service": dsn}
    every: dict[str, str] = local("postgres") or {}
    if not every:
        raise Unusable("which database? Start `make run`, or give --dsn or LATCHKEY_POSTGRES_DSN")
    if arguments.service and arguments.service not in every:
        raise Unusable(f"there is no service {arguments.service}; there are {', '.join(every)}")
    return {arguments.service: every[arguments.service]} if arguments.service else every


def _ask(dsn: str, use: Callable[[Database], Any]) -> Any:
    return asyncio.run(_with_database(dsn, use))


async def _with_database(dsn: str, use: Callable[[Database], Any]) -> Any:
    """Raises Unusable where the database can't be reached."""
    try:
        db = await Database.connect(dsn, service="latchkey", origin="", clock=clock(), pool_size=1)
    except DatabaseUnavailable as error:
        raise Unusable(f"the database does not answer: {type(error).__name__}") from None
    try:
        return await use(db)
    finally:
        await db.close()


def _parked_list(arguments: argparse.Namespace) -> int:
    async def read(db: Database) -> Any:
        async with db.read() as conn:
            return await parked.listing(conn, arguments.subject)

    return _print_list(arguments, read, ("id", "event_type", "subject", "attempts", "due_at", "reason"), "parked")


def _print_list(arguments: argparse.Namespace, read: Callable[[Database], Any], columns: Sequence[str], what: str) -> int:
    """The rows that `read` finds in each database."""
    found = []
    for service, dsn in _dsns(arguments).items():
        found += [{"service": service, **_brief(row)} for row in _ask(dsn, read)]
    if arguments.json:
        say(json.dumps(found, default=str))
    else:
        for brief in found:
            say("  ".join(str(brief[name]) for name in ("service", *columns)))
        say(f"{len(found)} {what}")
    return 0


def _brief(row: Any) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row) if field.name not in {"headers", "value"}}


def _parked_show(arguments: argparse.Namespace) -> int:
    async def read(db: Database) -> Any:
        async with db.read() as conn:
            return await parked.show(conn, arguments.id)

    ((_, dsn),) = _dsns(arguments).items()
    row = _ask(dsn, read)
    if row is None:
        return complain("no such record")
    value = bytes(row.value or b"")
    document = {**_brief(row), "attributes": parked.readable_headers(row), "value": value.decode("utf-8", "backslashreplace")}
    say(json.dumps(document, default=str, indent=2))
    return 0


def _parked_replay(arguments: argparse.Namespace) -> int:
    if not (arguments.id or arguments.all or arguments.subject or arguments.type):
        return complain("say which: ids, --all, --subject or --type", 2)

    async def replay(db: Database) -> Any:
        async with db.read() as conn:
            rows = await parked.listing(conn, arguments.subject)
        ids = [
            row.id
            for row in rows
            if (not arguments.id or row.id in arguments.id) and (not arguments.type or row.event_type == arguments.type)
        ]
        if not arguments.dry_run:
            async with db.transaction() as tx:
                await parked.replay(tx, ids)
        return ids

    return _print_ids(arguments, replay, "replayed")


def _print_ids(arguments: argparse.Namespace, change: Callable[[Database], Any], what: str) -> int:
    """The ids that `change` answers, of one database."""
    ((_, dsn),) = _dsns(arguments).items()
    ids = _ask(dsn, change)
    for row_id in ids:
        say(str(row_id))
    say(f"{len(ids)} {f'would be {what}' if arguments.dry_run else 'made due'}")
    return 0


def _work_list(arguments: argparse.Namespace) -> int:
    async def read(db: Database) -> Any:
        async with db.read() as conn:
            return await work.given_up(conn, arguments.kind)

    return _print_list(arguments, read, ("id", "kind", "attempts", "failed_at", "reason"), "given up")


def _work_retry(arguments: argparse.Namespace) -> int:
    if not (arguments.id or arguments.all or arguments.kind):
        return complain("say which: ids, --all or --kind", 2)

    async def retry(db: Database) -> Any:
        async with db.transaction() as tx:
            rows = await work.given_up(tx, arguments.kind)
            ids = [row.id for row in rows if not arguments.id or row.id in arguments.id]
            if not arguments.dry_run:
                await work.retry(tx, ids)
            return ids

    return _print_ids(arguments, retry, "retried")
