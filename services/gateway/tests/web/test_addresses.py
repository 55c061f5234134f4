"""THR-4: whose address it is, through trusted proxies alone; THR-1: what counts together."""

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from gateway.web.addresses import address_of, client_address, counted_as, network_of, networks
from hypothesis import given
from hypothesis import strategies as st


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

    @pytest.mark.parametrize(
        ("item", "address"),
        [
            ("203.0.113.9:51234", "203.0.113.9"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:443", "2001:db8::7"),
            ('"[2001:db8::7]:443"', "2001:db8::7"),
            ('"203.0.113.9"', "203.0.113.9"),
            ('"203.0.113.9:_port"', "203.0.113.9"),
            ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
            ("2001:db8::7%eth0", "2001:db8::7"),
            # What hides whom it is about, or is no address, is nobody's: the nearest that is known counts.
            *(
                (text, "10.0.0.1")
                for text in ("unknown", "_hidden", '"unknown:80"', "203.0.113", '"203.0.113.9', "[203.0.113.9", "")
            ),
        ],
    )
    def test_however_a_proxy_writes_it(self, item: str, address: str) -> None:
        """THR-4: with port, brackets or quotes it is the same customer, and not everybody."""
        assert client_address(scope("10.0.0.1", item), PROXIES) == address

    @given(
        address=st.ip_addresses(),
        port=st.none() | st.integers(0, 65535) | st.just("_p"),
        quoted=st.booleans(),
        blank=st.sampled_from(["", " ", "\t"]),
    )
    def test_every_address_in_every_form(self, address: Any, port: Any, quoted: bool, blank: str) -> None:
        """THR-4: property."""
        bare = str(address) if address.version == 4 else f"[{address}]"
        item = bare if port is None else f"{bare}:{port}"
        item = f'"{item}"' if quoted else item
        found = client_address(scope("10.0.0.1", f"192.0.2.66,{blank}{item}{blank}"), [ip_network("10.0.0.1")])
        assert found == str(address_of("192.0.2.66" if address_of(str(address)) == address_of("10.0.0.1") else str(address)))

    @given(item=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=60))
    def test_whatever_comes_is_an_address_or_the_proxy(self, item: str) -> None:
        ip_address(
            client_address({"client": ("10.0.0.1", 1), "headers": [(b"x-forwarded-for", item.encode("latin-1"))]}, PROXIES)
        )

    @pytest.mark.parametrize(
        ("peer", "name"),
        [
            ("10.0.0.1", None),
            ("::ffff:10.0.0.1", None),
            ("203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002::/64"),
            ("", ""),
        ],
    )
    def test_whose_connections(self, peer: str, name: str | None) -> None:
        """THR-1: a proxy's are its many customers'."""
        assert counted_as(peer, PROXIES) == name

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
