"""`latchkey dev up|status|down`: what `make run` uses."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from .processes import StartFailed
from .pump import cli as pump


def data_dir() -> Path:
    return Path(os.environ.get("LATCHKEY_DATA_DIR", ".latchkey")).resolve()


def status() -> dict[str, Any] | None:
    """What runs on the data folder, or None."""
    path = data_dir() / "status.json"
    try:
        found: dict[str, Any] = json.loads(path.read_text())
        os.kill(found["supervisor"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return found


def port(given: str | None) -> int:
    """Raises StartFailed."""
    text, name = (given, "--port") if given is not None else (os.environ.get("LATCHKEY_PORT") or "8080", "LATCHKEY_PORT")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise StartFailed(f"{name} is {text!r}; a port is a whole number between 1 and 65535")
    return int(text)


def add_commands(commands: Any) -> None:
    pump.add_command(commands)
    parser = commands.add_parser("dev", help="the whole product on this machine")
    actions = parser.group("ACTION")
    up = actions.add_parser("up", help="start everything and keep it up until Ctrl-C")
    up.add_argument("--port", metavar="PORT", help="the portal's (or LATCHKEY_PORT); left out: 8080")
    up.add_argument(
        "--config", type=Path, metavar="FILE", default=Path("config/latchkey.yaml"), help="left out: config/latchkey.yaml"
    )
    up.set_defaults(run=_up)
    show = actions.add_parser("status", help="what runs where")
    show.add_argument("--json", action="store_true", help="print JSON, for programs")
    show.set_defaults(run=_status)
    actions.add_parser("down", help="stop what runs").set_defaults(run=_down)


def _up(arguments: argparse.Namespace) -> int:
    from .up import run

    try:
        return run(data_dir(), port(arguments.port), arguments.config.resolve())
    except StartFailed as error:
        print(f"latchkey: {error}", file=sys.stderr)
        return 1


def _status(arguments: argparse.Namespace) -> int:
    found = status()
    if found is None:
        print(f"nothing runs on {data_dir()}", file=sys.stderr)
        return 1
    found.pop("supervisor")
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"portal {found['origin']}\ninbox  {found['inbox']}\nkafka  {found['kafka']}")
    for name, one in {**found["services"], **found["processes"]}.items():
        print(f"{name:10} pid {one['pid']}")
    return 0


def _down(_arguments: argparse.Namespace) -> int:
    found = status()
    if found is None:
        print(f"nothing runs on {data_dir()}", file=sys.stderr)
        return 0
    os.kill(found["supervisor"], signal.SIGTERM)
    end = time.monotonic() + 40
    while status() is not None and time.monotonic() < end:
        time.sleep(0.1)
    return 0
