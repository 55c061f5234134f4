"""Known breached passwords from a file that the operator mounts; no network (standards.md C2, PWD-4, D38).

The file has one upper-case SHA-1 in hex per line, sorted, anything after a colon is ignored: the form in which such lists are
published. A configured file that can't be read refuses the start (fail closed); without one the check is off.
"""

import hashlib
import mmap
from pathlib import Path
from typing import Protocol

from .rules import normalise


class Breaches(Protocol):
    def contains(self, password: str) -> bool: ...


class NoBreaches:
    """No file is configured."""

    def contains(self, password: str) -> bool:  # noqa: ARG002 - the protocol's
        return False


class BreachFile:
    """Binary search in the mapped file: a look-up reads a few pages, whatever its size."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def contains(self, password: str) -> bool:
        wanted = hashlib.sha1(normalise(password).encode(), usedforsecurity=False).hexdigest().upper().encode()
        low, high = 0, len(self._map)
        while low < high:
            middle = (low + high) // 2
            start = self._map.rfind(b"\n", 0, middle) + 1
            end = self._map.find(b"\n", start)
            end = len(self._map) if end < 0 else end
            found = self._map[start : min(start + 40, end)].upper()
            if found == wanted:
                return True
            if found < wanted:
                low = end + 1
            else:
                high = start
        return False


def open_breaches(path: Path | None) -> Breaches:
    return NoBreaches() if path is None else BreachFile(path)
