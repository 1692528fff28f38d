"""The client's side of a WebSocket: messages of text, over any endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.extensions import ClientExtensionFactory
from websockets.frames import DATA_OPCODES, Close, Frame
from websockets.protocol import State
from websockets.uri import parse_uri

from sxhost.client.endpoints import CONNECT_WITHIN
from sxhost.client.requests import why_lost

__all__ = ["WebSocketClient"]


class WebSocketClient(Protocol):
    """A WebSocket to a host; `opened` fires once messages may be sent, or fails.

    :param headers: of the opening handshake; they take the place of what follows from the URL.
    :param extensions: are offered.
    """

    transport: Any

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        extensions: tuple[ClientExtensionFactory, ...] = (),
    ) -> None:
        self.opened: Deferred[None] = Deferred()
        self._headers = headers
        self._protocol = ClientProtocol(
            parse_uri(url), extensions=extensions or None, max_size=None
        )
        self._parts: list[bytes] = []
        """What has come of a message that is not whole."""

    async def wait_until_open(self, clock: IReactorTime) -> None:
        """Return once messages may be sent.

        :raises ConnectionError: they may not be, or nothing was answered in time.
        """
        self.opened.addTimeout(CONNECT_WITHIN, clock)
        try:
            await self.opened
        except defer.TimeoutError:
            self.transport.abortConnection()
            raise ConnectionError(f"it was silent for {CONNECT_WITHIN:g} s") from None

    # What is overridden.

    def message_received(self, message: bytes) -> None:
        """Take a message."""

    def connection_lost(self, code: int, why: str) -> None:
        """Clean up: the connection is lost, with the host's close code, or 1006."""

    # What is sent.

    def send_message(self, message: bytes) -> None:
        """Send a message, unless the WebSocket is closing."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_text(message)
            self._flush()

    def close(self) -> None:
        """Begin the closing handshake, unless it has begun."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()

    def _flush(self) -> None:
        """Send what the protocol has to send, in one write; close where it says so."""
        written = self._protocol.data_to_send()
        self.transport.write(b"".join(written))
        if b"" in written:
            self.transport.loseConnection()

    # What is received.

    def connectionMade(self) -> None:
        """Send the opening handshake."""
        request = self._protocol.connect()
        for name, value in self._headers.items():
            request.headers.pop(name, None)
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()

    def dataReceived(self, data: bytes) -> None:
        """Take bytes of the host."""
        self._protocol.receive_data(data)
        events = self._protocol.events_received()
        self._flush()
        if not self.opened.called:
            self._look_at_handshake(events)
        for event in events:
            if isinstance(event, Frame) and event.opcode in DATA_OPCODES:
                self._take_part(event)

    def _look_at_handshake(self, events: Sequence[object]) -> None:
        """Fire `opened` once the handshake is answered, or what came is no answer."""
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            answer = error.response
            why = f"it answers {answer.status_code} {answer.reason_phrase}"
            self.opened.errback(ConnectionError(why))
        elif error is not None:
            self.opened.errback(ConnectionError("it does not answer as a host does"))
        elif events:
            self.opened.callback(None)

    def _take_part(self, frame: Frame) -> None:
        self._parts.append(bytes(frame.data))
        if frame.fin:
            message, self._parts = b"".join(self._parts), []
            self.message_received(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note that the connection is lost."""
        self._protocol.receive_eof()
        if not self.opened.called:
            self.opened.errback(ConnectionError(why_lost(reason.value)))
        close = self._protocol.close_rcvd or Close(1006, "")
        self.connection_lost(close.code, close.reason)
