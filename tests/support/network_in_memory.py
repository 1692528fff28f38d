"""A network in memory: a real client, a real site, and cables that carry what we let them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

from treq.client import HTTPClient
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from sxhost.client.host import HostClient
from tests.support.in_memory import URL, Lab

SOCKET = 1 << 16
"""Bytes that a sender may have under way before it is paused."""

ENDLESS = 1 << 60


class End(StringTransport):
    """One end of a cable: pauses its producer while too much is under way."""

    protocol: Any

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.producer is not None and len(self.value()) > SOCKET:
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def taken(self, most: int) -> bytes:
        """Return and forget at most so many of the bytes that were written."""
        whole = bytes(self.value())
        self.clear()
        self.io.write(whole[most:])
        if self.producer is not None and whole and len(whole) - most <= SOCKET:
            self.producer.resumeProducing()
        return whole[:most]


class Cable:
    """A connection: `room` is how many bytes the client gets before it is cut."""

    def __init__(self, client: Any, server: Any, room: int) -> None:
        self.client, self.server = End(), End()
        self.room = room
        self.open = True
        self.client.protocol, self.server.protocol = client, server

    def plug_in(self) -> None:
        self.server.protocol.makeConnection(self.server)
        self.client.protocol.makeConnection(self.client)

    def carry(self) -> bool:
        """Carry what there is, both ways; return whether that was anything."""
        asked = self.client.taken(ENDLESS)
        if asked:
            self.server.protocol.dataReceived(asked)
        told = b"" if self.client.producerState != "producing" else self._told()
        if told:
            self.client.protocol.dataReceived(told)
        if not self.room:
            self.cut()
        elif self.client.disconnecting or (self.server.disconnecting and not self.waiting):
            self.cut(ConnectionDone())
        return bool(asked or told) and self.open

    @property
    def waiting(self) -> int:
        """How many bytes are on their way to the client."""
        return len(self.server.value())

    def _told(self) -> bytes:
        told = self.server.taken(min(self.room, SOCKET))
        self.room -= len(told)
        return told

    def cut(self, reason: Exception | None = None) -> None:
        """End the connection for both ends; what is under way is lost."""
        if self.open:
            self.open = False
            for end in (self.server, self.client):
                end.protocol.connectionLost(Failure(reason or ConnectionLost()))


@implementer(IAgentEndpointFactory)
class Net:
    """A host (`lab`), which may be `down`, a way to it, and a client."""

    def __init__(self, lab: Lab | None = None, *, clock: Clock | None = None) -> None:
        self.lab = lab or Lab()
        self.clock = clock or self.lab.clock
        self.down = False
        self.rooms: Iterator[int] = repeat(ENDLESS)
        self.cables: list[Cable] = []
        self.attempts: list[float] = []
        self.answers: Callable[[], Any] | None = None
        self.service = self.lab.service
        self._site = self.lab.site(clock=self.clock)
        pool = HTTPConnectionPool(self.clock, persistent=False)
        agent = Agent.usingEndpointFactory(self.clock, self, pool)
        self.client = HostClient(URL, HTTPClient(agent), self.clock)

    def endpointForURI(self, uri: URI) -> Any:
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        """Connect a client, if the host is up."""
        self.attempts.append(self.clock.seconds())
        if self.down:
            return fail(ConnectionRefusedError())
        server = self.answers() if self.answers else self._site.buildProtocol(None)
        client = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 7432))
        assert client is not None
        cable = Cable(client, server, next(self.rooms))
        self.cables.append(cable)
        cable.plug_in()
        return succeed(client)

    @property
    def plugged(self) -> list[Cable]:
        """The connections that are open."""
        return [cable for cable in self.cables if cable.open]

    def run(self) -> None:
        """Carry all that there is to carry."""
        while sum(cable.carry() for cable in self.plugged):
            pass

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        for _ in range(max(1, round(seconds * 20))):
            self.clock.advance(0.05)
            self.run()

    def settle(self) -> None:
        """Let what was fired be delivered."""
        self.advance(0.05)

    def cut(self) -> None:
        """Cut all that is plugged in."""
        for cable in self.plugged:
            cable.cut()

    def stop(self) -> None:
        """Stop the host in order."""
        self.service.hub.close()
        self.run()
        self.down = True

    def restart(self) -> None:
        """Begin the host's next life on the same store."""
        self.lab.live()
        self.service = self.lab.service
        self._site, self.down = self.lab.site(clock=self.clock), False
