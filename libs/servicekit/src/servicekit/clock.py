"""The time of day, injected everywhere (docs/architecture.md): tests move the clock, they do not sleep."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

# How far a process's clock may be from its database's (REL-15): from here on it is told, and from here on nothing is believed that
# lives for minutes only. A code lives for 6, and services already allow each other the latter (caller.SKEW).
NOTED_SKEW, MOST_SKEW = 2.0, 30.0


class Clock:
    """The system's clock, and how far it is from the database's, which all replicas share."""

    def __init__(self) -> None:
        self._ahead: tuple[float, float] | None = None  # of monotonic(): the database's time, and how uncertain that is

    def now(self) -> datetime:
        """Aware, in UTC."""
        return self.wall()

    def wall(self) -> datetime:
        """As this machine has it, wherever a test has moved `now` to."""
        return datetime.now(UTC)

    def compare(self, database: datetime, began: float) -> None:
        """`database`: what it said to a question that was asked at `began` (monotonic); the answer has just come."""
        uncertain = (self.monotonic() - began) / 2
        self._ahead = database.timestamp() - began - uncertain, uncertain

    def skew(self) -> float:
        """Seconds that this clock is ahead (or, below zero, behind) for certain, also when it was set since the last comparison.

        0 before the first one.
        """
        if self._ahead is None:
            return 0.0
        ahead, uncertain = self._ahead
        found = self.wall().timestamp() - self.monotonic() - ahead
        return max(abs(found) - uncertain, 0.0) * (1 if found > 0 else -1)

    def believable(self) -> bool:
        """Whether it may be told from this clock what has expired (INV-9)."""
        return abs(self.skew()) <= MOST_SKEW

    def monotonic(self) -> float:
        """Seconds for measuring spans and time-outs; never jumps (REL-15)."""
        return time.monotonic()


class _Offset:
    """The number of seconds in a file that need not be there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._offset = timedelta()

    def read(self) -> timedelta:
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return timedelta()
        seen = (status.st_mtime_ns, status.st_ino)
        if seen != self._seen:
            self._offset = timedelta(seconds=float(self._path.read_text() or 0))
            self._seen = seen
        return self._offset


class FileClock(Clock):
    """Ahead of the system's clock by the number of seconds in a file, so that a test moves all processes at once.

    With an owner, a second file (`<path>.<owner>`) says by how much that process's machine is wrong.
    """

    def __init__(self, path: Path, owner: str | None = None) -> None:
        super().__init__()
        self._moved = _Offset(path)
        self._wrong = _Offset(path.with_name(f"{path.name}.{owner}")) if owner else None

    def wall(self) -> datetime:
        return super().wall() + (self._wrong.read() if self._wrong else timedelta())

    def now(self) -> datetime:
        return self.wall() + self._moved.read()


class ManualClock(Clock):
    """Stands still until it is moved; for unit tests."""

    def __init__(self, start: datetime | None = None) -> None:
        super().__init__()
        self._wrong = timedelta()
        self._now = start or datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return super().wall() + self._wrong

    def move(self, seconds: float) -> None:
        """Time passes, for the database as well."""
        self._now += timedelta(seconds=seconds)

    def set_wrong(self, seconds: float) -> None:
        """This machine alone is ahead by so much."""
        self._now += timedelta(seconds=seconds) - self._wrong
        self._wrong = timedelta(seconds=seconds)


def move(path: Path, seconds: float) -> None:
    """Moves every FileClock on this file; atomic, so that no process reads half a number."""
    offset = float(path.read_text() or 0) if path.exists() else 0.0
    part = path.with_suffix(".part")
    part.write_text(str(offset + seconds))
    part.replace(path)


def make_clock(path: Path | None, owner: str | None = None) -> Clock:
    return FileClock(path, owner) if path is not None else Clock()
