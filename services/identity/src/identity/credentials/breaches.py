"""Known breached passwords from a file that the operator mounts; no network (PWD-4, D38).

The file has one SHA-1 in hex per line, sorted; what follows a colon (a count) is ignored: the form in which such lists are
published. Fail mode: without a configured file the check is off; a configured file that can't be read or is no such list
refuses the start (fail closed). A new list takes effect with a restart.
"""

import hashlib
import mmap
import re
from itertools import pairwise
from pathlib import Path
from typing import Protocol

from .rules import normalise

_LINE = re.compile(rb"^[0-9A-Fa-f]{40}(:[0-9]+)?\r?\n?$")
_LOOKED_AT = 1000


class Breaches(Protocol):
    def contains(self, password: str) -> bool: ...


class NoBreaches:
    """No file is configured."""

    def contains(self, password: str) -> bool:  # noqa: ARG002 - the protocol's
        return False


class BreachFile:
    """Binary search in the mapped file: a look-up reads a few pages, whatever its size. Raises OSError or ValueError."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            _check_form(file.readlines(_LOOKED_AT * 48))
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def contains(self, password: str) -> bool:
        wanted = hashlib.sha1(normalise(password).encode(), usedforsecurity=False).hexdigest().upper().encode()
        low, high = 0, len(self._map)  # the start of a line, and the start of one or the end
        while low < high:
            start = self._map.rfind(b"\n", low, (low + high) // 2) + 1 or low
            found = self._map[start : start + 40].upper()
            if found == wanted:
                return True
            if found < wanted:
                end = self._map.find(b"\n", start, high)
                low = high if end < 0 else end + 1
            else:
                high = start
        return False


def _check_form(lines: list[bytes]) -> None:
    if not lines or not all(_LINE.match(line) for line in lines):
        raise ValueError("is no list of SHA-1 sums, one a line")
    if any(after[:40].upper() < before[:40].upper() for before, after in pairwise(lines)):
        raise ValueError("is not sorted by its SHA-1 sums")


def open_breaches(path: Path | None) -> Breaches:
    return NoBreaches() if path is None else BreachFile(path)
