"""Addresses of clients: through trusted proxies only (THR-4), and one spelling for each.

A socket that takes both families shows an IPv4 peer as ::ffff:a.b.c.d. As that everybody with IPv4 would be one /64, and no proxy
would be known; so it is the IPv4 address here, wherever an address comes from.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.types import Scope

_MAPPED_BITS = 96


def address_of(text: str) -> IPv4Address | IPv6Address:
    """Raises ValueError where it is none."""
    found = ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """CIDR, comma separated; raises ValueError."""
    return [_network(one.strip()) for one in text.split(",") if one.strip()]


def _network(text: str) -> IPv4Network | IPv6Network:
    found = ip_network(text)
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return found if mapped is None or found.prefixlen < _MAPPED_BITS else IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))


def client_address(scope: Scope, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The peer, or behind trusted proxies the nearest address that is none of theirs (THR-4)."""
    peer = scope["client"][0] if scope.get("client") else "0.0.0.0"  # noqa: S104 - "unknown", not a listener
    # A proxy may add to the line or a line of its own: together, in order, they are one list (RFC 9110 §5.3).
    lines = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    hops = [one.strip() for one in lines.split(",") if one.strip()]
    try:
        found = address_of(peer)
    except ValueError:
        return str(peer)
    try:
        while hops and any(found in network for network in proxies):
            found = address_of(hops.pop())
    except ValueError:
        pass
    return str(found)


def network_of(address: str) -> str:
    """/32 for IPv4, /64 for IPv6: what one customer's line usually has."""
    try:
        found = address_of(address)
    except ValueError:
        return address
    if found.version == 4:
        return str(found)
    return ":".join(found.exploded.split(":")[:4]) + "::/64"
