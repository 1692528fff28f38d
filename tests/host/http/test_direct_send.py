"""Bytes that leave at once: what the kernel takes now, and what the transport keeps."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.internet.testing import MemoryReactor, StringTransport

from sxhost.http.direct_send import flush, send

LARGE = b"x" * (4 << 20)
"""More than a socket takes at once."""


class Producer:
    """Notes what a transport asks of it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def pauseProducing(self) -> None:
        self.asked.append("pause")

    def resumeProducing(self) -> None:
        self.asked.append("resume")

    def stopProducing(self) -> None:
        self.asked.append("stop")


class Pair:
    """A transport, its reactor, and the socket of its peer."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        self.peer.setblocking(False)
        self.reactor = MemoryReactor()
        self.transport = Connection(ours, Protocol(), self.reactor)
        self.transport.connected = True
        self.producer = Producer()
        self.transport.registerProducer(self.producer, True)

    @property
    def is_watched(self) -> bool:
        """Whether the reactor waits for room in the socket."""
        return self.transport in self.reactor.getWriters()

    def received(self) -> bytes:
        """Return what has come to the peer, and what the transport sends as it reads."""
        whole = b""
        while True:
            try:
                whole += self.peer.recv(1 << 20)
            except BlockingIOError:
                if not self.is_watched:
                    return whole
                assert self.transport.doWrite() is None


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.peer.close()
    pair.transport.socket.close()


def test_bytes_leave_without_the_reactor(pair: Pair) -> None:
    send(pair.transport, b"one")
    assert not pair.is_watched
    assert pair.peer.recv(100) == b"one"
    send(pair.transport, b"")
    assert not pair.is_watched


def test_what_waits_leaves_first(pair: Pair) -> None:
    pair.transport.write(b"head ")
    send(pair.transport, b"one ")
    send(pair.transport, b"two")
    assert pair.received() == b"head one two"


def test_transport_keeps_what_the_socket_does_not_take(pair: Pair) -> None:
    send(pair.transport, LARGE)
    assert pair.is_watched
    assert pair.producer.asked == ["pause"]
    send(pair.transport, b"behind it")
    assert pair.received() == LARGE + b"behind it"
    assert pair.producer.asked[-1] == "resume"
    send(pair.transport, b"again")
    assert not pair.is_watched


def test_rest_of_a_large_write_leaves_before_what_follows(pair: Pair) -> None:
    send(pair.transport, LARGE)
    assert pair.transport.doWrite() is None, "nothing leaves: the socket is full"
    send(pair.transport, b"behind it")
    assert pair.received() == LARGE + b"behind it"


def test_lost_connection_is_found_by_the_reactor(pair: Pair) -> None:
    pair.peer.close()
    send(pair.transport, b"nobody reads this")
    assert pair.is_watched
    assert isinstance(pair.transport.doWrite(), Exception)


def test_nothing_is_sent_once_the_connection_has_ended(pair: Pair) -> None:
    pair.transport.connected = False
    send(pair.transport, b"too late")
    assert not pair.is_watched
    assert pair.received() == b""


def test_bytes_for_tls_go_through_it(pair: Pair) -> None:
    class Tls(Protocol):
        plain = b""

        def write(self, data: bytes) -> None:
            self.plain += data

    pair.transport.protocol = tls = Tls()
    pair.transport.TLS = True
    send(pair.transport, b"secret")
    assert (tls.plain, pair.received()) == (b"secret", b"")


def test_other_transports_are_written_to() -> None:
    transport = StringTransport()
    send(transport, b"one")
    flush(transport)
    assert transport.value() == b"one"


def test_what_was_written_in_a_turn_leaves_together(pair: Pair) -> None:
    for part in (b"one ", b"two ", b"three"):
        pair.transport.write(part)
    flush(pair.transport)
    assert not pair.is_watched
    assert pair.peer.recv(100) == b"one two three"
    flush(pair.transport)
    assert not pair.is_watched


def test_flush_leaves_to_the_reactor_what_the_socket_does_not_take(pair: Pair) -> None:
    pair.transport.write(LARGE)
    flush(pair.transport)
    pair.transport.write(b"behind it")
    flush(pair.transport)
    assert pair.is_watched
    assert pair.received() == LARGE + b"behind it"


def test_flush_leaves_the_end_of_a_connection_to_the_reactor(pair: Pair) -> None:
    pair.transport.write(b"last words")
    pair.transport.loseConnection()
    flush(pair.transport)
    assert pair.is_watched
    assert isinstance(pair.transport.doWrite(), ConnectionDone)
    assert pair.peer.recv(100) == b"last words"


def test_flush_leaves_a_lost_connection_to_the_reactor(pair: Pair) -> None:
    pair.peer.close()
    pair.transport.write(b"nobody reads this")
    flush(pair.transport)
    assert pair.is_watched
    assert isinstance(pair.transport.doWrite(), Exception)
