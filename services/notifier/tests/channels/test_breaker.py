"""When a provider is left alone, and when it is tried again (REL-16)."""

import pytest
from notifier.channels.breaker import FIRST_SECONDS, LONGEST_SECONDS, OPEN_AFTER, Breaker
from servicekit.clock import Clock


class Time(Clock):
    seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def breaker(time: Time) -> Breaker:
    return Breaker(time)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        assert breaker.begin()
        breaker.failed()


class TestBreaker:
    def test_opens_after_three_in_a_row(self, breaker: Breaker):
        fail(breaker, OPEN_AFTER - 1)
        breaker.begin()
        breaker.succeeded()
        fail(breaker, OPEN_AFTER - 1)
        assert breaker.is_closed
        fail(breaker, 1)
        assert not breaker.is_closed
        assert not breaker.begin()

    def test_half_open_lets_one_probe_through(self, breaker: Breaker, time: Time):
        fail(breaker, OPEN_AFTER)
        time.seconds += FIRST_SECONDS
        assert breaker.begin()
        assert not breaker.begin(), "one at a time"
        breaker.succeeded()
        assert breaker.is_closed
        assert breaker.begin()

    def test_a_failed_probe_waits_longer_but_never_longer_than_5_s(self, breaker: Breaker, time: Time):
        """Fail-over and return within 5 s."""
        fail(breaker, OPEN_AFTER)
        waits = []
        for _ in range(6):
            began = time.seconds
            while not breaker.may_send():
                time.seconds += 0.5
            waits.append(time.seconds - began)
            fail(breaker, 1)
        assert waits == [1, 2, 4, 5, 5, 5]
        assert max(waits) == LONGEST_SECONDS

    def test_an_attempt_without_a_word_frees_the_probe(self, breaker: Breaker, time: Time):
        fail(breaker, OPEN_AFTER)
        time.seconds += FIRST_SECONDS
        assert breaker.begin()
        breaker.undecided()
        assert breaker.begin()
