"""The multiplexer over two pipes: JSON lines in, JSON lines out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol as Talk
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

__all__ = ["Commands", "Face", "Pipe", "line"]


def line(said: bytes) -> bytes:
    """Return an object as a line."""
    return said + b"\n"


class Face(Protocol):
    """The multiplexer, as a transport has it."""

    limits: Any

    def connect(self, link: Any, wrap: Callable[[bytes], bytes]) -> Any:
        """Return a client at the other end of a link; None if it is one too many."""


class Commands:
    """Bytes to lines; of one that is too long only the size is kept.

    `take` gets each line, `refuse` the size of each that has more than `most` bytes.
    """

    def __init__(
        self, most: int, take: Callable[[bytes], object], refuse: Callable[[int], object]
    ) -> None:
        self._most = most
        self._take = take
        self._refuse = refuse
        self._parts: list[bytes] = []
        self._size = 0

    def receive(self, data: bytes) -> None:
        """Take bytes as they come."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._hold(piece)
            self.flush()
        self._hold(rest)

    def flush(self) -> None:
        """Pass on what has come of a line."""
        said, size = b"".join(self._parts), self._size
        self._parts, self._size = [], 0
        if size > self._most:
            self._refuse(size)
        elif said.strip():
            self._take(said)

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            self._parts.clear()
        elif piece:
            self._parts.append(piece)


@implementer(IPushProducer, IHalfCloseableProtocol)
class Pipe(Talk):
    """One client at the other ends of two pipes.

    Once it says no more and all is answered, or nobody reads any more, `over` fires.
    """

    transport: Any

    def __init__(self, face: Face) -> None:
        self.paused = False
        self.over: Deferred[None] = Deferred()
        self._face = face
        self._talker: Any = None
        self._commands = Commands(face.limits.mux_message, self._take, self._refuse)

    def connectionMade(self) -> None:
        """Say what is said first."""
        self.transport.registerProducer(self, True)
        self._talker = self._face.connect(self, line)
        if self._talker is None:
            self.transport.loseConnection()

    def send(self, data: bytes) -> None:
        """Send whole lines."""
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Take what comes."""
        self._commands.receive(data)

    def _take(self, said: bytes) -> None:
        if self._talker is not None:
            self._talker.receive(said)

    def _refuse(self, size: int) -> None:
        if self._talker is not None:
            self._talker.refuse_size(size)

    # How it keeps up: who does not read is not read from.

    def pauseProducing(self) -> None:
        """It is behind: make no more for it, and take no more from it."""
        self.paused = True
        self.transport.pauseProducing()
        if self._talker is not None:
            self._talker.behind()

    def resumeProducing(self) -> None:
        """It has caught up."""
        self.paused = False
        self.transport.resumeProducing()
        if self._talker is not None:
            self._talker.go_on()

    def stopProducing(self) -> None:
        """It has gone; `connectionLost` follows."""

    # The end.

    def readConnectionLost(self) -> None:
        """It says no more: answer what is left, then go."""
        self._commands.flush()
        if self._talker is not None:
            self._talker.idle().addCallback(lambda _: self.transport.loseConnection())

    def writeConnectionLost(self) -> None:
        """Nobody reads any more."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002
        """Forget it."""
        if self._talker is not None:
            self._talker.connection_closed()
        if not self.over.called:
            self.over.callback(None)
