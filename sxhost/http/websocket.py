"""A request's connection becomes a WebSocket: the protocol and its limits, for every face.

Autobahn speaks the protocol.  All that it sends unasked are control frames, each in one write,
and nothing is compressed; so frames that were encoded once for many readers are written to the
transport between them as they are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from copy import copy
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from sxhost.codec.frames import websocket_message
from sxhost.errors import BadRequest, UpgradeRequired
from sxhost.http.authentication import PAGE_PROTOCOL, PROTOCOL
from sxhost.http.direct_send import flush, send
from sxhost.http.framing import options
from sxhost.http.site import HostRequest
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.ratelimit import FixedWindow
from sxhost.waiting import Signal, background

__all__ = ["Connection", "Upgrade"]

log = logger(__name__)

PING_EVERY_S = 25
"""Seconds between two pings; most proxies cut a link that is silent for a minute."""

PONG_WITHIN_S = 10
"""Seconds after which a client that neither answers a ping nor sends anything is dropped."""

OPEN_WITHIN_S = 10
"""Seconds that an opening handshake may take."""

CLOSE_WITHIN_S = 2
"""Seconds that a client has to answer a close, or to read ours; a stop waits no longer."""

GOING_AWAY, UNSUPPORTED_DATA, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1003, 1008, 1011
"""Close codes of RFC 6455, 7.4.1, that we send ourselves; Autobahn sends 1002, 1007, 1009."""

KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")
"""``Sec-WebSocket-Key``: 16 bytes in base64 (RFC 6455, 4.2.1)."""


def _error_logger() -> Any:
    """Return Autobahn's logger for errors alone: the rest repeats what clients have sent."""
    log = copy(WebSocketServerProtocol.log)
    log.set_log_level("error")
    return log


@implementer(IPushProducer)
class Connection(WebSocketServerProtocol):
    """One client of a face, with back-pressure in both directions.

    Its messages are answered one after another, and wait while it does not read; while one
    waits, nothing more is read from it.  So what is buffered for a client is bounded.
    """

    log = _error_logger()
    transport: Any
    closeHandshakeTimeoutCall: Any
    autoPingTimeoutCall: Any
    current_frame: Any
    localCloseReason: Any

    def __init__(self, request: HostRequest) -> None:
        super().__init__()
        self.site = request.site
        self.max_message_bytes = request.site.limits.body
        """Bytes of a message."""
        self.paused = False
        self._request = request
        self._channel = request.channel
        self._pending: deque[Callable[[], Awaitable[None]]] = deque([self.begin])
        self._busy = False
        self._frames = 0
        self._controls = FixedWindow(request.site.clock.seconds, request.site.limits.pings)
        self._excessive = False
        """Whether there were too many messages: no more are taken."""
        self._over = Signal()
        """Fires when all messages that waited are answered."""
        self._messages = FixedWindow(request.site.clock.seconds, request.site.limits.commands)
        self._owed_pong: bytes | None = None
        self._last_received_at = self._message_began_at = 0.0
        self._message_bytes = 0
        self._message_timer: IDelayedCall | None = None
        self._abort_timer: IDelayedCall | None = None

    # What a face overrides.

    async def begin(self) -> None:
        """Send the first messages."""

    async def answer_message(self, message: bytes) -> None:
        """Answer a message."""

    def pause_sending(self) -> None:
        """Pause what is sent unasked: the client does not keep up."""

    def resume_sending(self) -> None:
        """Resume what is sent unasked, while the client keeps up (`paused` is false)."""

    def connection_closed(self) -> None:
        """Clean up: the connection is lost."""

    # The connection begins and ends.

    def onOpen(self) -> None:
        """Take the channel's place, and begin."""
        self._channel.successor = self
        self._request.setResponseCode(101)
        self.site.log(self._request)
        self.registerProducer(self, streaming=True)
        self._answer_pending()

    def onConnect(self, request: Any) -> str | None:
        """Choose our own subprotocol if the client offers it, else the first that is no secret.

        Browsers, and many libraries, close a WebSocket whose server chooses none.
        """
        offered = [name for name in request.protocols if not PAGE_PROTOCOL.search(name)]
        return PROTOCOL if PROTOCOL in offered else next(iter(offered), None)

    def close_for_ended_token(self, why: str) -> None:
        """Close: the client's token has ended, and no waiting message is answered."""
        self._close_for_violation(why)

    def release(self) -> None:
        """Close: the host is stopping."""
        self.sendCloseFrame(GOING_AWAY, b"the host is stopping")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up the face's part, then end the request that was upgraded."""
        super().connectionLost(reason)
        for call in (self.closeHandshakeTimeoutCall, self._message_timer, self._abort_timer):
            if call is not None and call.active():
                call.cancel()
        self.connection_closed()
        self._channel.connectionLost(reason)
        if self.failedByMe:
            why = (self.localCloseReason or b"").decode()
            log.info("a WebSocket was closed: {code} {why}", code=self.localCloseCode, why=why)

    def _may_go_on(self) -> bool:
        """Return whether the next message may be answered; close if the token has ended."""
        ended = self._request.context.caller.ended
        if ended is not None:
            self.close_for_ended_token(ended)
        return self._open

    def _closeConnection(self, abort: bool = False) -> None:
        """Close so that the client still reads the close frame, unless it was given up.

        Autobahn would reset a client that has answered a close, also if two closes crossed.
        """
        if abort and not self.wasClean:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
            self._abort_timer = self.site.clock.callLater(
                CLOSE_WITHIN_S, self.transport.abortConnection
            )

    @property
    def _open(self) -> bool:
        return bool(self.state == self.STATE_OPEN)

    # What is sent.

    def send(self, data: bytes) -> None:
        """Send whole frames in this turn, unless the closing handshake has begun."""
        if self._open:
            self.transport.write(data)

    def send_now(self, data: bytes) -> None:
        """Send whole frames at once: for a reader whose turn it is, and who gets no more."""
        if self._open:
            send(self.transport, data)

    def pauseProducing(self) -> None:
        """Pause: the client does not keep up."""
        self.paused = True
        self.pause_sending()

    def resumeProducing(self) -> None:
        """Resume: the client has caught up."""
        self.paused = False
        if self._owed_pong is not None:
            self._owed_pong = self.sendPong(self._owed_pong)
        self._answer_pending()
        self.resume_sending()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    # What is received.

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; a message that is whole goes past Autobahn, which takes a third of all.

        What is answered at once leaves in one send.
        """
        self._last_received_at = self.site.clock.seconds()
        message = self._whole_message(data)
        if message is None:
            self._receive_part(data)
        else:
            self.onMessage(message, isBinary=False)
        flush(self.transport)

    def _whole_message(self, data: bytes) -> bytes | None:
        """Return the message that bytes are, if they are one and no more."""
        if self._is_amid_message or not self._open:
            return None
        message = websocket_message(data)
        limit = self.max_message_bytes
        return None if message is None or 0 < limit < len(message) else message

    def _receive_part(self, data: bytes) -> None:
        """Let Autobahn read on, but not by the method that formats the bytes for its log."""
        self._message_bytes += len(data)
        self._dataReceived(data)
        if not self._is_amid_message:
            self._cancel_message_timer()
        elif self._message_timer is None:
            self._start_message_timer()

    def onMessageEnd(self) -> None:
        """Take a complete message; the next one has a timer of its own."""
        self._cancel_message_timer()
        super().onMessageEnd()

    @property
    def _is_amid_message(self) -> bool:
        """Whether a message or frame has begun to arrive, and its end is missing."""
        return self._open and bool(self.inside_message or self.current_frame or self.data)

    def _cancel_message_timer(self) -> None:
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

    def _start_message_timer(self) -> None:
        """Set the timer for a message that has begun to arrive: as for a request's body."""
        self._message_began_at, self._message_bytes = self.site.clock.seconds(), 0
        within = self.site.limits.body_within
        self._message_timer = self.site.clock.callLater(within, self._message_is_late)

    def _message_is_late(self) -> None:
        """Close if a message is late, unless it comes fast enough or reading is paused."""
        limits = self.site.limits
        due = self._message_began_at + self._message_bytes / limits.body_rate
        spare = due - self.site.clock.seconds()
        if self._pending:
            self._start_message_timer()
        elif spare > 0:
            self._message_timer = self.site.clock.callLater(spare, self._message_is_late)
        else:
            self._message_timer = None
            rate = limits.body_rate
            self._close_for_violation(f"a message of less than {rate} bytes a second")

    def onAutoPingTimeout(self) -> None:
        """Drop the client, unless it has sent something since, or reading was paused."""
        silent_s = self.site.clock.seconds() - self._last_received_at
        reading_paused = bool(self._pending) and not self.paused
        if not reading_paused and silent_s >= PONG_WITHIN_S:
            super().onAutoPingTimeout()
            return
        left = PONG_WITHIN_S if reading_paused else PONG_WITHIN_S - silent_s
        self.autoPingTimeoutCall = self.site.clock.callLater(left, self.onAutoPingTimeout)

    def onPing(self, payload: bytes) -> None:
        """Answer a ping; for a slow client only the newest, once it has caught up."""
        if not self._controls.take():
            self._close_for_violation(f"more than {self.site.limits.pings} pings a second")
        elif self.paused:
            self._owed_pong = payload
        else:
            self.sendPong(payload)

    def onPong(self, payload: bytes) -> None:
        """Count a pong, whether or not it was asked for."""
        super().onPong(payload)
        if not self._controls.take():
            self._close_for_violation(f"more than {self.site.limits.pings} pongs a second")

    def onMessageBegin(self, isBinary: bool) -> None:
        """Refuse a binary message before its payload arrives, and count frames anew."""
        super().onMessageBegin(isBinary)
        self._frames = 0
        if isBinary and self._open:
            self._fail_connection(UNSUPPORTED_DATA, "messages are text")

    def onMessageFrameBegin(self, length: int) -> None:
        """Count a message's frames: 65,536 of 16 bytes held the reactor up for 0.4 s."""
        super().onMessageFrameBegin(length)
        self._frames += 1
        most = self.site.limits.frames
        if self._frames > most:
            self._close_for_violation(f"more than {most} frames a message")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002 - never is
        """Queue a message to be answered."""
        if self._excessive:
            return
        if not self._messages.take():
            self._excessive = True
            background(self._close_once_answered(), log, "closing for too many messages")
        elif self._open:
            self._pending.append(partial(self.answer_message, payload))
            self._answer_pending()

    async def _close_once_answered(self) -> None:
        """Close for too many messages; those before are answered first, if they can be soon."""
        answered = Deferred.fromCoroutine(self.answered())
        answered.addTimeout(CLOSE_WITHIN_S, self.site.clock, lambda _failure, _seconds: None)
        await answered
        self._close_for_violation(f"more than {self.site.limits.commands} messages a second")

    async def answered(self) -> None:
        """Return once all messages are answered that have come so far."""
        while self._busy:
            await self._over.wait()

    def _close_for_violation(self, why: str) -> None:
        """Close with 1008: the client breaks a limit or may not go on."""
        if self._open:
            self._fail_connection(POLICY_VIOLATION, why)

    def _answer_pending(self) -> None:
        if not self._busy:
            self._busy = True
            background(self._answer_all(), log, "answering a message")
        self._resume_reading()

    def _resume_reading(self) -> None:
        """Read on, unless a message still waits to be answered."""
        if self._open and self._pending:
            self.transport.pauseProducing()
        elif self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    async def _answer_all(self) -> None:
        current_caller.set(self._request.context.caller)
        try:
            while self._pending and not self.paused and self._may_go_on():
                await self._pending.popleft()()
        except Exception:
            self._fail_connection(INTERNAL_ERROR, "the host met an internal error")
            raise
        finally:
            self._busy = False
            self._over.fire()
            self._resume_reading()


class Factory(WebSocketServerFactory):
    """Autobahn's factory for one connection, with the site's clock and limits."""

    def __init__(self, connection: Connection, request: HostRequest) -> None:
        site = request.site
        super().__init__(server="", reactor=site.clock, protocols=[PROTOCOL])
        self._connection = connection
        self._batched_timer = SimpleNamespace(call_later=site.clock.callLater)
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            maxFramePayloadSize=connection.max_message_bytes,
            maxMessagePayloadSize=connection.max_message_bytes,
            failByDrop=False,  # say why, then close
            openHandshakeTimeout=OPEN_WITHIN_S,
            closeHandshakeTimeout=CLOSE_WITHIN_S,
            autoPingInterval=PING_EVERY_S,
            autoPingTimeout=PONG_WITHIN_S,
            allowNullOrigin=True,  # origins were checked before
        )

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # noqa: ARG002
        """Return the connection."""
        self._connection.factory = self
        return self._connection


class Upgrade:
    """A response that upgrades its request's connection to a WebSocket."""

    def __init__(self, connect: Callable[[HostRequest], Connection]) -> None:
        self._connect = connect

    async def serve(self, request: Request) -> None:
        """Hand the connection over; the request lasts as long as it does."""
        check_handshake(request)
        upgraded = cast("HostRequest", request)
        connection = self._connect(upgraded)
        cast("Any", upgraded.channel.transport).unregisterProducer()  # it was the channel
        WebSocketResource(Factory(connection, upgraded)).render(upgraded)
        try:
            await Deferred()  # cancelled when the connection is lost
        except CancelledError:
            ended = upgraded.context.caller.ended
            if ended is None:
                raise
            connection.close_for_ended_token(ended)
            with suppress(CancelledError):
                await Deferred()


def check_handshake(request: Request) -> None:
    """Check that a request is an opening handshake (RFC 6455, 4.2.1).

    :raises HostError: it is not.
    """
    if (
        request.method != b"GET"
        or request.clientproto != b"HTTP/1.1"
        or "websocket" not in _options(request, "upgrade")
        or request.getHeader("sec-websocket-version") != "13"
    ):
        request.setHeader("Upgrade", "websocket")
        request.responseHeaders.addRawHeader("Connection", "Upgrade")
        request.setHeader("Sec-WebSocket-Version", "13")
        raise UpgradeRequired
    if "upgrade" not in _options(request, "connection"):
        raise BadRequest("The header Connection does not say 'Upgrade'.")
    if not KEY.match(request.getHeader("sec-websocket-key") or ""):
        raise BadRequest("The header Sec-WebSocket-Key does not have 16 bytes in base64.")


def _options(request: Request, header: str) -> frozenset[str]:
    return options(request.requestHeaders.getRawHeaders(header.encode(), []))
