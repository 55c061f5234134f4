"""Calls of the command line to a service, signed with the operator's key; whatever goes wrong is told in sentences."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .caller import Caller, Signer
from .client import InternalClient
from .clock import make_clock
from .errors import NotFound, Overloaded, ServiceError
from .keys import Keys

Ask = Callable[..., Any]


async def call(
    service: str, url: str, keys_dir: Path, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None
) -> Any:
    """Raises the ServiceError that was answered, Overloaded where nobody answers, FileNotFoundError without a key."""
    clock_file = os.environ.get("LATCHKEY_CLOCK_FILE")
    clock = make_clock(Path(clock_file) if clock_file else None)
    client = InternalClient(service, url, Signer("operator", Keys(keys_dir), clock), clock, timeout=30)
    try:
        return await client.request(method, path, caller=Caller("operator"), json=json, params=params)
    finally:
        await client.close()


def complain(sentence: str, code: int = 1) -> int:
    sys.stderr.write(f"latchkey: {sentence}\n")
    return code


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")


@dataclass(frozen=True)
class Where:
    """The service that a group of commands speaks to. `url`: of the local stack, if it runs."""

    service: str
    url: Callable[[], str | None]
    keys_dir: Callable[[str | None], Path]

    def add_to(self, action: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Ask], int]) -> None:
        """`run` gets the arguments and a function that asks the service: (method, path, json=, params=) -> its answer."""
        variable = f"LATCHKEY_{self.service.upper()}_URL"
        action.add_argument(f"--{self.service}-url", dest="service_url", default=os.environ.get(variable))
        action.add_argument("--keys-dir")
        action.add_argument("--json", action="store_true")
        action.set_defaults(run=lambda arguments: self._told(arguments, run))

    def _told(self, arguments: argparse.Namespace, run: Callable[[argparse.Namespace, Ask], int]) -> int:
        url = arguments.service_url or self.url()
        if url is None:
            option = f"--{self.service}-url or LATCHKEY_{self.service.upper()}_URL"
            return complain(f"where is the {self.service}? Start `make run`, or give {option}", 2)

        def ask(method: str, path: str, **more: Any) -> Any:
            return asyncio.run(call(self.service, url, self.keys_dir(arguments.keys_dir), method, path, **more))

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
