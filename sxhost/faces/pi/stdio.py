"""The multiplexer over two pipes: JSON lines in, JSON lines out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.codec.lines import CutLines, Line
from sxhost.faces.pi.multiplexer import Multiplexer

__all__ = ["CommandLines", "Pipe", "line"]


def line(message: bytes) -> bytes:
    """Return a JSON object as a line."""
    return message + b"\n"


class CommandLines:
    """Splits a pipe's bytes into commands, a line each; empty lines are none.

    :param limit: bytes that a line may have.
    :param deliver: called with each command.
    :param refuse_size: called with the size in bytes of each line that is longer.
    """

    def __init__(
        self,
        limit: int,
        deliver: Callable[[bytes], object],
        refuse_size: Callable[[int], object],
    ) -> None:
        self._limit = limit
        self._lines = CutLines(limit)
        self._deliver = deliver
        self._refuse_size = refuse_size

    def receive(self, data: bytes) -> None:
        """Deliver the commands that are complete now."""
        for received in self._lines.receive_data(data):
            self._take(received)

    def flush(self) -> None:
        """Deliver what has come of the last line, at the end of all data."""
        self._take(self._lines.flush())

    def _take(self, received: Line) -> None:
        if received.size > self._limit:
            self._refuse_size(received.size)
        elif received.data.strip():
            self._deliver(received.data)


@implementer(IPushProducer, IHalfCloseableProtocol)
class Pipe(Protocol):
    """The connection of a client at the other ends of two pipes.

    `over` fires when it is closed: the client has sent its last command and got all responses,
    or reads no more.
    """

    transport: Any

    def __init__(self, multiplexer: Multiplexer) -> None:
        self.paused = False
        self.closed: Deferred[None] = Deferred()
        self._multiplexer = multiplexer
        self._client: Any = None
        self._lines = CommandLines(
            multiplexer.limits.mux_message, self._receive_command, self._refuse_size
        )

    def connectionMade(self) -> None:
        """Connect the client, or close if there are too many."""
        self.transport.registerProducer(self, True)
        self._client = self._multiplexer.connect(self, line)
        if self._client is None:
            self.transport.loseConnection()

    def send(self, data: bytes) -> None:
        """Send whole lines."""
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of commands."""
        self._lines.receive(data)

    def _receive_command(self, command: bytes) -> None:
        if self._client is not None:
            self._client.receive(command)

    def _refuse_size(self, size: int) -> None:
        if self._client is not None:
            self._client.refuse_size(size)

    # Back-pressure: a client that does not read is not read from either.

    def pauseProducing(self) -> None:
        """Pause the client's subscriptions and its commands: the output pipe is full."""
        self.paused = True
        self.transport.pauseProducing()
        if self._client is not None:
            self._client.pause_subscriptions()

    def resumeProducing(self) -> None:
        """Resume them."""
        self.paused = False
        self.transport.resumeProducing()
        if self._client is not None:
            self._client.resume_subscriptions()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    # The end.

    def readConnectionLost(self) -> None:
        """Close once all commands have got their response: there will be no more."""
        self._lines.flush()
        if self._client is not None:
            self._client.idle().addCallback(lambda _: self.transport.loseConnection())

    def writeConnectionLost(self) -> None:
        """Close: nobody reads any more."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Disconnect the client."""
        if self._client is not None:
            self._client.connection_closed()
        if not self.closed.called:
            self.closed.callback(None)
