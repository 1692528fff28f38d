"""Peer credentials: which user is at the other end of a connection from this machine.

For TCP the kernel is asked by netlink (``sock_diag``, see sock_diag(7)), or where there is none
its tables in ``/proc/self/net`` are read; a unix socket has them as ``SO_PEERCRED``.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Collection, Iterator
from errno import EMFILE, ENFILE
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet import address
from twisted.internet.interfaces import IAddress

from sxhost.localnet import is_loopback, parse_address

__all__ = [
    "ConnectionEnds",
    "is_local",
    "listening_uids",
    "peer_uid",
    "peer_uid_by_netlink",
    "peer_uid_by_tables",
]

SocketAddress = tuple[IPv4Address | IPv6Address, int]
"""An address and a port."""

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
REQUEST = struct.Struct("=BBBBI")  # family, protocol, extensions, -, states
PORTS = struct.Struct("!HH")
ANY_COOKIE = b"\0\0\0\0" + b"\xff" * 8  # interface, cookie
ANSWER = struct.Struct("=BBBB48xIIIII")  # family, state, …, uid and inode at the end
LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h, in hex
TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))


class ConnectionEnds(NamedTuple):
    """The two ends of a TCP connection: the client's (`peer`) and ours (`host`)."""

    peer: SocketAddress
    host: SocketAddress


class KernelSocket(NamedTuple):
    """A socket in the kernel's tables; `ends.peer` is its own end."""

    ends: ConnectionEnds
    state: str
    uid: int
    inode: int


def peer_uid(transport: Any) -> int | None:
    """Return the uid of a transport's peer, or None if that cannot be known.

    It is known of unix sockets and of TCP connections over loopback.  A socket that its process
    has closed has no owner any more: the kernel's tables say uid 0 then, which is not taken.
    """
    peer, host = transport.getPeer(), transport.getHost()
    if not isinstance(peer, address.IPv4Address | address.IPv6Address):
        return _unix_uid(getattr(transport, "socket", None))
    if not is_local(peer):
        return None
    ends = ConnectionEnds(
        (parse_address(peer.host), peer.port), (parse_address(host.host), host.port)
    )
    try:
        return peer_uid_by_netlink(ends) if _netlink_works() else peer_uid_by_tables(ends)
    except OSError:
        return None


def is_local(place: IAddress) -> bool:
    """Tell whether an address is a unix socket's or of the loopback network."""
    if not isinstance(place, address.IPv4Address | address.IPv6Address):
        return True
    return is_loopback(place.host)


def peer_uid_by_netlink(ends: ConnectionEnds) -> int | None:
    """Ask the kernel for the socket with exactly these ends.

    :raises OSError: netlink is not there, or knows of no such socket.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as link:
        link.settimeout(1)
        link.send(_netlink_request(ends))
        answer = link.recv(4096)
    _, kind, *_ = HEADER.unpack_from(answer)
    if kind != SOCK_DIAG_BY_FAMILY:
        raise OSError("the kernel knows no such socket")
    *_, uid, inode = ANSWER.unpack_from(answer, HEADER.size)
    return uid if inode else None


def peer_uid_by_tables(ends: ConnectionEnds) -> int | None:
    """Look for the socket in the kernel's tables of TCP sockets.

    :raises OSError: the tables cannot be read.
    """
    wanted = [ends, ConnectionEnds(_as_ipv6(ends.peer), _as_ipv6(ends.host))]
    for entry in _tcp_sockets():
        if entry.ends in wanted:
            return entry.uid if entry.inode else None
    return None


def listening_uids(places: Collection[str], port: int) -> set[int]:
    """Return the uids of those who listen at a port, on one of these addresses or on all.

    Nobody is found where the kernel's tables cannot be read.
    """
    wanted = {*map(parse_address, places), *map(ip_address, ("0.0.0.0", "::"))}  # noqa: S104
    try:
        sockets = list(_tcp_sockets())
    except OSError:
        return set()
    users: set[int] = set()
    for entry in sockets:
        address, number = entry.ends.peer
        if entry.state == LISTEN and number == port and parse_address(str(address)) in wanted:
            users.add(entry.uid)
    return users


@cache
def _netlink_works() -> bool:
    """Try on a connection of our own whether the kernel answers by netlink.

    Where it does, the tables are never read: they know no more, and for a peer that has closed
    its socket it would take milliseconds beside thousands of connections.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        here, port = client.getsockname()
        ends = ConnectionEnds(
            (ip_address(here), port), (ip_address(here), server.getsockname()[1])
        )
        try:
            return peer_uid_by_netlink(ends) is not None
        except OSError as error:
            if error.errno in (EMFILE, ENFILE):
                raise
            return False


def _unix_uid(connection: socket.socket | None) -> int | None:
    if connection is None or connection.family != socket.AF_UNIX:
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("=iII", credentials)[1])


def _as_ipv6(place: SocketAddress) -> SocketAddress:
    """Return an address as sockets of IPv6 show it (``::ffff:127.0.0.1``)."""
    return ip_address(f"::ffff:{place[0]}") if place[0].version == 4 else place[0], place[1]  # noqa: PLR2004


def _netlink_request(ends: ConnectionEnds) -> bytes:
    """Encode the request for the peer's socket."""
    (peer, sport), (host, dport) = ends
    family = socket.AF_INET if peer.version == 4 else socket.AF_INET6  # noqa: PLR2004
    places = (
        PORTS.pack(sport, dport) + peer.packed.ljust(16, b"\0") + host.packed.ljust(16, b"\0")
    )
    body = REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + places + ANY_COOKIE
    size = HEADER.size + len(body)
    return HEADER.pack(size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + body


def _tcp_sockets() -> Iterator[KernelSocket]:
    """Yield every TCP socket of this network namespace."""
    for table in TABLES:
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            ends = ConnectionEnds(_read_address(fields[1]), _read_address(fields[2]))
            yield KernelSocket(ends, fields[3], int(fields[7]), int(fields[9]))


def _read_address(text: str) -> SocketAddress:
    """Read ``0100007F:1D08``: 32-bit words in the machine's byte order, a port in hex."""
    digits, _, port = text.partition(":")
    words = struct.pack(
        f"={len(digits) // 8}I", *(int(digits[n : n + 8], 16) for n in range(0, len(digits), 8))
    )
    return ip_address(words), int(port, 16)
