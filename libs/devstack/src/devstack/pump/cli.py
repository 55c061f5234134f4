"""`latchkey pump-sim`: a stack of its own, each attacker's day on it, and the bound of what he could have cost (FRD-13)."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from devstack.processes import StartFailed, free_port
from devstack.supervisor import Stack

from .people import ATTACKERS

MOST_LOST = 0.01
HEAD = (
    f"{'':<12} {'':>6} {'':>6} {'':>8} {'':>8}   honest strangers               customers\n"
    f"{'attacker':<12} {'tries':>6} {'texts':>6} {'spent':>8} {'bound':>8}   {'no text':>14} {'not in':>13}   {'not served':>14}"
)


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "pump-sim", help="attack a local stack for a simulated day, and print what it cost and could have"
    )
    parser.add_argument("--hours", type=float, default=24, help="simulated, of each attacker (24)")
    parser.add_argument(
        "--attackers", nargs="*", choices=sorted(ATTACKERS), default=list(ATTACKERS), help="all, if none is named"
    )
    parser.add_argument("--config", type=Path, default=Path("config/latchkey.yaml"), help="whose caps and prices hold")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated people (1)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from .simulation import Result, Simulation

    with tempfile.TemporaryDirectory(prefix="latchkey-pump-") as name:
        folder = Path(name)
        stack = make_stack(folder, arguments.config.resolve(), say=_note)
        try:
            stack.start()
        except StartFailed as error:
            print(f"latchkey: {error}", file=sys.stderr)
            return 1
        try:
            simulation = Simulation(stack, arguments.config, arguments.hours, arguments.seed, say=_note)
            results: list[Result] = []
            print(HEAD)
            for attacker in (*arguments.attackers, None):
                results.append(simulation.run(attacker))
                print(_line(results[-1]), flush=True)
        finally:
            stack.stop()
    worst = sum(one.bound for one in results[:-1])
    print(f"worst case of these {len(results) - 1}: {worst:.2f}; spent: {sum(one.spent for one in results[:-1]):.2f}")
    if not all(one.held and one.loss < MOST_LOST for one in results):
        print("latchkey: a bound was broken, or 1 % or more of the honest people came to nothing", file=sys.stderr)
        return 1
    return 0


def make_stack(folder: Path, configuration: Path, **more: Any) -> Stack:
    """With a clock that can be moved, and one address for each request."""
    extra = {
        "LATCHKEY_CLOCK_FILE": str(folder / "clock"),
        "LATCHKEY_TRUSTED_PROXIES": "127.0.0.0/8",
        "LATCHKEY_SWEEP_SECONDS": "5",
    }
    return Stack(folder / "stack", port=free_port(), environment="test", extra=extra, configuration=configuration, **more)


def _line(one: Any) -> str:
    money = f"{one.spent:>8.2f} {one.bound:>8.2f}"
    strangers = f"{_share(one.textless, one.honest):>14} {_share(one.lost, one.honest):>13}"
    return f"{one.name:<12} {one.tries:>6} {one.texts:>6} {money}   {strangers}   {_share(one.customers_lost, one.customers):>14}"


def _share(some: int, of: int) -> str:
    return f"{some}/{of} {some / max(of, 1):.1%}"


def _note(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
