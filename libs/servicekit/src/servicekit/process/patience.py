"""How long a connection may keep us waiting, and how many of one address may (API-2, THR-1).

uvicorn alone waits for a head for ever. A body has its time in servicekit.web.guard; what is left of it once the answer is out has it here.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
CLOSED = Counter("latchkey_connections_closed_total", "Connections that we closed, by reason", ["reason"])


class Crowd:
    """The connections of each address. One too many takes the place of the oldest that only waits; if none does, it is closed."""

    def __init__(self, most: int, counted_as: Callable[[str], str | None]) -> None:
        """`counted_as`: what an address shares its connections with, such as a network; None counts nowhere."""
        self._most = most
        self._counted_as = counted_as
        self._present: dict[str, dict[Patient, None]] = {}  # in the order in which they came

    def enter(self, one: "Patient") -> bool:
        """Whether it may stay."""
        name = self._name(one)
        if name is None:
            return True
        present = self._present.setdefault(name, {})
        if len(present) >= self._most:
            waiting = next((other for other in present if other.waits()), None)
            if waiting is None:
                return False
            del present[waiting]
            waiting.close("crowd")
        present[one] = None
        return True

    def leave(self, one: "Patient") -> None:
        name = self._name(one)
        present = self._present.get(name) if name is not None else None
        if present is not None and name is not None:
            present.pop(one, None)
            if not present:
                del self._present[name]

    def _name(self, one: "Patient") -> str | None:
        return self._counted_as(one.client[0]) if one.client else None


class Patient(HttpToolsProtocol):
    """uvicorn's connection with an end to its patience: a head is complete HEAD_SECONDS after its first byte, the first one so
    long after the connection.
    """

    def __init__(self, *arguments: Any, crowd: Crowd | None = None, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._crowd = crowd
        self._patience: asyncio.TimerHandle | None = None

    def waits(self) -> bool:
        """For its client: no request of it is in work."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def close(self, reason: str) -> None:
        CLOSED.labels(reason).inc()
        self.transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin()
        if self._crowd is not None and not self._crowd.enter(self):
            self.close("crowd")

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        if self._crowd is not None:
            self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.waits():
            self._begin()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        self._end()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        if self.cycle.more_body:  # answered before the body was there, which may come no more
            self._begin()
        super().on_response_complete()

    def on_message_complete(self) -> None:
        if self.waits() and self.cycle is not None:
            self._end()
        super().on_message_complete()

    def _begin(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(HEAD_SECONDS, self.close, "slow")

    def _end(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
