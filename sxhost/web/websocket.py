"""The log over a WebSocket: what ``GET /events?follow=1`` says, a text message a line.

Autobahn keeps the protocol.  All that it sends of its own accord are control frames, each
in one write, and nothing is compressed; so the subscriptions' bytes, which are whole frames
already and shared by all readers, go to the transport between them as they are.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from copy import copy
from types import SimpleNamespace
from typing import Annotated, Any, cast

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from sxhost.codec.frames import TEXT, framed
from sxhost.codec.json import decode, encode
from sxhost.errors import BadField, BadRequest, ForbiddenOrigin, HostError, UpgradeRequired
from sxhost.logs import logger
from sxhost.model import CURSOR, LABEL, SESSION_ID, EventName, Label, LabelName
from sxhost.service import SessionService
from sxhost.subscription import Selection, Subscription
from sxhost.web.routes import NDJSON, Route
from sxhost.web.site import HostChannel, HostRequest

__all__ = ["routes"]

log = logger(__name__)

PING_EVERY_S = 25
"""Seconds between two pings; most proxies cut a link that is silent for a minute."""

PONG_WITHIN_S = 10
"""Seconds after which a client that has not answered a ping is gone."""

OPEN_WITHIN_S = 10
"""Seconds that an opening handshake may take."""

CLOSE_WITHIN_S = 2
"""Seconds that a client has to answer a close; a stop waits no longer for it."""

MOST_FRAMES = 1024
"""Frames in one message: whoever sends more cuts it up to make work."""

MOST_PINGS = 100
"""Pings in a second."""

MOST_SUBSCRIPTIONS = 64
"""Subscriptions on one connection: one for each of many panes, not for each session."""

GOING_AWAY, UNSUPPORTED_DATA, POLICY_VIOLATION, INTERNAL_ERROR = 1001, 1003, 1008, 1011
"""Close codes of RFC 6455, 7.4.1, that we send ourselves; Autobahn sends 1002, 1007, 1009."""

KEY = re.compile(r"[A-Za-z0-9+/]{22}==\Z")

Name = Annotated[str, Meta(min_length=1, max_length=128)]


# What comes in.


class Subscribe(Struct, frozen=True, kw_only=True):
    """What a client wants to follow, from which cursor on; all that is empty is not asked."""

    id: Name | None = None
    """The client's own name for it, which stands in its control frames."""
    sessions: list[Annotated[str, Meta(pattern=SESSION_ID)]] = []
    labels: dict[LabelName, Label] = {}
    types: list[EventName] = []
    after: Annotated[str, Meta(pattern=CURSOR)] | Annotated[int, Meta(ge=0, lt=10**18)] = ""
    state: bool = False

    @property
    def selection(self) -> Selection:
        """What it selects."""
        labels = frozenset(self.labels.items())
        return Selection(frozenset(self.sessions), labels, frozenset(self.types))


class Command(Struct, frozen=True, kw_only=True):
    """A client's message; with both fields, one subscription takes the other's place."""

    unsubscribe: bool | Name | None = None
    """The id of a subscription, or true for the one without."""
    subscribe: Subscribe | None = None


class StreamQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A first subscription, if there is anything in it; each field as for ``GET /events``."""

    after: Annotated[str, Meta(pattern=CURSOR)] = ""
    session: str = ""
    label: Annotated[str, Meta(pattern=LABEL)] = ""
    types: str = ""
    state: bool = False

    def command(self) -> Command | None:
        """Return the message that would say the same."""
        if self == StreamQuery():
            return None
        name, colon, value = self.label.partition(":")
        subscribe = Subscribe(
            sessions=list(filter(None, self.session.split(","))),
            labels={name: value} if colon else {},
            types=list(filter(None, self.types.split(","))),
            after=self.after,
            state=self.state,
        )
        return Command(subscribe=subscribe)


# The connection.


class Sink:
    """Where one subscription writes."""

    def __init__(self, connection: Connection, name: str | None) -> None:
        self._connection = connection
        self._name = name
        self._mark = b"" if name is None else b',"id":%b}' % encode(name)

    def write(self, data: bytes) -> None:
        """Send whole frames."""
        self._connection.send(marked(data, self._mark) if self._mark else data)

    def end(self) -> None:
        """The subscription is over; the connection is not."""
        self._connection.readers.pop(self._name, None)


def marked(data: bytes, mark: bytes) -> bytes:
    """Put an id into a control frame, which always comes alone; events stay as they are."""
    start = {126: 4, 127: 10}.get(data[1], 2)
    if not data.startswith(b'{"frame":', start):
        return data
    return framed(data[start:-1] + mark)


def _quiet() -> Any:
    """Return Autobahn's logger for errors only: the rest repeats what strangers sent."""
    log = copy(WebSocketServerProtocol.log)
    log.set_log_level("error")
    return log


@implementer(IPushProducer)
class Connection(WebSocketServerProtocol):
    """One client: what it has subscribed to, and whether it keeps up.

    Its messages are answered one after another, and wait while it does not read; while one
    waits nothing more is read from it.  So what is kept for a client is bounded.
    """

    log = _quiet()
    transport: Any
    closeHandshakeTimeoutCall: Any
    localCloseReason: Any

    def __init__(
        self, service: SessionService, request: HostRequest, first: Command | None
    ) -> None:
        super().__init__()
        self.readers: dict[str | None, Subscription] = {}
        self._service = service
        self._request = request
        self._channel = cast("HostChannel", request.channel)
        self._site = request.site
        self._said: deque[bytes | Command] = deque([first] if first else ())
        self._busy = False
        self._paused = False
        self._frames = 0
        self._pings = (0, 0)
        self._owed: bytes | None = None

    # The connection begins and ends.

    def onOpen(self) -> None:
        """Take the channel's place, and serve."""
        self._channel.successor = self
        self._request.setResponseCode(101)
        self._site.log(self._request)
        self.registerProducer(self, streaming=True)
        self._go_on()

    def leave(self) -> None:
        """Close: the host is stopping."""
        self.sendCloseFrame(GOING_AWAY, b"the host is stopping")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """End the subscriptions, and then the request from which all this came."""
        super().connectionLost(reason)
        if self.closeHandshakeTimeoutCall is not None:
            self.closeHandshakeTimeoutCall.cancel()
        for reader in tuple(self.readers.values()):
            reader.close()
        self._channel.connectionLost(reason)
        if self.failedByMe:
            why = (self.localCloseReason or b"").decode()
            log.info("a WebSocket was closed: {code} {why}", code=self.localCloseCode, why=why)

    @property
    def _open(self) -> bool:
        return bool(self.state == self.STATE_OPEN)

    # What is sent.

    def send(self, data: bytes) -> None:
        """Send whole frames, unless the closing handshake has begun."""
        if self._open:
            self.transport.write(data)

    def _refuse(self, error: HostError, name: str | None) -> None:
        fields = {"error": error.code, "message": error.message, **error.details}
        self.send(TEXT.control("error", fields if name is None else {**fields, "id": name}))

    def pauseProducing(self) -> None:
        """The client is behind: nothing more is made for it."""
        self._paused = True
        for reader in tuple(self.readers.values()):
            reader.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has caught up; who is served first is last in the next turn."""
        self._paused = False
        if self._owed is not None:
            self._owed = self.sendPong(self._owed)
        self._go_on()
        for name in tuple(self.readers):
            if not self._paused and name in self.readers:
                reader = self.readers[name] = self.readers.pop(name)
                reader.resumeProducing()

    def stopProducing(self) -> None:
        """The client has gone; `connectionLost` follows."""

    # What is received.

    def onPing(self, payload: bytes) -> None:
        """Answer a ping; to a client that is behind only the newest, once it has caught up."""
        second = int(self._site.clock.seconds())
        self._pings = second, self._pings[1] + 1 if self._pings[0] == second else 1
        if self._pings[1] > MOST_PINGS:
            self._fail_connection(POLICY_VIOLATION, f"more than {MOST_PINGS} pings a second")
        elif self._paused:
            self._owed = payload
        else:
            self.sendPong(payload)

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
        if self._frames > MOST_FRAMES and self._open:
            self._fail_connection(POLICY_VIOLATION, f"more than {MOST_FRAMES} frames a message")

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: ARG002 - never is
        """Answer a message, or let it wait."""
        if self._open:
            self._said.append(payload)
            self._go_on()

    def _go_on(self) -> None:
        if not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._answer_all()).addErrback(self._failed)
        self._listen()

    def _listen(self) -> None:
        """Read on, unless something that was said still waits."""
        if self._open and self._said:
            self.transport.pauseProducing()
        elif self.state != self.STATE_CLOSED:
            self.transport.resumeProducing()

    def _failed(self, failure: Failure) -> None:
        log.failure("a message could not be answered", failure)
        self._fail_connection(INTERNAL_ERROR, "the host met an internal error")

    async def _answer_all(self) -> None:
        try:
            while self._said and not self._paused and self._open:
                await self._answer(self._said.popleft())
        finally:
            self._busy = False
            self._listen()

    async def _answer(self, said: bytes | Command) -> None:
        name: str | None = None
        try:
            if isinstance(said, bytes):
                said = decode(said, Command, depth=self._site.limits.depth)
            name = said.subscribe.id if said.subscribe else None
            await self._do(said)
        except HostError as error:
            self._refuse(error, name)

    async def _do(self, command: Command) -> None:
        if not command.unsubscribe and command.subscribe is None:
            raise BadRequest("Say what to `subscribe` to, or what to `unsubscribe` from.")
        if command.unsubscribe:
            self._unsubscribe(None if command.unsubscribe is True else command.unsubscribe)
        if command.subscribe is not None:
            await self._subscribe(command.subscribe)

    def _unsubscribe(self, name: str | None) -> None:
        if name not in self.readers:
            which = "without an id" if name is None else repr(name)
            raise BadField("unsubscribe", f"There is no subscription {which} here.")
        self.readers[name].end("unsubscribed", reconnect=False)

    async def _subscribe(self, wanted: Subscribe) -> None:
        if wanted.id in self.readers:
            raise BadField("subscribe.id", "It is taken; unsubscribe first, or give another.")
        if len(self.readers) >= MOST_SUBSCRIPTIONS:
            most = f"A connection has at most {MOST_SUBSCRIPTIONS} subscriptions."
            raise BadField("subscribe", most)
        sink, after = Sink(self, wanted.id), str(wanted.after)
        reader = await self._service.subscribe(
            wanted.selection, after, TEXT, sink, states=wanted.state
        )
        self._keep(wanted.id, reader)

    def _keep(self, name: str | None, reader: Subscription) -> None:
        """Remember a subscription, if neither it nor the connection has ended by now."""
        if not self._open:
            reader.close()
        elif not reader.ended:
            self.readers[name] = reader
            if self._paused:
                reader.pauseProducing()


class Factory(WebSocketServerFactory):
    """Makes one connection, on the site's clock and with its limits."""

    def __init__(self, connection: Connection, request: HostRequest) -> None:
        site = request.site
        super().__init__(server="", reactor=site.clock)
        self._connection = connection
        self._batched_timer = SimpleNamespace(call_later=site.clock.callLater)
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            maxFramePayloadSize=site.limits.body,
            maxMessagePayloadSize=site.limits.body,
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


# The route.


class Upgrade:
    """An answer that makes a WebSocket of its request's connection."""

    def __init__(self, service: SessionService, first: Command | None) -> None:
        self._service = service
        self._first = first

    async def serve(self, request: Request) -> None:
        """Hand the connection over; the request lasts as long as it does."""
        check_handshake(request)
        taken = cast("HostRequest", request)
        connection = Connection(self._service, taken, self._first)
        cast("Any", taken.channel.transport).unregisterProducer()  # it was the channel
        WebSocketResource(Factory(connection, taken)).render(taken)
        await Deferred()  # cancelled when the connection is lost


def check_handshake(request: Request) -> None:
    """Refuse what does not open a WebSocket (RFC 6455, 4.2.1), or comes from elsewhere.

    :raises HostError: it is refused.
    """
    if (
        request.method != b"GET"
        or request.clientproto != b"HTTP/1.1"
        or "websocket" not in _words(request, "upgrade")
        or request.getHeader("sec-websocket-version") != "13"
    ):
        request.setHeader("Upgrade", "websocket")
        request.setHeader("Connection", "Upgrade")
        request.setHeader("Sec-WebSocket-Version", "13")
        raise UpgradeRequired
    if "upgrade" not in _words(request, "connection"):
        raise BadRequest("The header Connection does not say 'Upgrade'.")
    if not KEY.match(request.getHeader("sec-websocket-key") or ""):
        raise BadRequest("The header Sec-WebSocket-Key does not have 16 bytes in base64.")
    origin = request.getHeader("origin")
    if origin is not None and origin.partition("://")[2] != request.getHeader("host"):
        raise ForbiddenOrigin(origin)


def _words(request: Request, header: str) -> list[str]:
    """Return the words of a header that is a list of them."""
    return [word.strip().lower() for word in (request.getHeader(header) or "").split(",")]


class Streams:
    """The handler of the route."""

    def __init__(self, service: SessionService) -> None:
        self._service = service

    async def stream(self, query: StreamQuery) -> Upgrade:
        """Follow logs over a WebSocket."""
        first = query.command()
        only = first and first.subscribe and first.subscribe.selection.only
        if only:
            await self._service.session(only)  # an unknown one is refused while it can be
        return Upgrade(self._service, first)


def routes(service: SessionService) -> Sequence[Route]:
    """Return the route of the WebSocket."""
    stream = Streams(service).stream
    summary = "Follow logs over a WebSocket."
    return (Route("GET", "/v1/stream", stream, summary, status=101, produces=NDJSON),)
