"""Is it this machine?  Loopback addresses, and the URLs and endpoints that lead to them.

Everything that trusts an address because nobody else can be there asks this module, so that
no spelling (``127.1.2.3``, ``[::ffff:127.0.0.1]``) is local for one and remote for another.
Names are never looked up: a resolver is somebody else's word.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from sxhost.address import HostAddress

__all__ = [
    "LOOPBACK_NAMES",
    "is_local_endpoint",
    "is_local_url",
    "is_loopback",
    "loopback_addresses",
    "parse_address",
]

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""How this machine is usually called, without the brackets that a URL has around IPv6."""

_TCP_ENDPOINT = re.compile(r"tcp:\d+:interface=((?:\\.|[^\\:])*)\Z")


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """Read an address, without its zone (``%eth0``); an IPv4-mapped IPv6 address is IPv4.

    The kernel shows IPv4 peers as ``::ffff:127.0.0.1`` on a socket that takes both.

    :raises ValueError: it is a name, or nothing of the kind.
    """
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def is_loopback(name: str) -> bool:
    """Tell whether what is sent to a name or an address stays on this machine."""
    return bool(loopback_addresses(name))


def loopback_addresses(name: str) -> tuple[str, ...]:
    """Return the loopback addresses that a name or an address stands for; none if it leads
    elsewhere.
    """
    if name == "localhost":
        return "127.0.0.1", "::1"
    try:
        address = parse_address(name)
    except ValueError:
        return ()
    return (str(address),) if address.is_loopback else ()


def is_local_url(url: str) -> bool:
    """Tell whether what is sent to a URL stays on this machine."""
    try:
        address = HostAddress(url)
    except ValueError:
        return False
    return bool(address.socket_path) or is_loopback(address.name)


def is_local_endpoint(endpoint: str) -> bool:
    """Tell whether only this machine can connect to a server's endpoint.

    It is written as for `twisted.internet.endpoints.serverFromString`.  Without an interface it
    listens on all of them; whatever else is not understood here counts as open to others.
    """
    if endpoint.startswith("unix:"):
        return True
    tcp = _TCP_ENDPOINT.match(endpoint)
    return tcp is not None and is_loopback(tcp[1].replace("\\", ""))
