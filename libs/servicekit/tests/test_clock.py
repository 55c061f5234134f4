"""The clock that tests move (design.md §3.14)."""

from datetime import UTC, datetime, timedelta

import pytest
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
