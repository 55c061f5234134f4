"""Who waits for new rows is woken at once: in process where possible, else by a coalesced NOTIFY from a side session.

NOTIFY inside the business transaction would more than halve concurrent commits. A lost wake-up costs
nothing but time: every waiter polls as well.
"""

import asyncio
import contextlib
from typing import Any

from servicekit.connection import refuse_read_only
from servicekit.db import Contention, Database, DatabaseUnavailable
from servicekit.logging import get_logger

CHANNEL = "latchkey"
log = get_logger(__name__)


class Wakeups:
    """Names: "outbox" (events to publish), "work" (work to do), "parked" (records to try again), and the services' own."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._waiters: dict[str, asyncio.Event] = {}
        self._handled_here: set[str] = set()
        self._to_send: set[str] = set()
        self._dirty = asyncio.Event()
        db.signal = self.fire

    def waiter(self, name: str) -> asyncio.Event:
        """The event that is set when there is something to do; the waiter clears it before it looks."""
        return self._waiters.setdefault(name, asyncio.Event())

    def handled_here(self, name: str, here: bool) -> None:
        """While true, a signal needs to reach nobody outside of this process."""
        (self._handled_here.add if here else self._handled_here.discard)(name)

    def fire(self, name: str) -> None:
        if name in self._waiters:
            self._waiters[name].set()
        if name not in self._handled_here:
            self._to_send.add(name)
            self._dirty.set()

    async def run(self) -> None:
        """Sends and receives until cancelled; a lost connection is made again."""
        while True:
            connection = None
            try:
                connection = await self._db.dedicated()
                await connection.add_listener(CHANNEL, self._heard)
                while not connection.is_closed():
                    await wait(self._dirty, 5)
                    names, self._to_send = self._to_send, set()
                    for name in names:
                        await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, name)
                    if not names:
                        await connection.execute("SELECT 1")  # notices a dead connection
                    refuse_read_only(connection)  # of a standby's nobody else hears
                    await asyncio.sleep(0.002)  # what is fired meanwhile goes with the next one
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("wakeups.disconnected", error=type(error).__name__)
                await asyncio.sleep(1)
            finally:
                if connection is not None:
                    connection.terminate()

    def _heard(self, _connection: Any, _pid: int, _channel: str, name: str) -> None:
        if name in self._waiters:
            self._waiters[name].set()


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Until woken, at most so many seconds; clears the event. Answers whether it was woken.

    Not by asyncio.wait_for: in Python 3.11 that forgets a cancellation that comes together with the event, and a loop that was
    to stop would go on for ever (REL-11).
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    woken = event.is_set()
    event.clear()
    return woken


class Pace:
    """What comes alone is done at once; what comes thick and fast is done together, so that it shares round trips and commits.

    Call it before each look: it waits if the last one was less than `seconds` ago. `burst`: so many may come before that counts,
    so that one person's few steps are never held up.
    """

    def __init__(self, seconds: float, *, burst: int = 1) -> None:
        self._seconds = seconds
        self._ahead = (burst - 1) * seconds
        self._next = float("-inf")  # when one more is due at this pace

    async def keep(self) -> None:
        loop = asyncio.get_running_loop()
        if (left := self._next - self._ahead - loop.time()) > 0:
            await asyncio.sleep(left)
        self._next = max(self._next, loop.time()) + self._seconds
