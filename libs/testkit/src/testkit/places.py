"""A small database of places, as operators mount one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # has no types


def write_places(path: Path, places: Mapping[str, tuple[str, float | None, float | None]]) -> Path:
    """{network: (country, latitude, longitude)}; answers the path."""
    writer = MMDBWriter(6, "City", ipv4_compatible=True, float_type="f64")
    for network, (country, latitude, longitude) in places.items():
        record: dict[str, Any] = {"country": {"iso_code": country}}
        if latitude is not None and longitude is not None:
            record["location"] = {"latitude": latitude, "longitude": longitude}
        writer.insert_network(IPSet([network]), record)
    part = path.with_suffix(".part")
    writer.to_db_file(str(part))
    return part.replace(path)
