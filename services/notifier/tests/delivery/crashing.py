"""A program that delivers, dies by kill -9 at the armed place, and begins again: as often as it is told (REL-7, INV-17).

Each life is a process of its own, forked from one that has imported everything, so that two hundred deaths take seconds.
Prints how many lives ended by SIGKILL.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from latchkey_contracts.configuration import IdentityStore, SelfServicePolicy
from notifier.channels import providers
from notifier.channels.chain import Chain
from notifier.templates.render import Renderer
from notifier.wiring import features, sender
from servicekit import clock as clocks
from servicekit import failpoints
from servicekit.db import Database
from servicekit.events.wakeups import Wakeups
from servicekit.keys import Keys
from servicekit.process.configuration import Configuration

LEASE_SECONDS = 60.0
PATIENCE_SECONDS = 20.0


async def deliver(arguments: argparse.Namespace, *, until_empty: bool) -> None:
    """One life. It ends when nothing is left, or by the failpoint."""
    clock = clocks.FileClock(arguments.clock)
    db = await Database.connect(arguments.dsn, service="notifier", origin="https://id.example", clock=clock, pool_size=3)
    configuration = Configuration()
    store, policy = IdentityStore(name="Default"), SelfServicePolicy(name="Default")
    configuration.replace(
        {"Default": store.model_dump(mode="json")},
        {"Default": policy.model_dump(mode="json")},
        {"demo": json.loads(arguments.application)},
        {"Default": json.loads(arguments.policy)},
    )
    chain = Chain(
        [one.make(clocks.Clock(), "id.example") for one in providers.read(arguments.providers, production=False)], clock
    )
    keys = Keys(arguments.keys)
    made = features(db, keys, clock, configuration, chain, Renderer("no-reply@localhost", "https://id.example"), 30)
    delivery = sender(
        db,
        Wakeups(db),
        chain,
        made,
        origin="https://id.example",
        concurrency=8 if until_empty else 1,
        lease_seconds=LEASE_SECONDS,
        keep_days=90,
        poll_seconds=0.02,
    )
    task = asyncio.create_task(delivery.run())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _left(db):
            await asyncio.sleep(0.02)
            if until_empty:
                clocks.move(arguments.clock, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await db.close()


async def _left(db: Database) -> int:
    async with db.read() as conn:
        found: int = await conn.fetchval("SELECT count(*) FROM delivery WHERE state IN ('queued', 'sending', 'submitting')")
        return found


def live(arguments: argparse.Namespace, *, until_empty: bool) -> bool:
    """Whether it was killed."""
    pid = os.fork()
    if pid == 0:
        failpoints.configure("notifier", arguments.failpoints)
        try:
            asyncio.run(deliver(arguments, until_empty=until_empty))
        except BaseException as error:  # noqa: BLE001 - told to whoever forked it
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert os.WEXITSTATUS(status) == 0, "a life ended in trouble"
    return False


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("dsn", "application", "policy", "point"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("clock", "keys", "providers", "failpoints"):
        parser.add_argument(f"--{name}", required=True, type=Path)
    parser.add_argument("--times", type=int, required=True)
    arguments = parser.parse_args()
    deaths = 0
    for _ in range(arguments.times):
        (arguments.failpoints / f"notifier.{arguments.point}").touch()
        deaths += live(arguments, until_empty=False)
        clocks.move(arguments.clock, LEASE_SECONDS + 1)  # the dead one's lease is over
    (arguments.failpoints / f"notifier.{arguments.point}").unlink(missing_ok=True)
    live(arguments, until_empty=True)
    sys.stdout.write(f"{deaths}\n")


if __name__ == "__main__":
    main()
