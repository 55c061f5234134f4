"""Which autonomous system an address belongs to, in a real MMDB file."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gateway.limits.asn import AsnDatabase, Unknown, open_asn
from gateway.settings import GatewaySettings
from pydantic import ValidationError

Write = Callable[[dict[str, object]], Path]


def system(number: object) -> dict[str, object]:
    return {"autonomous_system_number": number, "autonomous_system_organization": "Example"}


def test_found_by_address(asn_file: Write) -> None:
    found = open_asn(
        asn_file({"192.0.2.0/24": system(64500), "2001:db8::/48": system(64501), "198.51.100.0/24": {"asn": "AS64502"}})
    )
    assert [found.number(one) for one in ("192.0.2.9", "2001:db8::7", "198.51.100.1")] == [64500, 64501, 64502]


def test_found_where_ipv4_is_mapped(asn_file: Write) -> None:
    assert open_asn(asn_file({"192.0.2.0/24": system(64500)})).number("::ffff:192.0.2.9") == 64500


@pytest.mark.parametrize("address", ["203.0.113.1", "2001:db9::1", "", "somewhere", "192.0.2.300"])
def test_nobody_knows(asn_file: Write, address: str) -> None:
    assert open_asn(asn_file({"192.0.2.0/24": system(64500)})).number(address) is None


@pytest.mark.parametrize("record", [{}, {"asn": "64500x"}, {"asn": [64500]}, "AS64500"])
def test_records_of_another_kind(asn_file: Write, record: object) -> None:
    assert open_asn(asn_file({"192.0.2.0/24": record})).number("192.0.2.9") is None


def test_without_a_file() -> None:
    assert isinstance(open_asn(None), Unknown)
    assert open_asn(None).number("192.0.2.9") is None


async def test_a_newer_file_takes_effect_and_a_broken_one_doesnt(asn_file: Write) -> None:
    path = asn_file({"192.0.2.0/24": system(64500)})
    found = AsnDatabase(path)
    asn_file({"192.0.2.0/24": system(64511)})
    await found.look()
    assert found.number("192.0.2.9") == 64511
    path.write_bytes(b"half of something")
    await found.look()
    assert found.number("192.0.2.9") == 64511
    path.unlink()
    await found.look()
    assert found.number("192.0.2.9") == 64511


@pytest.mark.parametrize(("content", "said"), [(None, "can't be read"), (b"no database", "is no MMDB file")])
def test_refuses_the_start(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "asn.mmdb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValidationError, match=said):
        GatewaySettings.model_validate({"asn_database": path, "postgres_dsn": "postgresql://x", "kafka_bootstrap": "x:1"})
