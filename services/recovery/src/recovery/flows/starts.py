"""A customer's start, together with others that come within a moment: many of them cost little more than one."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from latchkey_contracts.http.recovery import ReminderFlow, ResetFlow
from servicekit.db import Tx
from servicekit.events.together import Together
from servicekit.process.configuration import Resolved

from .service import Asked, Requests
from .store import Request

Flow = TypeVar("Flow", bound=ResetFlow | ReminderFlow)
PACE_SECONDS = 0.02  # starts that come within it share a transaction


class Starts(Generic[Flow]):
    """A start whose answer is to be kept under a key is alone.

    `view` makes the answer, in the transaction that has begun the request; `next_at`: when the next message may be asked for.
    """

    def __init__(self, requests: Requests, view: Callable[[Tx, Resolved, Request, datetime], Awaitable[Flow]]) -> None:
        self._requests = requests
        self._view = view
        self._together = Together(self._run, pace_seconds=PACE_SECONDS)

    async def __call__(self, asked: Asked) -> Flow:
        """What is answered with 202."""
        if asked.caller.idempotency_key is None:
            return await self._together(asked)
        tools = self._requests.tools
        async with tools.db.transaction() as tx:
            await tools.idempotency.begin(tx, asked.caller)
            (answer,) = await self._begin(tx, [asked])
            await tools.idempotency.store(tx, asked.caller, 202, answer)
        return answer

    async def _run(self, several: Sequence[Asked]) -> list[Flow]:
        async with self._requests.tools.db.transaction() as tx:
            return await self._begin(tx, several)

    async def _begin(self, tx: Tx, several: Sequence[Asked]) -> list[Flow]:
        begun = await self._requests.start_several(tx, several)
        return [await self._view(tx, one.app, row, next_at) for one, (row, next_at) in zip(several, begun, strict=True)]
