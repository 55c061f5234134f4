"""What a process does again and again while it runs: sweeps, and whatever else asks the clock what is due."""

import asyncio
from collections.abc import Awaitable, Callable

from servicekit.db import Contention, DatabaseUnavailable
from servicekit.logging import get_logger

log = get_logger(__name__)


class Periodic:
    """Runs a sweep every so many seconds of real time; the sweep itself asks the clock what is due."""

    def __init__(self, name: str, seconds: float, sweep: Callable[[], Awaitable[None]]) -> None:
        self.name = name
        self._seconds = seconds
        self._sweep = sweep

    async def run(self) -> None:
        while True:
            try:
                await self._sweep()
            except asyncio.CancelledError:
                raise
            except (*DatabaseUnavailable, *Contention) as error:
                log.warning("periodic.later", sweep=self.name, error=type(error).__name__)
            except Exception:  # tried again next time, too, but somebody should look
                log.exception("periodic.failed", sweep=self.name)
            await asyncio.sleep(self._seconds)
