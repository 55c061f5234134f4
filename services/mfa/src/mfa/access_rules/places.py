"""Where an address is, by a database in MaxMind's MMDB format that the operator mounts (`LATCHKEY_PLACE_DATABASE`).

GeoLite2's and DB-IP's of countries or cities and IPinfo's have that form. Improbable travel takes one with coordinates, as those of cities
have. Where an address was found is never logged, and leaves this service in no event.
"""

from pathlib import Path
from typing import Any, Protocol

from servicekit.networks import MmdbFile

from .rules import Place

_SAMPLE = 1000  # records in which coordinates are looked for


class Places(Protocol):
    """`countries`, `coordinates`: whether there is a database that knows them."""

    @property
    def countries(self) -> bool: ...

    @property
    def coordinates(self) -> bool: ...

    def country(self, address: str | None) -> str | None: ...

    def place(self, address: str | None) -> Place | None: ...

    async def look(self) -> None: ...


class Nowhere:
    """No database is configured."""

    countries = coordinates = False

    def country(self, address: str | None) -> str | None:  # noqa: ARG002 - the protocol's
        return None

    def place(self, address: str | None) -> Place | None:  # noqa: ARG002 - the protocol's
        return None

    async def look(self) -> None: ...


class PlaceDatabase(MmdbFile):
    """Raises OSError or maxminddb.InvalidDatabaseError where the file is none."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "access.place")

    @property
    def countries(self) -> bool:
        return any(_country(record) for record in self.some(_SAMPLE))

    @property
    def coordinates(self) -> bool:
        return any(_place(record) for record in self.some(_SAMPLE))

    def country(self, address: str | None) -> str | None:
        return _country(self.get(address)) if address else None

    def place(self, address: str | None) -> Place | None:
        return _place(self.get(address)) if address else None


def open_places(path: Path | None) -> Places:
    return Nowhere() if path is None else PlaceDatabase(path)


def _country(record: Any) -> str | None:
    """MaxMind's and DB-IP's `country.iso_code`; IPinfo's `country_code`, or `country` as two letters."""
    if not isinstance(record, dict):
        return None
    country = record.get("country")
    found = country.get("iso_code") if isinstance(country, dict) else record.get("country_code", country)
    return found if isinstance(found, str) and len(found) == 2 else None


def _place(record: Any) -> Place | None:
    """`location.latitude` and `.longitude`; IPinfo's stand in the record itself, as texts."""
    if not isinstance(record, dict):
        return None
    inner = record.get("location")
    found = inner if isinstance(inner, dict) else record
    given: list[Any] = [found.get("latitude", found.get("lat")), found.get("longitude", found.get("lng"))]
    try:
        latitude, longitude = (float(one) for one in given)
    except (ValueError, TypeError):
        return None
    return Place(round(latitude, 1), round(longitude, 1))
