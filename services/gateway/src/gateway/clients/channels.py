"""How the channels are doing, from the notifier; asked at most every two seconds, never failing."""

from servicekit.caller import Caller
from servicekit.client import InternalClient
from servicekit.clock import Clock
from servicekit.errors import ServiceError

KEEP_SECONDS = 2.0
WAIT_SECONDS = 1.0


class Channels:
    def __init__(self, notifier: InternalClient, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._known: dict[str, str] = {}
        self._until = float("-inf")

    async def states(self) -> dict[str, str]:
        if self._clock.monotonic() >= self._until:
            self._until = self._clock.monotonic() + KEEP_SECONDS
            try:
                self._known = await self._notifier.request(
                    "GET", "/internal/channels", caller=Caller("gateway"), deadline=WAIT_SECONDS
                )
            except ServiceError:
                self._known = dict.fromkeys(("email", "sms", "voice"), "delayed")
        return self._known
