"""Which autonomous system an address belongs to, by a database in MaxMind's MMDB format that the operator mounts (THR-1).

GeoLite2 ASN, DB-IP's and IPinfo's have that form. Without one nobody is counted by system. A newer file takes effect by itself.
"""

from pathlib import Path
from typing import Protocol

import maxminddb
from servicekit.logging import get_logger

from gateway.web.addresses import address_of

log = get_logger(__name__)


class AutonomousSystems(Protocol):
    def number(self, address: str) -> int | None: ...

    async def look(self) -> None: ...


class Unknown:
    """No database is configured."""

    def number(self, address: str) -> int | None:  # noqa: ARG002 - the protocol's
        return None

    async def look(self) -> None: ...


class AsnDatabase:
    """Raises OSError or maxminddb.InvalidDatabaseError where the file is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open()

    def number(self, address: str) -> int | None:
        try:
            found = self._reader.get(address_of(address))
        except ValueError:  # no address, or an IPv6 one where the file has IPv4 only
            return None
        if not isinstance(found, dict):
            return None
        number = found.get("autonomous_system_number", found.get("asn"))
        if isinstance(number, str) and number[:2].upper() == "AS" and number[2:].isdecimal():
            return int(number[2:])
        return number if isinstance(number, int) else None

    async def look(self) -> None:
        """Opens the file again if another has taken its place; one that can't be read leaves the earlier one in use."""
        try:
            if self._version() != self._opened:
                self._open()
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            log.warning("limits.asn_database_unreadable", error=type(error).__name__)

    def _open(self) -> None:
        version = self._version()
        # In memory: a file that is replaced in place would pull a mapped one from under its reader.
        self._reader = maxminddb.open_database(self._path, maxminddb.MODE_MEMORY)
        self._opened = version

    def _version(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size


def open_asn(path: Path | None) -> AutonomousSystems:
    return Unknown() if path is None else AsnDatabase(path)
