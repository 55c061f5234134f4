"""Where a command finds what it speaks to: an option, a variable, or the local stack that runs; and how it tells people things."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from servicekit.clock import Clock, make_clock
from servicekit.errors import NotFound, Overloaded, ServiceError
from servicekit.web.operators import call

Ask = Callable[..., Any]
Run = Callable[[argparse.Namespace], int]


class Unusable(Exception):
    """What was given can't be used, or is missing; the sentence is for the person at the terminal (exit code 2)."""


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")


def complain(sentence: str, code: int = 1) -> int:
    sys.stderr.write(f"latchkey: {sentence}\n")
    return code


class Parser(argparse.ArgumentParser):
    """Told nothing to do, it lists what there is; what is wrong, it says in one line."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.set_defaults(run=lambda _arguments: self._list())

    def group(self, name: str) -> Any:
        """The sub-commands; without one, their list."""
        return self.add_subparsers(metavar=name, parser_class=Parser)

    def _list(self) -> int:
        self.print_help()
        return 0

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (`{self.prog} --help` says more)\n")


def environment(name: str) -> str | None:
    """A variable; empty is the same as not there."""
    return os.environ.get(name) or None


def clock() -> Clock:
    path = environment("LATCHKEY_CLOCK_FILE")
    return make_clock(Path(path) if path else None)


def local(name: str) -> Any:
    """What `latchkey dev status` knows of the running local stack, so that commands work without any setting there."""
    try:
        from devstack.cli import status
    except ImportError:  # an image holds no devstack
        return None
    found = status()
    return found.get(name) if found else None


def service_url(name: str) -> str | None:
    services = local("services") or {}
    url: str | None = services.get(name, {}).get("url")
    return url


def keys_dir(given: str | None) -> Path:
    value = given or environment("LATCHKEY_KEYS_DIR")
    return Path(value) if value else Path(environment("LATCHKEY_DATA_DIR") or ".latchkey") / "keys"


def add_keys_dir(action: argparse.ArgumentParser) -> None:
    action.add_argument("--keys-dir", metavar="FOLDER", help="the key files (or LATCHKEY_KEYS_DIR); left out: the local stack's")


def add_json(action: argparse.ArgumentParser) -> None:
    action.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_url(action: argparse.ArgumentParser, service: str, *, dest: str) -> None:
    variable = f"LATCHKEY_{service.upper()}_URL"
    text = f"where the {service} answers (or {variable}); left out: the local stack's"
    action.add_argument(f"--{service}-url", dest=dest, metavar="URL", default=environment(variable), help=text)


@dataclass(frozen=True)
class Where:
    """The service that a group of commands speaks to."""

    service: str

    def add_to(self, action: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Ask], int]) -> None:
        """`run` gets the arguments and a function that asks the service: (method, path, json=, params=) -> its answer."""
        add_url(action, self.service, dest="service_url")
        add_keys_dir(action)
        add_json(action)
        action.set_defaults(run=lambda arguments: self._told(arguments, run))

    def url(self, given: str | None) -> str:
        """Raises Unusable."""
        found = given or service_url(self.service)
        if found is None:
            option = f"--{self.service}-url or LATCHKEY_{self.service.upper()}_URL"
            raise Unusable(f"where is the {self.service}? Start `make run`, or give {option}")
        return found

    def _told(self, arguments: argparse.Namespace, run: Callable[[argparse.Namespace, Ask], int]) -> int:
        url = self.url(arguments.service_url)

        def ask(method: str, path: str, **more: Any) -> Any:
            return asyncio.run(call(self.service, url, keys_dir(arguments.keys_dir), method, path, **more))

        try:
            return run(arguments, ask)
        except Overloaded:
            return complain(f"the {self.service} does not answer at {url}")
        except FileNotFoundError as error:
            return complain(f"{error.filename}: there is no operator's key; `latchkey keys init` makes it")
        except NotFound:
            return complain("there is nothing like that")
        except ServiceError as error:
            found = error.extra.get("errors") or [{"field": "", "message": f"the {self.service} answered {error.code}"}]
            for one in found:
                complain(f"{one['field'].strip('/')}: {one['message']}" if one["field"] else one["message"])
            return 1
