"""The endpoint that leads to a host: by TCP, with TLS, or by a socket's file."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock

from sxhost.address import HostAddress
from sxhost.client.endpoints import CONNECT_WITHIN, make_client_endpoint


def connect(reactor: MemoryReactorClock, url: str) -> None:
    endpoint = make_client_endpoint(reactor, HostAddress(url))
    endpoint.connect(Factory.forProtocol(Protocol))
    reactor.advance(0)


def test_a_socket_is_connected_to_by_its_path() -> None:
    reactor = MemoryReactorClock()
    connect(reactor, "unix:/run/s")
    ((path, _, timeout, *_),) = reactor.unixClients
    assert (path, timeout) == ("/run/s", CONNECT_WITHIN)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_tcp_address_is_connected_to_by_name_and_port(scheme: str) -> None:
    reactor = MemoryReactorClock()
    connect(reactor, f"{scheme}://127.0.0.1:7432")
    ((name, port, *_),) = reactor.tcpClients
    assert (name, port) == ("127.0.0.1", 7432)


def test_authorities_that_cannot_be_read_are_refused_at_once(tmp_path: Path) -> None:
    address = HostAddress("https://h")
    with pytest.raises(ValueError, match="missing"):
        make_client_endpoint(MemoryReactorClock(), address, str(tmp_path / "missing"))
