"""Group commit: what comes while one transaction runs is done together in the next, so that it shares round trips and commits.

What comes alone is done at once. With a pace, what comes soon after waits until that time is over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from servicekit.db import DatabaseUnavailable

from .wakeups import Pace

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """`run` gets some items and answers their results in the same order. If it fails for several, each is tried alone, so that
    a bad one is nobody else's trouble. `pace_seconds`: the least time between two runs, but for the first `burst`.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 50,
        pace_seconds: float = 0,
        burst: int = 1,
    ) -> None:
        self._run = run
        self._pace = Pace(pace_seconds, burst=burst)
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Cancelled while it waits, it is done all the same; nobody hears of it then."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            await self._pace.keep()
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            try:
                await self._do(batch)
            except asyncio.CancelledError:
                for _, future in batch:
                    future.cancel()
                raise

    async def _do(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._run([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
                for one in batch:
                    await self._do([one])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)
