"""The time of day, injected everywhere (design.md §3.14): tests move the clock, they do not sleep."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path


class Clock:
    """The system's clock."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds for measuring spans and time-outs; never jumps (REL-15)."""
        return time.monotonic()


class FileClock(Clock):
    """Ahead of the system's clock by the number of seconds in a file, so that a test moves all processes at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return super().now()
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._offset = timedelta(seconds=float(self._path.read_text() or 0))
            self._seen = seen
        return super().now() + self._offset


class ManualClock(Clock):
    """Stands still until it is moved; for unit tests."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def move(path: Path, seconds: float) -> None:
    """Moves every FileClock on this file; atomic, so that no process reads half a number."""
    offset = float(path.read_text() or 0) if path.exists() else 0.0
    part = path.with_suffix(".part")
    part.write_text(str(offset + seconds))
    part.replace(path)


def make_clock(path: Path | None) -> Clock:
    return FileClock(path) if path is not None else Clock()
