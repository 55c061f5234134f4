"""How a channel is doing, from its recent outcomes; depends on nobody's identifier (api.md §1, `channels`)."""

from servicekit.clock import Clock

DOWN_AFTER = 3  # connections in a row that failed


class ChannelHealth:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._last_failure = float("-inf")

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._last_failure = self._clock.monotonic()

    def state(self, oldest_waiting_seconds: float) -> str:
        """ok, delayed or down."""
        recent = self._clock.monotonic() - self._last_failure < 60
        if self._failures >= DOWN_AFTER and recent:
            return "down"
        return "delayed" if oldest_waiting_seconds > 10 or (self._failures and recent) else "ok"
