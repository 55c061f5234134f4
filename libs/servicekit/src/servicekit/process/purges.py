"""What servicekit keeps for a service is forgotten by servicekit: no service has to remember it (PRV-19)."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

from servicekit import throttle
from servicekit.db import Database, Tx
from servicekit.events import inbox, messages
from servicekit.proof import onetime
from servicekit.web import idempotency, step_up

Sweep = tuple[str, float, Callable[[], Awaitable[None]]]
# As long as any policy lets a link live, so that every press hears what became of it.
KEEP_SECRETS = timedelta(days=30)


def purges(db: Database) -> Iterator[Sweep]:
    """As sweeps of a service. Every service has all of these tables."""
    for name, seconds, purge in (
        ("onetime.purge", 60.0, lambda tx: onetime.purge(tx, KEEP_SECRETS)),
        ("throttle.purge", 60.0, throttle.purge),
        ("idempotency.purge", 60.0, idempotency.purge),
        ("step_up.purge", 60.0, step_up.purge),
        ("inbox.purge", 3600.0, inbox.purge),
        ("messages.purge", 3600.0, messages.purge),
    ):
        yield name, seconds, _alone(db, purge)


def _alone(db: Database, purge: Callable[[Tx], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """Each in a transaction of its own: one that fails or takes long is no other's trouble."""

    async def run() -> None:
        async with db.transaction() as tx:
            await purge(tx)

    return run
