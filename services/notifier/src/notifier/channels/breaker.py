"""When a provider is left alone, and when it is looked at again (REL-16)."""

from servicekit.clock import Clock

OPEN_AFTER = 3  # times in a row that it was not there
FIRST_SECONDS, LONGEST_SECONDS = 1.0, 5.0


class Breaker:
    """Closed: everything goes. Open: nothing, for a while. Then half open: one message probes, and its outcome decides."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._seconds = FIRST_SECONDS
        self._open_until: float | None = None
        self._probing = False

    @property
    def is_closed(self) -> bool:
        return self._open_until is None

    def may_send(self) -> bool:
        """Whether `begin` would let a message through now."""
        if self._open_until is None:
            return True
        return not self._probing and self._clock.monotonic() >= self._open_until

    def begin(self) -> bool:
        """Called before each message; False: not now. After True one of `succeeded`, `failed`, `undecided` must follow."""
        if not self.may_send():
            return False
        self._probing = self._open_until is not None
        return True

    def succeeded(self) -> None:
        """It answered, whatever it said about this one message."""
        self._failures, self._seconds, self._open_until, self._probing = 0, FIRST_SECONDS, None, False

    def failed(self, *, at_once: bool = False) -> None:
        """It was not there. `at_once`: it said so itself."""
        self._failures += OPEN_AFTER if at_once else 1
        if self._probing:
            self._seconds = min(self._seconds * 2, LONGEST_SECONDS)
        if self._probing or self._failures >= OPEN_AFTER:
            self._open_until = self._clock.monotonic() + self._seconds
        self._probing = False

    def judge(self, *, there: bool, at_once: bool = False) -> None:
        if there:
            self.succeeded()
        else:
            self.failed(at_once=at_once)

    def undecided(self) -> None:
        """The attempt ended without a word about the provider."""
        self._probing = False
