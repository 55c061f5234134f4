"""Addresses of clients: through trusted proxies only (THR-4), and one spelling for each.

A socket that takes both families shows an IPv4 peer as ::ffff:a.b.c.d. As that everybody with IPv4 would be one /64, and no proxy
would be known; so it is the IPv4 address here, wherever an address comes from.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from servicekit.networks import address_of
from starlette.types import Scope

_MAPPED_BITS = 96


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """CIDR, comma separated; raises ValueError."""
    return [_network(part.strip()) for part in text.split(",") if part.strip()]


def _network(text: str) -> IPv4Network | IPv6Network:
    found = ip_network(text)
    mapped = found.network_address.ipv4_mapped if isinstance(found, IPv6Network) else None
    return found if mapped is None or found.prefixlen < _MAPPED_BITS else IPv4Network((mapped, found.prefixlen - _MAPPED_BITS))


# A node of RFC 7239 §6, as proxies write it into X-Forwarded-For, too: quoted or not, IPv6 in brackets, with a port or without.
_NODE = re.compile(
    r"""(?P<quote>"?)(?:\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[^"\s]*)?|(?P<v4>[0-9]+(?:\.[0-9]+){3}):[^"\s]*|(?P<bare>[^"\s\[\]]+))(?P=quote)"""
)


def hop_of(text: str) -> IPv4Address | IPv6Address:
    """The address in one item of X-Forwarded-For; raises ValueError where it is none ("unknown", a name that hides one)."""
    found = _NODE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    address = found["v6"] or found["v4"] or found["bare"].partition("%")[0]
    return address_of(address)


def counted_as(peer: str, proxies: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """Whose connections a peer's are: a network's. A trusted proxy's are its many customers'."""
    try:
        if any(address_of(peer) in network for network in proxies):
            return None
    except ValueError:
        pass
    return network_of(peer)


def client_address(scope: Scope, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """The peer, or behind trusted proxies the nearest address that is none of theirs (THR-4)."""
    peer = scope["client"][0] if scope.get("client") else "0.0.0.0"  # noqa: S104 - "unknown", not a listener
    # A proxy may add to the line or a line of its own: together, in order, they are one list (RFC 9110 §5.3).
    lines = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for").decode("latin-1")
    hops = [part.strip() for part in lines.split(",") if part.strip()]
    try:
        found = address_of(peer)
    except ValueError:
        return str(peer)
    try:
        while hops and any(found in network for network in proxies):
            found = hop_of(hops.pop())
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
