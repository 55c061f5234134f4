"""The clock that tests move (docs/architecture.md)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servicekit.clock import Clock, FileClock, ManualClock, make_clock, move


class TestSystem:
    def test_utc_and_now(self):
        now = Clock().now()
        assert now.utcoffset() == timedelta()
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=1)

    def test_spans_never_jump(self):
        clock = Clock()
        assert clock.monotonic() <= clock.monotonic()


class TestFile:
    def test_moves_all_that_read_it(self, tmp_path):
        path = tmp_path / "clock"
        clocks = [FileClock(path), FileClock(path)]
        assert all(abs(one.now() - Clock().now()) < timedelta(seconds=1) for one in clocks)
        move(path, 3600)
        move(path, 0.5)
        for one in clocks:
            assert abs(one.now() - Clock().now() - timedelta(seconds=3600.5)) < timedelta(seconds=1)
        move(path, -3600.5)
        assert all(abs(one.now() - Clock().now()) < timedelta(seconds=1) for one in clocks)

    @pytest.mark.parametrize("text", ["", "0", "12.5\n"])
    def test_what_a_person_may_write(self, tmp_path, text):
        path = tmp_path / "clock"
        path.write_text(text)
        assert abs(FileClock(path).now() - Clock().now() - timedelta(seconds=float(text or 0))) < timedelta(seconds=1)

    def test_only_where_a_file_is_named(self, tmp_path):
        assert isinstance(make_clock(tmp_path / "clock"), FileClock)
        assert type(make_clock(None)) is Clock


class TestManual:
    def test_stands_still_until_moved(self):
        clock = ManualClock()
        start = clock.now()
        assert clock.now() == start
        clock.move(0.1)
        assert clock.now() - start == timedelta(seconds=0.1)


class TestSkew:
    """REL-15: how far a process is from the clock that all share, its database's."""

    def test_nothing_is_known_before_the_first_comparison(self):
        clock = ManualClock()
        clock.set_wrong(600)
        assert clock.skew() == 0
        assert clock.believable()

    @pytest.mark.parametrize("seconds", [-600.0, -5.0, 0.0, 5.0, 600.0])
    def test_ahead_and_behind(self, seconds):
        clock = ManualClock()
        clock.set_wrong(seconds)
        clock.compare(Clock().now(), clock.monotonic())
        assert clock.skew() == pytest.approx(seconds, abs=0.1)

    @given(seconds=st.floats(-40, 40), way=st.floats(0, 20), share=st.floats(0, 1))
    def test_the_round_trip_never_makes_a_skew(self, seconds, way, share):
        """Whenever between question and answer the database looked at its clock: what is certain is never more than is true."""
        clock = ManualClock()
        clock.set_wrong(seconds)
        looked = Clock().now() - timedelta(seconds=way * (1 - share))
        clock.compare(looked, clock.monotonic() - way)
        assert abs(clock.skew()) <= abs(seconds) + 0.1
        assert abs(clock.skew()) >= abs(seconds) - way - 0.1

    def test_one_that_is_set_between_two_comparisons(self):
        """INV-9: noticed at once, not a second later."""
        clock = ManualClock()
        clock.compare(Clock().now(), clock.monotonic())
        assert clock.believable()
        clock.set_wrong(-600)
        assert not clock.believable()

    def test_of_one_process_alone(self, tmp_path):
        """A moved test clock is no skew; a file of the process's own is."""
        path = tmp_path / "clock"
        ours, theirs = make_clock(path, "identity"), make_clock(path, "recovery")
        for clock in (ours, theirs):
            clock.compare(Clock().now(), clock.monotonic())
        move(path, 86_400)
        assert ours.believable()
        assert theirs.believable()
        move(tmp_path / "clock.identity", -600)
        assert ours.skew() == pytest.approx(-600, abs=0.1)
        assert theirs.now() - ours.now() > timedelta(seconds=599)
        assert theirs.believable()
