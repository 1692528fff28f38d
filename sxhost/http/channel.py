"""One connection: its bytes become requests that are whole, in time and unambiguous.

`sxhost.http.framing` parses a head once it is whole.  A request that is whole and plain goes
straight to its handler (`sxhost.http.direct_request`); every other one becomes a request of
`twisted.web`.  Whatever is refused here is answered once, in the native format, and nothing
behind it is read.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from sxhost.auth.peer_credentials import peer_uid
from sxhost.errors import BadFraming, HostError, RequestTimeout
from sxhost.http.admission import tune
from sxhost.http.authentication import ConnectionPeer, Decision
from sxhost.http.channel_contracts import Asked, Listening, Successor
from sxhost.http.chunks import Chunks
from sxhost.http.deadline import NOTHING, ConnectionDeadline
from sxhost.http.direct_request import DirectRequest
from sxhost.http.direct_routes import Plan
from sxhost.http.direct_send import send
from sxhost.http.framing import (
    EMPTY_LINES,
    RequestHead,
    bare_newline,
    check_begun_head,
    read_head,
    request_line,
)
from sxhost.http.guard import ConnectionGuard
from sxhost.http.request_context import HandlerOutcome
from sxhost.logs import logger

__all__ = ["HostChannel"]

log = logger(__name__)

HEAD, BODY, IDLE, END = "header", "body", "next request", "end"
"""What a connection waits for, within its one deadline."""

KnownHead = tuple[bytes, RequestHead, Plan | None]
"""A head as it came, and as it was understood."""

NOTHING_KNOWN: Final[KnownHead] = (b"", RequestHead(b"", b"", b""), None)
END_OF_HEAD: Final = b"\r\n\r\n"

SHORT_BODY: Final = 16 * 1024
"""Bytes of a body that is awaited here, before it becomes a request; as much is read ahead."""

MOST_SHUT_OUT = 64
"""Refused connections that get time to read why; the rest of a flood is closed at once."""


class HostChannel(http.HTTPChannel):
    """An HTTP/1.1 connection with limits and timeouts.

    At any time it waits for one thing at most: the rest of a head or body, the next request, or
    the end.  While a request is answered it waits for nothing, however long that takes.
    """

    factory: Listening
    requests: list[Asked]
    requestFactory: Any  # makes an Incoming
    transport: Any
    successor: Successor | None = None
    """The protocol that took the connection over; it calls `connectionLost` of the channel."""

    ignores_input = False
    """Whether a refusal was sent: what still arrives is dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.head: RequestHead | None = None
        """The head of the request whose body is awaited."""
        self._unread = b""
        """Bytes that came and were not looked at yet, at the most a head or what is behind."""
        self._reading = False
        self._missing = 0
        """Bytes of the body that have not come."""
        self._chunks: Chunks | None = None
        self._known = NOTHING_KNOWN
        """The last head as it came and as it was understood: clients send the same again."""
        self._incoming: Any = None
        """The `Incoming` request whose body is awaited."""
        self.decision = Decision()
        """Who sends the request that is read."""
        self._plan: Plan | None = None
        """How the request is answered whose body is awaited, if it goes straight."""
        self._head_came_at = 0.0
        self._counted = 0
        self._empty = 0
        self._peer: str | None = None
        self._unsent = 0

    # The connection begins and ends.

    def connectionMade(self) -> None:
        """Register with the site, and wait for a request."""
        site = self.factory
        site.connections.add(self)
        super().connectionMade()
        tune(self.transport, site.limits)
        try:
            self._peer = site.admission.admit(self.transport, self.uid)
        except HostError as error:
            self._refuse_connection(error)
        else:
            self._deadline.set(HEAD, site.limits.header_within, self._head_is_late)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Unregister from the site."""
        self._deadline.cancel()
        self.factory.admission.uncount_body(self._counted)
        super().connectionLost(reason)
        self._count_unsent(0)
        if self._peer is not None:
            self.factory.admission.release(self._peer)
        self.factory.channel_closed(self)

    @cached_property
    def _deadline(self) -> ConnectionDeadline:
        return ConnectionDeadline(self.factory.clock)

    @cached_property
    def guard(self) -> ConnectionGuard:
        """What decides who asks over this connection."""
        ends = ConnectionPeer(self.transport.getHost(), self.transport.getPeer(), self.uid)
        return ConnectionGuard(self.factory.authenticator, ends)

    @cached_property
    def uid(self) -> int | None:
        """The peer's uid, if the kernel knows it."""
        return peer_uid(self.transport)

    def release(self) -> None:
        """Close once the running request is answered and the answer was sent."""
        self.persistent = False
        if self.successor is not None:
            self.successor.release()
        elif not self._has_request:
            self.loseConnection()

    @property
    def _has_request(self) -> bool:
        """Whether a request is there, or its line at least."""
        is_read = self.head is not None or b"\r\n" in self._unread
        return is_read or bool(self.requests)

    def refuse(self, error: HostError, line: tuple[bytes, bytes] | None = None) -> None:
        """Answer the incoming request, or what is there of it, with `error`; read no more.

        If a refusal was sent already, only close.

        :param line: method and target of a request that is not there yet.
        """
        request = self._incoming if self.requests else None
        if request is None:
            request = self.requestFactory(self)
            self.requests.append(request)
        self.ignores_input, self._plan = True, None
        self._count_short_body(0)
        self._deadline.clear()
        self._unread = b""
        if request.refused:
            self.loseConnection()
        else:
            head = self.head
            request.refuse_unread(error, (head.method, head.target) if head else line)

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
        self._deadline.set(END, limits.linger, self.loseConnection)

    def loseConnection(self) -> None:
        """Close; abort if the peer does not close its side of TLS in time."""
        self._deadline.clear()
        super().loseConnection()
        if self.isSecure():
            self._deadline.set(END, self.abortTimeout, self.transport.abortConnection)

    # Bytes come.

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless the connection is closing or was refused."""
        closing = self.transport.disconnecting or not (self.persistent or self._has_request)
        if self.ignores_input or closing:
            return
        self._unread = self._unread + data if self._unread else data
        self._read_on()
        if self._handlingRequest:
            if len(self._unread) > self._optimisticEagerReadSize:
                self._networkProducer.pauseProducing()
        elif not (self._deadline.awaited == END or self.ignores_input):
            self._await_rest_of_request()

    def _read_on(self) -> None:
        """Read requests and answer them, until one has to be waited for."""
        if self._reading:
            return  # the answer to a request that was just read
        self._reading = True
        try:
            while self._unread and self._may_read():
                if not (self._read_head() if self.head is None else self._read_body()):
                    break
        finally:
            self._reading = False

    def _may_read(self) -> bool:
        ends = self.ignores_input or self.transport.disconnecting
        return not (ends or self._handlingRequest)

    def _await_rest_of_request(self) -> None:
        """Set the timer for the rest of a request that has begun to arrive."""
        limits = self.factory.limits
        if self.head is not None:
            if self._deadline.awaited != BODY:
                self._deadline.set(BODY, limits.body_within, self._body_is_late)
        elif self._unread and self._deadline.awaited != HEAD:
            self._deadline.set(HEAD, limits.header_within, self._head_is_late)

    def _read_head(self) -> bool:
        """Read a head, if it is whole; tell whether there is more to be read."""
        data = self._unread
        if data[0] in b"\r\n" and not self._skip_empty_lines():
            return False
        data, limits = self._unread, self.factory.limits
        end = data.find(END_OF_HEAD) + len(END_OF_HEAD)
        raw = data[:end]
        known, head, plan = self._known
        try:
            if end < len(END_OF_HEAD):
                check_begun_head(data, limits)
                return False
            if raw != known:
                head = read_head(raw, limits)
                plan = self.factory.direct.plan(head)
                self._known = raw, head, plan
        except HostError as error:
            self.refuse(error, request_line(data, limits))
            return False
        self._empty = 0
        self._unread = data[end:]
        self.decision = self.guard.decide(head)
        if plan is not None and self._is_short_of(plan):
            self.head, self._plan = head, plan
            self._head_came_at = self.factory.clock.seconds()
        elif plan is None or not self._answer_directly(plan):
            self._begin_request(head)
        return True

    def _is_short_of(self, plan: Plan) -> bool:
        """Tell whether a request waits for the rest of its body, which is a short one."""
        is_short = len(self._unread) < plan.length <= SHORT_BODY
        return is_short and self.decision.refusal is None

    def _skip_empty_lines(self) -> bool:
        """Pass over empty lines before a request (RFC 9112, 2.2); tell whether one follows."""
        data = self._unread
        while data.startswith(b"\r\n"):
            data, self._empty = data[2:], self._empty + 1
            if self._empty > EMPTY_LINES:
                self.refuse(BadFraming(f"More than {EMPTY_LINES} empty lines come first."))
                return False
        self._unread = data
        if bare_newline(data[:2]) and data[0] in b"\r\n":
            self.refuse(BadFraming("An empty line has no proper end."))
            return False
        return bool(data) and data != b"\r"

    def _begin_request(
        self, head: RequestHead, answered: tuple[DirectRequest, HandlerOutcome] | None = None
    ) -> None:
        """Begin a `twisted.web` request; `answered` is one whose handler was called."""
        request = self.requestFactory(self)
        if answered is not None:
            request.take_over(*answered)
        self.requests.append(request)
        self._incoming = request
        self.head, self.length = head, head.length
        add = request.requestHeaders.addRawHeader
        for name, value in head.fields:
            add(name, value)
        self._command, self._path, self._version = head.method, head.target, head.version
        self._missing = head.length or 0
        self.allHeadersReceived()
        if head.length is None:
            self._chunks = Chunks(request.handleContentChunk, self._end_of_chunks)
        elif not head.length:
            self.allContentReceived()

    def _read_body(self) -> bool:
        """Read of a body what is there; tell whether there is more to be read."""
        plan = self._plan
        if plan is not None:
            is_whole = len(self._unread) >= plan.length
            if not is_whole and self._has_room_for_unread():
                return False
            self.head = self._plan = None
            self._count_short_body(0)
            if not (is_whole and self._answer_directly(plan)):
                self._begin_request(plan.head)
            return True
        if self._chunks is not None:
            data, self._unread = self._unread, b""
            try:
                self._chunks.dataReceived(data)
            except BadFraming as error:
                self.refuse(error)
            return True
        piece, self._unread = self._unread[: self._missing], self._unread[self._missing :]
        self._missing -= len(piece)
        self._incoming.handleContentChunk(piece)
        if not self._missing:
            self.allContentReceived()
        return True

    def _has_room_for_unread(self) -> bool:
        """Count what is there of a short body; tell whether it is not too much in all."""
        try:
            self._count_short_body(len(self._unread))
        except HostError:
            return False
        return True

    def _count_short_body(self, size: int) -> None:
        """Count `size` bytes of a body that is awaited, in place of what was counted before."""
        admission = self.factory.admission
        admission.uncount_body(self._counted)
        self._counted = size
        admission.count_body(size)

    def _end_of_chunks(self, rest: bytes) -> None:
        self._unread = rest
        self.allContentReceived()

    def checkPersistence(self, request: Any, version: bytes) -> bool:  # noqa: ARG002
        """Return whether the connection outlives the answer; if not, say so."""
        stays = self.head is not None and self.head.persists
        if not stays:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return stays

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:
        """Write the head of an answer without ``Server``: it would tell program and version."""
        headers.removeHeader(b"server")
        super().writeHeaders(version, code, reason, headers)

    def allContentReceived(self) -> None:
        """Answer the request, without any timer."""
        self.head = self._chunks = None
        self._deadline.clear()
        super().allContentReceived()

    def requestDone(self, request: Asked) -> None:
        """Go on to the next request, or close."""
        self.requests.remove(request)
        if self.ignores_input:
            self.linger()
            return
        if not self._waitingForTransport:
            self._networkProducer.resumeProducing()
        else:
            self._count_unsent(self._unsent + request.sentLength)
        if not self.persistent:
            self.loseConnection()
            return
        self._handlingRequest = False
        if self._deadline.awaited == NOTHING:
            self._deadline.set(IDLE, self.factory.limits.idle, self._idle_too_long)
        self._read_on()
        if not (self._reading or self._handlingRequest or self.ignores_input):
            self._await_rest_of_request()

    # The straight way.

    def _answer_directly(self, plan: Plan) -> bool:
        """Answer a request whose head was read, if it is whole and plain; tell whether so."""
        site, length, decision = self.factory, plan.length, self.decision
        if site.stopping or site.readiness.standing_by or decision.refusal is not None:
            return False
        if len(self._unread) < length:
            return False
        if plan.is_read and decision.caller.grant is not None:
            return False  # it is cut short when the grant ends
        try:
            site.admission.check_body(length)
            site.admit(plan.head, decision.caller)
        except HostError:
            return False
        body, self._unread = self._unread[:length], self._unread[length:]
        DirectRequest(self, site, plan, decision.caller, body).answer()
        return True

    def begin_waiting(self, request: DirectRequest) -> None:
        """Read nothing more until a request is answered, whose handler waits."""
        self._deadline.clear()
        self.requests.append(request)
        self._handlingRequest = True

    def send_answer(self, request: DirectRequest, data: bytes) -> None:
        """Send the answer to a request; it is done."""
        send(self.transport, data)
        if self.requests:
            self.requestDone(request)
            return
        if self._waitingForTransport:
            self._count_unsent(self._unsent + request.sentLength)
        self._deadline.set(IDLE, self.factory.limits.idle, self._idle_too_long)

    def answer_by_tree(self, request: DirectRequest, outcome: HandlerOutcome) -> None:
        """Have a `twisted.web` request answer with what the handler has returned or raised."""
        self._unread = request.body + self._unread
        if self.requests:
            self.requests.remove(request)
            self._handlingRequest = False
        self._begin_request(request.plan.head, (request, outcome))
        self._read_on()

    def forget_head(self) -> None:
        """Let go of the last head and of what was made of it, until the next one comes."""
        self._known = NOTHING_KNOWN
        self.guard.forget()

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

    def _head_is_late(self) -> None:
        if self._unread:
            within = self.factory.limits.header_within
            self.refuse(RequestTimeout(f"The header did not come within {within:g} s."))
        else:
            self._close("it asked for nothing")

    def _body_is_late(self) -> None:
        """Refuse a late body, unless it comes at ``body_rate`` bytes a second or more."""
        limits = self.factory.limits
        received, began = len(self._unread), self._head_came_at
        if self._plan is None:
            received, began = self._incoming.received, self._incoming.began
        spare = received / limits.body_rate - (self.factory.clock.seconds() - began)
        if spare > 0:
            self._deadline.set(BODY, spare, self._body_is_late)
        else:
            self.refuse(
                RequestTimeout(
                    f"The body did not come within {limits.body_within:g} s, nor at"
                    f" {limits.body_rate} bytes/s."
                )
            )

    def _idle_too_long(self) -> None:
        if self._waitingForTransport:  # the last answer is still on its way
            self._deadline.set(IDLE, self.factory.limits.idle, self._idle_too_long)
        else:
            self._close("it was idle")

    def _close(self, why: str) -> None:
        log.debug("a connection was closed: {why}", why=why)
        self.loseConnection()
