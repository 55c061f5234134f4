"""How the channels are doing, from the notifier; asked at most every two seconds, never failing."""

from servicekit.clock import Clock
from servicekit.errors import ServiceError
from servicekit.web.caller import Caller
from servicekit.web.client import InternalClient

KEEP_SECONDS = 2.0
WAIT_SECONDS = 1.0
ALL = ("email", "sms", "voice")


class Channels:
    def __init__(self, notifier: InternalClient, clock: Clock) -> None:
        self._notifier = notifier
        self._clock = clock
        self._known: dict[tuple[str, bool], tuple[float, dict[str, str]]] = {}

    async def states(self, application: str, *, strangers: bool) -> dict[str, str]:
        """`strangers`: as it is for who begins an account. By application, since each has money of its own; there are few."""
        asked, now = (application, strangers), self._clock.monotonic()
        until, known = self._known.get(asked, (now, {}))
        if now < until:
            return known
        self._known[asked] = (now + KEEP_SECONDS, known or dict.fromkeys(ALL, "delayed"))
        params = {"application": application, "strangers": str(strangers).lower()}
        try:
            found: dict[str, str] = await self._notifier.request(
                "GET", "/internal/channels", caller=Caller("gateway"), params=params, deadline=WAIT_SECONDS
            )
        except ServiceError:
            found = dict.fromkeys(ALL, "delayed")
        self._known[asked] = (now + KEEP_SECONDS, found)
        return found
