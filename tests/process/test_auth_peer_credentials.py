"""Whose socket it is: real sockets, of this user and of another."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, UNIXAddress

from sxhost.auth.peer_credentials import (
    ConnectionEnds,
    is_local,
    peer_uid,
    peer_uid_by_netlink,
    peer_uid_by_tables,
)

WAYS = [peer_uid_by_netlink, peer_uid_by_tables]
Way = Callable[[ConnectionEnds], int | None]

NOBODY = 65534
CONNECT = "exec 3<>/dev/tcp/127.0.0.1/%d; echo >&3; read line"
"""What another user does: connect, say something, and wait."""


class Pair:
    """Both ends of a connection: ours and the peer's."""

    def __init__(self, family: socket.AddressFamily, host: str) -> None:
        self.port = socket.socket(family)
        self.port.bind((host, 0))
        self.port.listen()
        self.peer = socket.socket(family)
        self.peer.connect(self.port.getsockname()[:2])
        self.ours, _ = self.port.accept()

    @property
    def ends(self) -> ConnectionEnds:
        return ends_of(self.ours)

    def close(self) -> None:
        for end in (self.peer, self.ours, self.port):
            end.close()


def ends_of(ours: socket.socket) -> ConnectionEnds:
    peer, here = ours.getpeername(), ours.getsockname()
    return ConnectionEnds((ip_address(peer[0]), peer[1]), (ip_address(here[0]), here[1]))


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=str)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with closing(Pair(*request.param)) as pair:
        yield pair


@pytest.mark.parametrize("way", WAYS)
def test_uid_of_a_socket_of_this_user(pair: Pair, way: Way) -> None:
    assert way(pair.ends) == os.getuid()


@pytest.mark.parametrize("way", WAYS)
def test_closed_socket_has_no_uid(pair: Pair, way: Way) -> None:
    pair.peer.sendall(b"a last word")
    ends = pair.ends
    pair.peer.close()
    assert way(ends) is None


@pytest.mark.parametrize("way", WAYS)
def test_half_closed_socket_still_has_its_uid(pair: Pair, way: Way) -> None:
    pair.peer.shutdown(socket.SHUT_WR)
    assert way(pair.ends) == os.getuid()


@pytest.mark.parametrize("way", WAYS)
def test_unknown_socket_has_no_uid(pair: Pair, way: Way) -> None:
    peer, host = pair.ends
    nowhere = ConnectionEnds((peer[0], 1), host)
    try:
        assert way(nowhere) is None
    except OSError as error:
        assert "no such socket" in str(error)  # noqa: PT017 - one way raises


def test_uid_over_an_ipv4_mapped_address() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as port:
        number = port.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)):
            ours, _ = port.accept()
            with ours:
                assert ours.getpeername()[0] == "::ffff:127.0.0.1"
                assert peer_uid(transport(ours)) == os.getuid()


def transport(ours: socket.socket) -> Any:
    def address(name: Any) -> IPv4Address:
        return IPv4Address("TCP", name[0], name[1])

    return SimpleNamespace(
        getPeer=lambda: address(ours.getpeername()), getHost=lambda: address(ours.getsockname())
    )


@pytest.mark.parametrize("way", WAYS)
def test_uid_of_a_socket_of_another_user(way: Way) -> None:
    with socket.create_server(("127.0.0.1", 0)) as port:
        command = ["bash", "-c", CONNECT % port.getsockname()[1]]
        with subprocess.Popen(command, stdin=subprocess.PIPE, user=NOBODY) as other:
            ours, _ = port.accept()
            with ours:
                assert ours.recv(1) == b"\n"
                assert way(ends_of(ours)) == NOBODY
            other.communicate(b"\n")


def test_uid_over_a_unix_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as port, socket.socket(socket.AF_UNIX) as peer:
        port.bind(str(tmp_path / "s"))
        port.listen()
        peer.connect(str(tmp_path / "s"))
        ours, _ = port.accept()
        with ours:
            here = UNIXAddress(b"s")
            link = SimpleNamespace(getPeer=lambda: here, getHost=lambda: here, socket=ours)
            assert peer_uid(link) == os.getuid()


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True),
     ("10.0.0.1", False), ("::", False), ("0.0.0.0", False), ("fe80::1%eth0", False)],
)  # fmt: skip
def test_loopback_addresses_are_local(host: str, local: bool) -> None:
    assert is_local(IPv4Address("TCP", host, 1)) is local


def test_remote_peer_is_not_looked_up() -> None:
    far = SimpleNamespace(
        getPeer=lambda: IPv4Address("TCP", "10.0.0.1", 1),
        getHost=lambda: IPv4Address("TCP", "10.0.0.2", 2),
    )
    assert peer_uid(far) is None
