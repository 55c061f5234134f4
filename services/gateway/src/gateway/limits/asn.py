"""Which autonomous system an address belongs to, by a database in MaxMind's MMDB format that the operator mounts (THR-1).

GeoLite2 ASN, DB-IP's and IPinfo's have that form. Without one nobody is counted by system. A newer file takes effect by itself.
"""

from pathlib import Path
from typing import Protocol

from servicekit.networks import MmdbFile


class AutonomousSystems(Protocol):
    def number(self, address: str) -> int | None: ...

    async def look(self) -> None: ...


class Unknown:
    """No database is configured."""

    def number(self, address: str) -> int | None:  # noqa: ARG002 - the protocol's
        return None

    async def look(self) -> None: ...


class AsnDatabase(MmdbFile):
    """Raises OSError or maxminddb.InvalidDatabaseError where the file is none."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "limits.asn")

    def number(self, address: str) -> int | None:
        found = self.get(address)
        if found is None:
            return None
        number = found.get("autonomous_system_number", found.get("asn"))
        if isinstance(number, str) and number[:2].upper() == "AS" and number[2:].isdecimal():
            return int(number[2:])
        return number if isinstance(number, int) else None


def open_asn(path: Path | None) -> AutonomousSystems:
    return Unknown() if path is None else AsnDatabase(path)
