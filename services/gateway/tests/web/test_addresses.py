"""THR-4: whose address it is, through trusted proxies alone; THR-1: what counts together."""

from ipaddress import ip_network
from typing import Any

import pytest
from gateway.web.addresses import client_address, network_of, networks


def scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"client": (peer, 1234) if peer is not None else None, "headers": [(b"host", b"id.example"), *headers]}


PROXIES = [ip_network("10.0.0.0/8"), ip_network("2001:db8:f::/48")]


class TestAddress:
    @pytest.mark.parametrize(
        ("peer", "forwarded", "address"),
        [
            ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", ["192.0.2.66, 198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", [], "10.0.0.1"),
            ("10.0.0.1", ["unknown"], "10.0.0.1"),
            # A proxy that adds a line of its own: what came before is the stranger's.
            ("10.0.0.1", ["192.0.2.66", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", ["192.0.2.66", "198.51.100.1, 10.0.0.3", "10.0.0.2"], "198.51.100.1"),
            # A socket that takes both families shows IPv4 peers as mapped.
            ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
            ("::ffff:10.0.0.1", ["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
            ("::ffff:203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
            ("2001:db8:f::1", ["2001:DB8:0::7"], "2001:db8::7"),
            ("", ["198.51.100.1"], ""),
            (None, [], "0.0.0.0"),  # noqa: S104 - "unknown", not a listener
        ],
    )
    def test_nearest_that_is_no_proxy_s(self, peer: str | None, forwarded: list[str], address: str) -> None:
        """THR-4."""
        assert client_address(scope(peer, *forwarded), PROXIES) == address

    def test_proxies_written_as_mapped(self) -> None:
        assert client_address(scope("10.0.0.1", "198.51.100.1"), networks("::ffff:10.0.0.0/104")) == ("198.51.100.1")
        assert networks("2001:db8::/32, ::/0") == [ip_network("2001:db8::/32"), ip_network("::/0")]

    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("198.51.100.1", "198.51.100.1"),
            ("::ffff:198.51.100.1", "198.51.100.1"),
            ("::ffff:c633:6401", "198.51.100.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
            ("nobody", "nobody"),
        ],
    )
    def test_network(self, address: str, network: str) -> None:
        """THR-1: all of IPv4 is not one /64."""
        assert network_of(address) == network
