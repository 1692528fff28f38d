"""A WebSocket: its messages, limits, pings and close, for every face.

`websockets` speaks the protocol.  All that it sends unasked are control frames, each in one
write, and nothing is compressed; so frames that were encoded once for many readers are written
to the transport between them as they are.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol
from zope.interface import implementer

from sxhost.codec.frames import websocket_message
from sxhost.http.authentication import PAGE_PROTOCOL, PROTOCOL
from sxhost.http.direct_send import flush, send
from sxhost.http.site import HostRequest
from sxhost.http.websocket_frames import FrameSplitter
from sxhost.logs import logger
from sxhost.model.caller import current_caller
from sxhost.ratelimit import FixedWindow
from sxhost.waiting import Signal, background

__all__ = ["GOING_AWAY", "Connection"]

log = logger(__name__)

PING_EVERY_S = 25
"""Seconds between two pings; most proxies cut a link that is silent for a minute."""

PONG_WITHIN_S = 10
"""Seconds after which a client that neither answers a ping nor sends anything is dropped."""

CLOSE_WITHIN_S = 2
"""Seconds that a client has to answer a close, or to read ours; a stop waits no longer."""

GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_DATA = 1001, 1002, 1003, 1007
POLICY_VIOLATION, INTERNAL_ERROR = 1008, 1011
"""Close codes of RFC 6455, 7.4.1, that we send; `websockets` sends 1002, 1007 and 1009, too."""

CLOSED: Final = Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False)
"""The answer to a client's close."""

MOST_OF_REASON = 123
"""Bytes of a close's reason."""

UTF8: Final = getincrementaldecoder("utf-8")


def choose_subprotocol(_: ServerProtocol, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose our own subprotocol if the client offers it, else the first that is no secret.

    Browsers, and many libraries, close a WebSocket whose server chooses none.
    """
    names = [name for name in offered if not PAGE_PROTOCOL.search(name)]
    return Subprotocol(PROTOCOL) if PROTOCOL in names else next(iter(names), None)


@implementer(IPushProducer)
class Connection(Protocol):
    """One client of a face, with back-pressure in both directions.

    Its messages are answered one after another, and wait while it does not read; while one
    waits, nothing more is read from it.  So what is buffered for a client is bounded.

    :param most: bytes that a message may have, else the site's limit of a body.  If it is
        given, the connection outlives a message that has more, of which only the size is kept.
    """

    transport: Any

    def __init__(self, request: HostRequest, most: int | None = None) -> None:
        self.site = request.site
        limits, seconds = request.site.limits, request.site.clock.seconds
        self.max_message_bytes = limits.body if most is None else most
        self.paused = False
        """Whether the client does not keep up with what is sent."""
        refused_beyond = self.max_message_bytes if most is None else None
        self.protocol = ServerProtocol(
            select_subprotocol=choose_subprotocol, max_size=refused_beyond
        )
        self._splitter = FrameSplitter(refused_beyond)
        self._request = request
        self._channel = request.channel
        self._open = False
        """Whether the opening handshake is done, and the closing handshake has not begun."""
        self._pending: deque[Callable[[], Awaitable[None]]] = deque([self.begin])
        self._busy = False
        self._controls = FixedWindow(seconds, limits.pings)
        self._excessive = False
        """Whether there were too many messages: no more are taken."""
        self._over = Signal()
        """Fires when all messages that waited are answered."""
        self._messages = FixedWindow(seconds, limits.commands)
        self._owed_pong = b""
        """The newest pong, as a frame, while the client does not read."""
        self._text: bytearray | None = None
        """What has come of a message that is not whole."""
        self._text_size = 0
        self._decoder = UTF8()
        self._last_received_at = self._pinged_at = self._message_began_at = 0.0
        self._message_bytes = 0
        self._message_timer: IDelayedCall | None = None
        self._ping_timer: IDelayedCall | None = None
        self._abort_timer: IDelayedCall | None = None

    # What a face overrides.

    async def begin(self) -> None:
        """Send the first messages."""

    async def answer_message(self, message: bytes) -> None:
        """Answer a message."""

    def refuse_size(self, size: int) -> None:
        """Answer a message that has too many bytes for one, if those do not end it."""

    def pause_sending(self) -> None:
        """Pause what is sent unasked: the client does not keep up."""

    def resume_sending(self) -> None:
        """Resume what is sent unasked, while the client keeps up (`paused` is false)."""

    def connection_closed(self) -> None:
        """Clean up: the connection is lost."""

    # The connection begins and ends.

    def connectionMade(self) -> None:
        """Take the channel's place, answer the handshake, and begin."""
        self._open = True
        self._channel.successor = self
        self._request.setResponseCode(101)
        self.site.log(self._request)
        self._write_control()
        self.transport.registerProducer(self, True)
        self._ping_timer = self.site.clock.callLater(PING_EVERY_S, self._ping)
        self._answer_pending()

    def close_for_ended_token(self, why: str) -> None:
        """Close: the client's token has ended, and no waiting message is answered."""
        self.close_for_violation(why)

    def release(self) -> None:
        """Close: the host is stopping."""
        self.close(GOING_AWAY, "the host is stopping")

    def close_for_violation(self, why: str) -> None:
        """Close with 1008: the client breaks a limit or may not go on."""
        self.close(POLICY_VIOLATION, why)

    def close(self, code: int, why: str) -> None:
        """Begin the closing handshake, unless it has begun."""
        if self._open:
            reason = why.encode()[:MOST_OF_REASON].decode(errors="ignore")
            self.protocol.send_close(code, reason)
            self._write_control()
            self._begin_close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Clean up the face's part, then end the request that was upgraded."""
        self._open, self.connected = False, 0
        for timer in (self._message_timer, self._ping_timer, self._abort_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self.connection_closed()
        self._channel.connectionLost(reason)
        sent = self.protocol.close_sent
        if (
            sent is not None
            and not self.protocol.close_rcvd_then_sent
            and sent.code != GOING_AWAY
        ):
            log.info("a WebSocket was closed: {code} {why}", code=sent.code, why=sent.reason)

    def _begin_close(self) -> None:
        """Give the client time to answer our close, or to read our answer to its own."""
        self._open = False
        self.transport.unregisterProducer()  # TLS would wait for it, and not end
        self._abort_timer = self.site.clock.callLater(
            CLOSE_WITHIN_S, self.transport.abortConnection
        )
        self._end_if_closed()

    def _end_if_closed(self) -> None:
        """End the connection in order once the client has sent a close, right or wrong."""
        if self._splitter.closed:
            self.transport.loseConnection()

    def _may_go_on(self) -> bool:
        """Return whether the next message may be answered; close if the token has ended."""
        ended = self._request.context.caller.ended
        if ended is not None:
            self.close_for_ended_token(ended)
        return self._open

    # What is sent.

    def send(self, data: bytes) -> None:
        """Send whole frames in this turn, unless the closing handshake has begun."""
        if self._open:
            self.transport.write(data)

    def send_now(self, data: bytes) -> None:
        """Send whole frames at once: for a reader whose turn it is, and who gets no more."""
        if self._open:
            send(self.transport, data)

    def _write_control(self) -> None:
        """Send what the protocol has to send."""
        self.transport.write(b"".join(self.protocol.data_to_send()))

    def pauseProducing(self) -> None:
        """Pause: the client does not keep up."""
        self.paused = True
        self.pause_sending()

    def resumeProducing(self) -> None:
        """Resume: the client has caught up."""
        self.paused = False
        owed, self._owed_pong = self._owed_pong, b""
        if owed:
            self.send(owed)
        self._answer_pending()
        self.resume_sending()

    def stopProducing(self) -> None:
        """Do nothing: `connectionLost` follows."""

    # Whether the client is there.

    def _ping(self) -> None:
        """Send a ping, and look later whether anything has come since."""
        if self._open:
            self._pinged_at = self.site.clock.seconds()
            self.protocol.send_ping(b"")
            self._write_control()
            self._ping_timer = self.site.clock.callLater(PONG_WITHIN_S, self._look_for_sign)

    def _look_for_sign(self) -> None:
        """Drop the client, unless it has sent something since, or reading was paused."""
        clock = self.site.clock
        if self._pending and not self.paused:
            self._ping_timer = clock.callLater(PONG_WITHIN_S, self._look_for_sign)
        elif self._last_received_at >= self._pinged_at:
            due = self._pinged_at + PING_EVERY_S - clock.seconds()
            self._ping_timer = clock.callLater(max(0, due), self._ping)
        else:
            self.transport.abortConnection()

    # What is received.

    def dataReceived(self, data: bytes) -> None:
        """Take bytes; a message that is whole goes past the protocol, which takes longer.

        What is answered at once leaves in one send.
        """
        self._last_received_at = self.site.clock.seconds()
        message = self._whole_message(data)
        if message is None:
            self._receive_part(data)
        else:
            self.message_received(message)
        flush(self.transport)

    def _whole_message(self, data: bytes) -> bytes | None:
        """Return the message that bytes are, if they are one and no more."""
        if self._is_amid_message or not self._open:
            return None
        message = websocket_message(data)
        return None if message is None or len(message) > self.max_message_bytes else message

    def _receive_part(self, data: bytes) -> None:
        """Let the protocol read on, frame by frame."""
        self._message_bytes += len(data)
        try:
            for frame in self._splitter.receive_data(data):
                self._receive_frame(frame)
        except ProtocolError as error:
            self.close(PROTOCOL_ERROR, str(error))
        if not self._is_amid_message:
            self._cancel_message_timer()
        elif self._message_timer is None:
            self._start_message_timer()

    def _receive_frame(self, data: bytes) -> None:
        """Have the protocol look at a frame; once a close was sent, only for its answer."""
        self.protocol.receive_data(data)
        written = b"".join(self.protocol.data_to_send())
        events = self.protocol.events_received()
        if not self._open:
            self._end_if_closed()
        elif self.protocol.state is State.OPEN:
            for frame in events:
                self._frame_received(cast("Frame", frame), written)
        else:
            # `websockets` would refuse a close within a message.
            self.transport.write(written if self.protocol.close_rcvd is None else CLOSED)
            self._begin_close()

    def _frame_received(self, frame: Frame, answer: bytes) -> None:
        """Take a frame; `answer` is the pong to a ping."""
        if frame.opcode is Opcode.PING:
            self._ping_received(answer)
        elif frame.opcode is Opcode.PONG:
            if not self._controls.take():
                self.close_for_violation(f"more than {self.site.limits.pings} pongs a second")
        elif self._splitter.frames > self.site.limits.frames:
            # 65,536 frames of 16 bytes held the reactor up for 0.4 s.
            self.close_for_violation(f"more than {self.site.limits.frames} frames a message")
        elif frame.opcode is Opcode.BINARY:
            self.close(UNSUPPORTED_DATA, "messages are text")
        else:
            self._text_received(bytes(frame.data), frame.fin)

    def _ping_received(self, pong: bytes) -> None:
        """Answer a ping; for a slow client only the newest, once it has caught up."""
        if not self._controls.take():
            self.close_for_violation(f"more than {self.site.limits.pings} pings a second")
        elif self.paused:
            self._owed_pong = pong
        else:
            self.transport.write(pong)

    def _text_received(self, data: bytes, fin: bool) -> None:
        """Take a part of a message; of one that is too large only the beginning is kept."""
        if self._text is None:
            self._text, self._text_size = bytearray(), 0
            self._decoder.reset()
        try:
            self._decoder.decode(data, fin)
        except UnicodeDecodeError:
            self.close(INVALID_DATA, "a message is not UTF-8")
            return
        self._text_size += len(data)
        is_too_large = self._text_size > self.max_message_bytes
        self._text += b"" if is_too_large else data
        if fin:
            text, self._text = bytes(self._text), None
            self._cancel_message_timer()  # the next message has a timer of its own
            if is_too_large:
                self.refuse_size(self._text_size)
            else:
                self.message_received(text)

    @property
    def _is_amid_message(self) -> bool:
        """Whether a message or frame has begun to arrive, and its end is missing."""
        return self._open and (self._text is not None or self._splitter.is_amid_frame)

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
            self.close_for_violation(f"a message of less than {rate} bytes a second")

    # Messages are answered.

    def message_received(self, message: bytes) -> None:
        """Queue a message to be answered."""
        if self._excessive:
            return
        if not self._messages.take():
            self._excessive = True
            background(self._close_once_answered(), log, "closing for too many messages")
        elif self._open:
            self._pending.append(partial(self.answer_message, message))
            self._answer_pending()

    async def _close_once_answered(self) -> None:
        """Close for too many messages; those before are answered first, if they can be soon."""
        answered = Deferred.fromCoroutine(self.answered())
        answered.addTimeout(CLOSE_WITHIN_S, self.site.clock, lambda _failure, _seconds: None)
        await answered
        self.close_for_violation(f"more than {self.site.limits.commands} messages a second")

    async def answered(self) -> None:
        """Return once all messages are answered that have come so far."""
        while self._busy or (self._open and self._pending):  # a slow client's messages wait
            await self._over.wait()

    def _answer_pending(self) -> None:
        if not self._busy:
            self._busy = True
            background(self._answer_all(), log, "answering a message")
        self._resume_reading()

    def _resume_reading(self) -> None:
        """Read on, unless a message still waits to be answered."""
        if self._open and self._pending:
            self.transport.pauseProducing()
        elif self.connected:
            self.transport.resumeProducing()

    async def _answer_all(self) -> None:
        current_caller.set(self._request.context.caller)
        try:
            while self._pending and not self.paused and self._may_go_on():
                await self._pending.popleft()()
        except Exception:
            self.close(INTERNAL_ERROR, "the host met an internal error")
            raise
        finally:
            self._busy = False
            self._over.fire()
            self._resume_reading()
