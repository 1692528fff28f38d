"""A network in memory: a real client, a real site, and cables that carry what we let them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

from treq.client import HTTPClient
from twisted.internet import error
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from sxhost.client.host import HostClient

from .host import URL, HostInMemory

SOCKET = 1 << 16
"""Bytes that a sender may have under way before it is paused."""

UNLIMITED = 1 << 60
"""Bytes of a cable that is not cut by itself."""


class CableEnd(StringTransport):
    """One end of a cable: pauses its producer while too much is under way."""

    protocol: Any

    def write(self, data: bytes) -> None:
        """Send; the sender is paused if that is too much for now."""
        super().write(data)
        if self.producer is not None and len(self.value()) > SOCKET:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send pieces as one."""
        self.write(b"".join(data))

    def take(self, most: int) -> bytes:
        """Return and forget at most `most` of the bytes that were written."""
        whole = bytes(self.value())
        self.clear()
        self.io.write(whole[most:])
        if self.producer is not None and whole and len(whole) - most <= SOCKET:
            self.producer.resumeProducing()
        return whole[:most]


class Cable:
    """A connection, which is cut when the client has got `bytes_left` bytes."""

    def __init__(self, client: Any, server: Any, bytes_left: int) -> None:
        self.client, self.server = CableEnd(), CableEnd()
        self.bytes_left = bytes_left
        self.open = True
        self.client.protocol, self.server.protocol = client, server

    def plug_in(self) -> None:
        """Tell both ends that they are connected."""
        self.server.protocol.makeConnection(self.server)
        self.client.protocol.makeConnection(self.client)

    def carry(self) -> bool:
        """Carry what there is, both ways; return whether that was anything."""
        upward = self.client.take(UNLIMITED)
        if upward:
            self.server.protocol.dataReceived(upward)
        downward = self._take_for_client() if self.client.producerState == "producing" else b""
        if downward:
            self.client.protocol.dataReceived(downward)
        if not self.bytes_left:
            self.cut()
        elif self.client.disconnecting or (self.server.disconnecting and not self.waiting):
            self.cut(error.ConnectionDone())
        return bool(upward or downward) and self.open

    @property
    def waiting(self) -> int:
        """How many bytes are on their way to the client."""
        return len(self.server.value())

    def _take_for_client(self) -> bytes:
        data = self.server.take(min(self.bytes_left, SOCKET))
        self.bytes_left -= len(data)
        return data

    def cut(self, reason: Exception | None = None) -> None:
        """End the connection for both ends; what is under way is lost."""
        if self.open:
            self.open = False
            for end in (self.server, self.client):
                end.protocol.connectionLost(Failure(reason or error.ConnectionLost()))


@implementer(IAgentEndpointFactory)
class NetworkInMemory:
    """A `host`, which may be `down`, and a `client` that reaches it by cables.

    `cable_bytes` says for each connection how many bytes the client gets before it is cut;
    `attempts` are the times at which it connected or tried to; `build_server` makes what
    answers in place of the host.  `clock` is the client's (else the host's).
    """

    def __init__(self, host: HostInMemory | None = None, *, clock: Clock | None = None) -> None:
        self.host = host or HostInMemory()
        self.clock = clock or self.host.clock
        self.down = False
        self.cable_bytes: Iterator[int] = repeat(UNLIMITED)
        self.cables: list[Cable] = []
        self.attempts: list[float] = []
        self.build_server: Callable[[], Any] | None = None
        self.service = self.host.service
        self._site = self.host.site(clock=self.clock)
        pool = HTTPConnectionPool(self.clock, persistent=False)
        agent = Agent.usingEndpointFactory(self.clock, self, pool)
        self.client = HostClient(URL, HTTPClient(agent), self.clock)

    def endpointForURI(self, uri: URI) -> Any:  # noqa: ARG002 - Twisted's signature
        """Return the way to the host, wherever the client wants to go."""
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect a client, if the host is up."""
        self.attempts.append(self.clock.seconds())
        if self.down:
            return fail(error.ConnectionRefusedError())
        server = self.build_server() if self.build_server else self._site.buildProtocol(None)
        client = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 7432))
        cable = Cable(client, server, next(self.cable_bytes))
        self.cables.append(cable)
        cable.plug_in()
        return succeed(client)

    @property
    def open_cables(self) -> list[Cable]:
        """The connections that are open."""
        return [cable for cable in self.cables if cable.open]

    def run(self) -> None:
        """Carry all that there is to carry."""
        while sum(cable.carry() for cable in self.open_cables):
            pass

    def advance(self, seconds: float) -> None:
        """Move the clock on, in steps of 50 ms, and carry what that sends."""
        for _ in range(max(1, round(seconds * 20))):
            self.clock.advance(0.05)
            self.run()

    def settle(self) -> None:
        """Let what was fired be delivered."""
        self.advance(0.05)

    def cut(self) -> None:
        """Cut all open connections."""
        for cable in self.open_cables:
            cable.cut()

    def stop(self) -> None:
        """Stop the host in order."""
        self.host.notifier.close()
        self.run()
        self.down = True

    def restart(self) -> None:
        """Begin the host's next life on the same store."""
        self.host.restart()
        self.service = self.host.service
        self._site, self.down = self.host.site(clock=self.clock), False
