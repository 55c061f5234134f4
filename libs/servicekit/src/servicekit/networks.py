"""Addresses of machines: one spelling for each, and what a database in MaxMind's MMDB format that an operator mounts knows of them.

A newer file takes effect by itself.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import maxminddb

from servicekit.logging import get_logger

log = get_logger(__name__)


def address_of(text: str) -> IPv4Address | IPv6Address:
    """A socket that takes both families shows an IPv4 peer as ::ffff:a.b.c.d. Raises ValueError where it is none."""
    found = ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


class MmdbFile:
    """Raises OSError or maxminddb.InvalidDatabaseError where the file is none. `what`: the database, as the log calls it."""

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        self._open()

    def get(self, address: str) -> dict[str, Any] | None:
        try:
            found = self._reader.get(address_of(address))
        except ValueError:  # no address, or an IPv6 one where the file has IPv4 only
            return None
        return found if isinstance(found, dict) else None

    def some(self, count: int) -> list[Any]:
        """The first records, to see what they hold."""
        return [record for _, (_, record) in zip(range(count), self._reader, strict=False)]

    async def look(self) -> None:
        """Opens the file again if another has taken its place; one that can't be read leaves the earlier one in use."""
        try:
            if self._version() != self._opened:
                self._open()
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            event = f"{self._what}_database_unreadable"
            log.warning(event, error=type(error).__name__)

    def _open(self) -> None:
        version = self._version()
        # In memory: a file that is replaced in place would pull a mapped one from under its reader.
        self._reader = maxminddb.open_database(self._path, maxminddb.MODE_MEMORY)
        self._opened = version

    def _version(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size
