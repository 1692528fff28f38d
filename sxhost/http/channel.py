"""One connection: its bytes become requests that are whole, in time and unambiguous.

``twisted.web`` parses each line of a head after `sxhost.http.framing` has checked it.  Whatever
is refused here is answered once, in the native format, and nothing behind it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from sxhost.auth.peer_credentials import peer_uid
from sxhost.errors import BadFraming, HostError, RequestTimeout
from sxhost.http.admission import Admission, tune
from sxhost.http.framing import EMPTY_LINES, Chunks, Head, bare_newline, options, too_long
from sxhost.logs import logger
from sxhost.model.limits import Limits

__all__ = ["HostChannel", "Incoming", "Listening", "Successor"]

log = logger(__name__)

HEAD, BODY, IDLE, END, NOTHING = "header", "body", "next request", "end", ""
"""What a connection waits for, as its one timer bounds."""

MOST_SHUT_OUT = 64
"""Refused connections that get time to read why; the rest of a flood is closed at once."""


class Incoming(Protocol):
    """A request as its connection sees it: `HostRequest`, which is above this module."""

    refused: bool
    """Whether a refusal was sent; the rest of the body is thrown away."""

    sentLength: int
    """How many bytes of an answer were written."""

    began: float
    """Seconds of the clock at which its head was complete."""

    @property
    def received(self) -> int:
        """How many bytes of its body have come so far."""

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""

    def refuse_unread(self, error: HostError, head: Head | None) -> None:
        """Answer with `error` although the request is not whole, or is none at all."""

    def refuse_connection(self, error: HostError) -> None:
        """Answer with `error` before anything was asked."""


class Listening(Protocol):
    """The site as its connections see it: `HostSite`, which is above this module."""

    limits: Limits
    clock: IReactorTime
    admission: Admission
    connections: set[HostChannel]

    def channel_closed(self, channel: HostChannel) -> None:
        """Take note that a connection is closed."""


class Successor(Protocol):
    """The protocol on a connection that was upgraded: a WebSocket."""

    def release(self) -> None:
        """Close in order."""


class HostChannel(http.HTTPChannel):
    """An HTTP/1.1 connection with limits and timeouts.

    At any time it waits for one thing at most: the rest of a head or body, the next request, or
    the end.  While a request is answered it waits for nothing, however long that takes.
    """

    factory: Listening
    requests: list[Incoming]
    requestFactory: Any  # makes an Incoming
    transport: Any
    successor: Successor | None = None
    """The protocol that took the connection over; it calls `connectionLost` of the channel."""

    ignores_input = False
    """Whether a refusal was sent: what still arrives is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.head: Head | None = None
        self._empty = 0
        self._peer: str | None = None
        self._awaited = NOTHING
        self._timer: IDelayedCall | None = None
        self._unsent = 0

    # The connection begins and ends.

    def connectionMade(self) -> None:
        """Register with the site, and wait for a request."""
        site = self.factory
        self.MAX_LENGTH = self.totalHeadersSize = site.limits.header_size
        self.maxHeaders = site.limits.header_fields
        site.connections.add(self)
        super().connectionMade()
        tune(self.transport, site.limits)
        try:
            self._peer = site.admission.admit(self.transport, self.uid)
        except HostError as error:
            self._refuse_connection(error)
        else:
            self._set_timer(HEAD, site.limits.header_within, self._head_is_late)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Unregister from the site."""
        self._set_timer(NOTHING)
        super().connectionLost(reason)
        self._count_unsent(0)
        if self._peer is not None:
            self.factory.admission.release(self._peer)
        self.factory.channel_closed(self)

    @cached_property
    def uid(self) -> int | None:
        """The peer's uid, if the kernel knows it."""
        return peer_uid(self.transport)

    def release(self) -> None:
        """Close once the running request is answered and the answer was sent."""
        self.persistent = False
        if self.successor is not None:
            self.successor.release()
        elif not self.requests:
            self.loseConnection()

    def refuse(self, error: HostError) -> None:
        """Answer the incoming request, or what is there of it, with `error`; read no more.

        If a refusal was sent already, only close.
        """
        if not self.requests:
            self.requests.append(self.requestFactory(self))
        request, self.ignores_input = self.requests[-1], True
        self._set_timer(NOTHING)
        self.clearLineBuffer()
        if request.refused:
            self.loseConnection()
        else:
            request.refuse_unread(error, self.head)

    def _refuse_connection(self, error: HostError) -> None:
        """Answer a refused connection with `error`, and close it."""
        self.ignores_input, self.persistent = True, False
        self.requestFactory(self).refuse_connection(error)
        site = self.factory
        if len(site.connections) - site.admission.open < MOST_SHUT_OUT:
            self.linger()
        else:
            self.loseConnection()

    def linger(self) -> None:
        """Close after ``linger`` seconds: with bytes unread, TCP would drop the answer."""
        limits = self.factory.limits
        self._set_timer(END, limits.linger, self.loseConnection)

    def loseConnection(self) -> None:
        """Close; abort if the peer does not close its side of TLS in time."""
        self._set_timer(NOTHING)
        super().loseConnection()
        if self.isSecure():
            self._set_timer(END, self.abortTimeout, self.transport.abortConnection)

    # Bytes come.

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless the connection is closing or was refused."""
        closing = self.transport.disconnecting or not (self.persistent or self.requests)
        if self.ignores_input or closing:
            return
        super().dataReceived(data)
        if not (self._handlingRequest or self._awaited == END or self._busyReceiving):
            self._await_rest_of_request()

    def _await_rest_of_request(self) -> None:
        """Set the timer for the rest of a request that has begun to arrive."""
        limits = self.factory.limits
        if not self.line_mode:
            if self._awaited != BODY:
                self._set_timer(BODY, limits.body_within, self._body_is_late)
        elif self.head is not None or self._buffer:
            if self._awaited != HEAD:
                self._set_timer(HEAD, limits.header_within, self._head_is_late)
            if bare_newline(self._buffer):
                self.refuse(BadFraming("A line of the header has no proper end."))

    def lineReceived(self, line: bytes) -> Any:
        """Check a line of a head and pass it on; return true if the rest must not be read."""
        try:
            line = self._checked(line)
        except HostError as error:
            self.refuse(error)
        else:
            if self.head is not None:
                super().lineReceived(line)
        return self.ignores_input

    def _checked(self, line: bytes) -> bytes:
        """Check a line of a head; the target in the first one comes back in its usual form.

        Empty lines before it are passed over (RFC 9112, 2.2).

        :raises HostError: it is refused.
        """
        if self.head is None:
            if line:
                self.head, self._empty = Head(line, self.factory.limits), 0
                return self.head.line
            self._empty += 1
            if self._empty > EMPTY_LINES:
                raise BadFraming(f"More than {EMPTY_LINES} empty lines come first.")
        elif line:
            self.head.add(line)
        else:
            self.head.end()
        return line

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002 - it is too long to look
        """Refuse a line that is too long."""
        self.refuse(too_long(self.factory.limits, first=self.head is None))

    def rawDataReceived(self, data: bytes) -> Any:
        """Take a piece of a body, or what arrives while a request is answered."""
        try:
            super().rawDataReceived(data)
        except BadFraming as error:
            self.refuse(error)
        return self.ignores_input

    def allHeadersReceived(self) -> None:
        """Begin the request; read a chunked body with our decoder, which has limits."""
        super().allHeadersReceived()
        if self.length is None:
            handle = self.requests[-1].handleContentChunk
            self._transferDecoder = Chunks(handle, self._finishRequestBody)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Return whether the connection outlives the answer; if not, set ``Connection: close``.

        Twisted takes ``close, x`` for one option, and reads the first such header alone.
        """
        connection_options = options(request.requestHeaders.getRawHeaders(b"connection", []))
        stays = version == b"HTTP/1.1" and "close" not in connection_options
        if not stays:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return stays

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        """Write the head of an answer without ``Server``: it would tell program and version."""
        headers.removeHeader(b"server")
        super().writeHeaders(version, code, reason, headers)

    def allContentReceived(self) -> None:
        """Answer the request, without any timer."""
        self.head = None
        self._set_timer(NOTHING)
        super().allContentReceived()

    def requestDone(self, request: Incoming) -> None:
        """Go on to the next request, or close."""
        if self.ignores_input:
            self.requests.remove(request)
            self.linger()
            return
        super().requestDone(request)
        if self._waitingForTransport:
            self._count_unsent(self._unsent + request.sentLength)
        if self.persistent and self._awaited == NOTHING and not self._handlingRequest:
            self._set_timer(IDLE, self.factory.limits.idle, self._idle_too_long)

    def resumeProducing(self) -> None:
        """The transport's buffer is empty: all answers were sent."""
        self._count_unsent(0)
        super().resumeProducing()

    def _count_unsent(self, size: int) -> None:
        """Count `size` bytes of answers as unsent."""
        self.factory.admission.unsent += size - self._unsent
        self._unsent = size

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(BadFraming("This is no HTTP request."))

    # Time passes.  Twisted's own timer begins anew with each byte, so a client that sends one
    # every few seconds would hold its connection for ever; ours bounds the whole of a head, and
    # the rate of a body.

    def _set_timer(
        self, what: str, within: float = 0, otherwise: Callable[[], object] | None = None
    ) -> None:
        """Set the one timer: call `otherwise` if `what` has not come `within` seconds."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._awaited = what
        later = self.factory.clock.callLater
        self._timer = later(within, otherwise) if otherwise is not None else None

    def _head_is_late(self) -> None:
        if self.head is not None or self._buffer:
            within = self.factory.limits.header_within
            self.refuse(RequestTimeout(f"The header did not come within {within:g} s."))
        else:
            self._close("it asked for nothing")

    def _body_is_late(self) -> None:
        """Refuse a late body, unless it comes at ``body_rate`` bytes a second or more."""
        limits, request = self.factory.limits, self.requests[-1]
        spare = request.received / limits.body_rate - (
            self.factory.clock.seconds() - request.began
        )
        if spare > 0:
            self._set_timer(BODY, spare, self._body_is_late)
        else:
            self.refuse(
                RequestTimeout(
                    f"The body did not come within {limits.body_within:g} s, nor at"
                    f" {limits.body_rate} bytes/s."
                )
            )

    def _idle_too_long(self) -> None:
        if self._waitingForTransport:  # the last answer is still on its way
            self._set_timer(IDLE, self.factory.limits.idle, self._idle_too_long)
        else:
            self._close("it was idle")

    def _close(self, why: str) -> None:
        log.debug("a connection was closed: {why}", why=why)
        self.loseConnection()
