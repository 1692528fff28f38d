"""One connection: its bytes become requests, each whole, in time and beyond doubt, or none.

``twisted.web`` parses; before a line of a head reaches it, `framing` has passed it.  Whatever
is refused here is answered once, in our shape, and nothing that follows it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from sxhost.auth.peer_credentials import uid_of
from sxhost.errors import BadFraming, HostError, RequestTimeout
from sxhost.http.admission import Admission, tune
from sxhost.http.framing import EMPTY_LINES, Chunks, Head, bare_newline, options, too_long
from sxhost.logs import logger
from sxhost.model.limits import Limits

__all__ = ["HostChannel", "Incoming", "Listening", "Successor"]

log = logger(__name__)

HEAD, BODY, IDLE, END, NOTHING = "header", "body", "next request", "end", ""
"""What a connection is waited for."""

MOST_SHUT_OUT = 64
"""Connections too many that get time to read why; the rest of a flood is closed at once."""


class Incoming(Protocol):
    """A request that comes in, as its connection sees it."""

    refused: bool
    """Whether a refusal was sent; the rest of the body is thrown away."""

    sentLength: int
    """How many bytes of an answer were written."""

    began: float
    """When its header was whole."""

    @property
    def received(self) -> int:
        """How many bytes of its body have come so far."""

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body."""

    def refuse_unread(self, error: HostError, head: Head | None) -> None:
        """Answer with `error` although the request is not whole, or is none at all."""

    def shut_out(self, error: HostError) -> None:
        """Answer with `error` before anything was asked."""


class Listening(Protocol):
    """What a connection needs of its site."""

    limits: Limits
    clock: IReactorTime
    door: Admission
    connections: set[HostChannel]

    def channel_closed(self, channel: HostChannel) -> None:
        """Take note that a connection is closed."""


class Successor(Protocol):
    """What speaks on a connection that is no longer HTTP."""

    def leave(self) -> None:
        """Close in order."""


class HostChannel(http.HTTPChannel):
    """A connection that its site knows until it is closed.

    At any time it waits for one thing at the most, and only for so long; while a request is
    answered it waits for nothing, however long that takes.
    """

    factory: Listening
    requests: list[Incoming]
    requestFactory: Any  # makes an Incoming
    transport: Any
    successor: Successor | None = None
    """Who has taken the connection over; tells the channel when it is lost."""

    deaf = False
    """Whether a refusal was sent: what still comes is thrown away."""

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
        """Tell the site, and wait for a request."""
        site = self.factory
        self.MAX_LENGTH = self.totalHeadersSize = site.limits.header_size
        self.maxHeaders = site.limits.header_fields
        site.connections.add(self)
        super().connectionMade()
        tune(self.transport, site.limits)
        try:
            self._peer = site.door.enter(self.transport, self.uid)
        except HostError as error:
            self._shut_out(error)
        else:
            self._await(HEAD, site.limits.header_within, self._slow_head)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the site."""
        self._await(NOTHING)
        super().connectionLost(reason)
        self._keep(0)
        if self._peer is not None:
            self.factory.door.leave(self._peer)
        self.factory.channel_closed(self)

    @cached_property
    def uid(self) -> int | None:
        """The user at the other end, if that is known."""
        return uid_of(self.transport)

    def leave(self) -> None:
        """Close once what runs is answered, and what is written has left."""
        self.persistent = False
        if self.successor is not None:
            self.successor.leave()
        elif not self.requests:
            self.loseConnection()

    def refuse(self, error: HostError) -> None:
        """Answer what comes in now, whatever it is, with `error`; take no more.

        A refusal that was sent already stands.
        """
        if not self.requests:
            self.requests.append(self.requestFactory(self))
        request, self.deaf = self.requests[-1], True
        self._await(NOTHING)
        self.clearLineBuffer()
        if request.refused:
            self.loseConnection()
        else:
            request.refuse_unread(error, self.head)

    def _shut_out(self, error: HostError) -> None:
        """Say why the connection is not wanted, and close it."""
        self.deaf, self.persistent = True, False
        self.requestFactory(self).shut_out(error)
        site = self.factory
        if len(site.connections) - site.door.open < MOST_SHUT_OUT:
            self.linger()
        else:
            self.loseConnection()

    def linger(self) -> None:
        """Close soon, but not at once: a closed door would eat the answer."""
        limits = self.factory.limits
        self._await(END, limits.linger, self.loseConnection)

    def loseConnection(self) -> None:
        """Close; a peer that does not close its side of TLS is not waited for."""
        self._await(NOTHING)
        super().loseConnection()
        if self.isSecure():
            self._await(END, self.abortTimeout, self.transport.abortConnection)

    # Bytes come.

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless nothing more is wanted."""
        over = self.transport.disconnecting or not (self.persistent or self.requests)
        if self.deaf or over:
            return
        super().dataReceived(data)
        if not (self._handlingRequest or self._awaited == END or self._busyReceiving):
            self._await_rest()

    def _await_rest(self) -> None:
        """Wait for what is missing of a request that has begun to come."""
        limits = self.factory.limits
        if not self.line_mode:
            if self._awaited != BODY:
                self._await(BODY, limits.body_within, self._slow_body)
        elif self.head is not None or self._buffer:
            if self._awaited != HEAD:
                self._await(HEAD, limits.header_within, self._slow_head)
            if bare_newline(self._buffer):
                self.refuse(BadFraming("A line of the header has no proper end."))

    def lineReceived(self, line: bytes) -> Any:
        """Take a line of a head; a true answer means that the rest is left alone."""
        try:
            line = self._checked(line)
        except HostError as error:
            self.refuse(error)
        else:
            if self.head is not None:
                super().lineReceived(line)
        return self.deaf

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
        """Take a piece of a body, or what comes while a request is answered."""
        try:
            super().rawDataReceived(data)
        except BadFraming as error:
            self.refuse(error)
        return self.deaf

    def allHeadersReceived(self) -> None:
        """Let the request in, then read its body in chunks if it comes in chunks."""
        super().allHeadersReceived()
        if self.length is None:
            handle = self.requests[-1].handleContentChunk
            self._transferDecoder = Chunks(handle, self._finishRequestBody)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Tell whether the connection outlives the answer, and tell the client if not.

        Twisted reads ``close, x`` as one word, and no second line.
        """
        named = options(request.requestHeaders.getRawHeaders(b"connection", []))
        stays = version == b"HTTP/1.1" and "close" not in named
        if not stays:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return stays

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        """Begin an answer, without naming the program that answers, nor its version."""
        headers.removeHeader(b"server")
        super().writeHeaders(version, code, reason, headers)

    def allContentReceived(self) -> None:
        """Answer; nothing is waited for meanwhile."""
        self.head = None
        self._await(NOTHING)
        super().allContentReceived()

    def requestDone(self, request: Incoming) -> None:
        """Go on to the next request, or close."""
        if self.deaf:
            self.requests.remove(request)
            self.linger()
            return
        super().requestDone(request)
        if self._waitingForTransport:
            self._keep(self._unsent + request.sentLength)
        if self.persistent and self._awaited == NOTHING and not self._handlingRequest:
            self._await(IDLE, self.factory.limits.idle, self._idle)

    def resumeProducing(self) -> None:
        """All that was answered has left."""
        self._keep(0)
        super().resumeProducing()

    def _keep(self, size: int) -> None:
        """Tell the door how much of what was answered is not read yet."""
        self.factory.door.unsent += size - self._unsent
        self._unsent = size

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(BadFraming("This is no HTTP request."))

    # Time passes.

    def _await(
        self, what: str, within: float = 0, otherwise: Callable[[], object] | None = None
    ) -> None:
        """Wait for something, and for nothing else; do `otherwise` if it does not come."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._awaited = what
        later = self.factory.clock.callLater
        self._timer = later(within, otherwise) if otherwise is not None else None

    def _slow_head(self) -> None:
        if self.head is not None or self._buffer:
            within = self.factory.limits.header_within
            self.refuse(RequestTimeout(f"The header did not come within {within:g} s."))
        else:
            self._close("it asked for nothing")

    def _slow_body(self) -> None:
        """Refuse a body that is late, unless it comes fast enough to be waited for."""
        limits, request = self.factory.limits, self.requests[-1]
        spare = request.received / limits.body_rate - (
            self.factory.clock.seconds() - request.began
        )
        if spare > 0:
            self._await(BODY, spare, self._slow_body)
        else:
            self.refuse(
                RequestTimeout(
                    f"The body did not come within {limits.body_within:g} s, nor at"
                    f" {limits.body_rate} bytes/s."
                )
            )

    def _idle(self) -> None:
        if self._waitingForTransport:  # the last answer is still on its way
            self._await(IDLE, self.factory.limits.idle, self._idle)
        else:
            self._close("it was idle")

    def _close(self, why: str) -> None:
        log.debug("a connection was closed: {why}", why=why)
        self.loseConnection()
