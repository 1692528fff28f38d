"""A request's connection becomes a WebSocket: the protocol, and its limits, for every face.

Autobahn keeps the protocol.  All that it sends of its own accord are control frames, each
in one write, and nothing is compressed; so bytes that are whole frames already, and shared
by many readers, go to the transport between them as they are.
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

from sxhost.errors import BadRequest, UpgradeRequired
from sxhost.http.authentication import PROTOCOL
from sxhost.http.framing import options
from sxhost.http.site import HostRequest
from sxhost.logs import logger
from sxhost.model.caller import current
from sxhost.ratelimit import FixedWindow

__all__ = ["Connection", "Upgrade"]

log = logger(__name__)

PING_EVERY_S = 25
"""Seconds between two pings; most proxies cut a link that is silent for a minute."""

PONG_WITHIN_S = 10
"""Seconds after which a client that neither answers a ping nor says anything is gone."""

OPEN_WITHIN_S = 10
"""Seconds that an opening handshake may take."""

CLOSE_WITHIN_S = 2
"""Seconds that a client has to answer a close, or to read ours; a stop waits no longer."""

GOING_AWAY, UNSUPPORTED_DATA, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1003, 1008, 1011
"""Close codes of RFC 6455, 7.4.1, that we send ourselves; Autobahn sends 1002, 1007, 1009."""

KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")


def _quiet() -> Any:
    """Return Autobahn's logger for errors only: the rest repeats what strangers sent."""
    log = copy(WebSocketServerProtocol.log)
    log.set_log_level("error")
    return log


@implementer(IPushProducer)
class Connection(WebSocketServerProtocol):
    """One client of a face: what it says, and whether it keeps up.

    Its messages are answered one after another, and wait while it does not read; while one
    waits nothing more is read from it.  So what is kept for a client is bounded.
    """

    log = _quiet()
    transport: Any
    closeHandshakeTimeoutCall: Any
    autoPingTimeoutCall: Any
    current_frame: Any
    localCloseReason: Any

    def __init__(self, request: HostRequest) -> None:
        super().__init__()
        self.site = request.site
        self.most = request.site.limits.body
        """Bytes of a message."""
        self.paused = False
        self._request = request
        self._channel = request.channel
        self._due: deque[Callable[[], Awaitable[None]]] = deque([self.begin])
        self._busy = False
        self._frames = 0
        self._controls = FixedWindow(request.site.clock.seconds, request.site.limits.pings)
        self._messages = FixedWindow(request.site.clock.seconds, request.site.limits.commands)
        self._owed: bytes | None = None
        self._heard = self._begun = 0.0
        self._arrived = 0
        self._late: IDelayedCall | None = None
        self._cut: IDelayedCall | None = None

    # What a face says and does.

    async def begin(self) -> None:
        """Say what is said first."""

    async def answer(self, said: bytes) -> None:
        """Answer a message."""

    def behind(self) -> None:
        """Make no more for the client for now."""

    def go_on(self) -> None:
        """Make more, as long as the client keeps up (`paused`)."""

    def connection_closed(self) -> None:
        """The connection is lost."""

    # The connection begins and ends.

    def onOpen(self) -> None:
        """Take the channel's place, and serve."""
        self._channel.successor = self
        self._request.setResponseCode(101)
        self.site.log(self._request)
        self.registerProducer(self, streaming=True)
        self._serve()

    def onConnect(self, request: Any) -> str | None:
        """Choose the one protocol that there is, if the client asks for any."""
        return PROTOCOL if PROTOCOL in request.protocols else None

    def dismiss(self, why: str) -> None:
        """Close: whoever asked may no longer, and what they have said is not done."""
        self._put_out(why)

    def leave(self) -> None:
        """Close: the host is stopping."""
        self.sendCloseFrame(GOING_AWAY, b"the host is stopping")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End what the face has begun, and then the request from which all this came."""
        super().connectionLost(reason)
        for call in (self.closeHandshakeTimeoutCall, self._late, self._cut):
            if call is not None and call.active():
                call.cancel()
        self.connection_closed()
        self._channel.connectionLost(reason)
        if self.failedByMe:
            why = (self.localCloseReason or b"").decode()
            log.info("a WebSocket was closed: {code} {why}", code=self.localCloseCode, why=why)

    def _may_go_on(self) -> bool:
        """Tell whether what was said is done: what a client may changes while it is here."""
        ended = self._request.context.caller.ended
        if ended is not None:
            self.dismiss(ended)
        return self._open

    def _closeConnection(self, abort: bool = False) -> None:
        """Close so that the client still reads why, unless it was given up.

        Autobahn resets whoever has answered a close, also one that our close has crossed.
        """
        if abort and not self.wasClean:
            self.transport.abortConnection()
        else:
            self.transport.loseConnection()
            self._cut = self.site.clock.callLater(
                CLOSE_WITHIN_S, self.transport.abortConnection
            )

    @property
    def _open(self) -> bool:
        return bool(self.state == self.STATE_OPEN)

    # What is sent.

    def send(self, data: bytes) -> None:
        """Send whole frames, unless the closing handshake has begun."""
        if self._open:
            self.transport.write(data)

    def pauseProducing(self) -> None:
        """The client is behind: nothing more is made for it."""
        self.paused = True
        self.behind()

    def resumeProducing(self) -> None:
        """The client has caught up."""
        self.paused = False
        if self._owed is not None:
            self._owed = self.sendPong(self._owed)
        self._serve()
        self.go_on()

    def stopProducing(self) -> None:
        """The client has gone; `connectionLost` follows."""

    # What is received.

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; Autobahn's own would write them up for a log that nobody keeps."""
        self._heard = self.site.clock.seconds()
        self._arrived += len(data)
        self._dataReceived(data)
        if not self._amid:
            self._await_nothing()
        elif self._late is None:
            self._await_message()

    def onMessageEnd(self) -> None:
        """Take a message that is whole; the next one has time of its own."""
        self._await_nothing()
        super().onMessageEnd()

    @property
    def _amid(self) -> bool:
        """Whether something has begun to come, and its end is missing."""
        return self._open and bool(self.inside_message or self.current_frame or self.data)

    def _await_nothing(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _await_message(self) -> None:
        """Give what has begun to come as long as a request's body has."""
        self._begun, self._arrived = self.site.clock.seconds(), 0
        self._late = self.site.clock.callLater(self.site.limits.body_within, self._slow)

    def _slow(self) -> None:
        """Close if a message is late, unless it comes fast enough, or we do not read on."""
        limits = self.site.limits
        spare = self._begun + self._arrived / limits.body_rate - self.site.clock.seconds()
        if self._due:
            self._await_message()
        elif spare > 0:
            self._late = self.site.clock.callLater(spare, self._slow)
        else:
            self._late = None
            self._put_out(f"a message of less than {limits.body_rate} bytes a second")

    def onAutoPingTimeout(self) -> None:
        """Give the client up, unless something of it has come since, or could not come."""
        quiet = self.site.clock.seconds() - self._heard
        unheard = bool(self._due) and not self.paused
        if not unheard and quiet >= PONG_WITHIN_S:
            super().onAutoPingTimeout()
            return
        left = PONG_WITHIN_S if unheard else PONG_WITHIN_S - quiet
        self.autoPingTimeoutCall = self.site.clock.callLater(left, self.onAutoPingTimeout)

    def onPing(self, payload: bytes) -> None:
        """Answer a ping; to a client that is behind only the newest, once it has caught up."""
        if not self._controls.take():
            self._put_out(f"more than {self.site.limits.pings} pings a second")
        elif self.paused:
            self._owed = payload
        else:
            self.sendPong(payload)

    def onPong(self, payload: bytes) -> None:
        """Count a pong, whether or not it was asked for."""
        super().onPong(payload)
        if not self._controls.take():
            self._put_out(f"more than {self.site.limits.pings} pongs a second")

    def onMessageBegin(self, isBinary: bool) -> None:
        """Refuse a binary message before it is there."""
        super().onMessageBegin(isBinary)
        self._frames = 0
        if isBinary and self._open:
            self._fail_connection(UNSUPPORTED_DATA, "messages are text")

    def onMessageFrameBegin(self, length: int) -> None:
        """Count the frames of a message."""
        super().onMessageFrameBegin(length)
        self._frames += 1
        most = self.site.limits.frames
        if self._frames > most:
            self._put_out(f"more than {most} frames a message")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002 - never is
        """Answer a message, or let it wait."""
        if not self._messages.take():
            self._put_out(f"more than {self.site.limits.commands} messages a second")
        elif self._open:
            self._due.append(partial(self.answer, payload))
            self._serve()

    def _put_out(self, why: str) -> None:
        """Close: more came than anyone needs to send."""
        if self._open:
            self._fail_connection(POLICY_VIOLATION, why)

    def _serve(self) -> None:
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._answer_all()).addErrback(self._failed)
        self._listen()

    def _listen(self) -> None:
        """Read on, unless something that was said still waits."""
        if self._open and self._due:
            self.transport.pauseProducing()
        elif self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    def _failed(self, failure: Failure) -> None:
        log.failure("a message could not be answered", failure)
        self._fail_connection(INTERNAL_ERROR, "the host met an internal error")

    async def _answer_all(self) -> None:
        current.set(self._request.context.caller)
        try:
            while self._due and not self.paused and self._may_go_on():
                await self._due.popleft()()
        finally:
            self._busy = False
            self._listen()


class Factory(WebSocketServerFactory):
    """Makes one connection, on the site's clock and with its limits."""

    def __init__(self, connection: Connection, request: HostRequest) -> None:
        site = request.site
        super().__init__(server="", reactor=site.clock, protocols=[PROTOCOL])
        self._connection = connection
        self._batched_timer = SimpleNamespace(call_later=site.clock.callLater)
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            maxFramePayloadSize=connection.most,
            maxMessagePayloadSize=connection.most,
            failByDrop=False,  # say why, then close
            openHandshakeTimeout=OPEN_WITHIN_S,
            closeHandshakeTimeout=CLOSE_WITHIN_S,
            autoPingInterval=PING_EVERY_S,
            autoPingTimeout=PONG_WITHIN_S,
            allowNullOrigin=True,  # who may come was asked before
        )

    def buildProtocol(self, addr: IAddress | None) -> Connection:  # noqa: ARG002
        """Return the connection."""
        self._connection.factory = self
        return self._connection


class Upgrade:
    """An answer that makes a WebSocket of its request's connection."""

    def __init__(self, connect: Callable[[HostRequest], Connection]) -> None:
        self._connect = connect

    async def serve(self, request: Request) -> None:
        """Hand the connection over; the request lasts as long as it does."""
        check_handshake(request)
        taken = cast("HostRequest", request)
        connection = self._connect(taken)
        cast("Any", taken.channel.transport).unregisterProducer()  # it was the channel
        WebSocketResource(Factory(connection, taken)).render(taken)
        try:
            await Deferred()  # cancelled when the connection is lost
        except CancelledError:
            ended = taken.context.caller.ended
            if ended is None:
                raise
            connection.dismiss(ended)
            with suppress(CancelledError):
                await Deferred()


def check_handshake(request: Request) -> None:
    """Refuse what does not open a WebSocket (RFC 6455, 4.2.1).

    :raises HostError: it is refused.
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
