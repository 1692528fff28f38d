"""The multiplexer over two pipes: JSON lines in, JSON lines out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.codec.lines import CutLines, Line
from sxhost.faces.pi.multiplexer import Multiplexer
from sxhost.logs import logger
from sxhost.waiting import background

__all__ = ["CommandLines", "CommandReceiver", "Pipe", "pipe_to"]

log = logger(__name__)


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


class CommandReceiver(Interface):
    """Who takes the commands of a pipe: a client of the multiplexer, or of another host's."""

    def receive(self, frame: bytes) -> None:
        """Take a command; its response comes through the pipe's `send`."""

    def refuse_size(self, size: int) -> None:
        """Respond to a command that was too large to be kept, of so many bytes."""

    async def idle(self) -> None:
        """Return once all commands have got their response."""

    def pause_subscriptions(self) -> None:
        """Send no events: the pipe is full."""

    def resume_subscriptions(self) -> None:
        """Send events again."""

    def connection_closed(self) -> None:
        """Leave: the pipe is closed."""


@implementer(IPushProducer, IHalfCloseableProtocol)
class Pipe(Protocol):
    """The connection of a client at the other ends of two pipes.

    `closed` fires when it is closed: the client has sent its last command and got all
    responses, or reads no more.

    :param connect: returns who takes the commands; None if there are too many clients.
    :param limit: bytes that a command may have.
    """

    transport: Any

    def __init__(self, connect: Callable[[Pipe], CommandReceiver | None], limit: int) -> None:
        self.paused = False
        self.closed: Deferred[None] = Deferred()
        self._connect = connect
        self._limit = limit
        self._client: CommandReceiver | None = None
        self._lines: CommandLines | None = None

    def connectionMade(self) -> None:
        """Connect the client, or close if there are too many."""
        self.transport.registerProducer(self, True)
        client = self._client = self._connect(self)
        if client is None:
            self.transport.loseConnection()
        else:
            self._lines = CommandLines(self._limit, client.receive, client.refuse_size)

    def send(self, data: bytes) -> None:
        """Send whole lines."""
        self.transport.write(data)

    send_now = send

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of commands."""
        if self._lines is not None:
            self._lines.receive(data)

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
        if self._client is not None and self._lines is not None:
            self._lines.flush()
            background(self._close_when_idle(self._client), log, "closing the pipes")

    async def _close_when_idle(self, client: CommandReceiver) -> None:
        await client.idle()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Close: nobody reads any more."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Disconnect the client."""
        if self._client is not None:
            self._client.connection_closed()
        if not self.closed.called:
            self.closed.callback(None)


def pipe_to(multiplexer: Multiplexer) -> Pipe:
    """Return the pipe of a client of this multiplexer."""
    return Pipe(lambda pipe: multiplexer.connect(pipe, _line), multiplexer.limits.mux_message)


def _line(message: bytes) -> bytes:
    return message + b"\n"
