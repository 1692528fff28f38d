"""The connection of a stream: a response whose body goes on, its lines, its frames."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sxhost.client.requests import why_lost
from sxhost.codec.lines import LineSplitter, LineTooLong
from sxhost.model.event import Event, Gap
from sxhost.model.session import SessionRemoved, StateChange, SummaryChange
from sxhost.waiting import Signal

__all__ = [
    "EndFrame",
    "Frame",
    "Heartbeat",
    "HelloFrame",
    "ListedFrame",
    "StreamConnection",
    "decode_frame",
    "decode_hello",
]

LINE = 16 << 20
"""Bytes of one line at the most: a hello with a session's last 10 events is the longest."""

HELD = 1 << 18
"""Bytes held for a slow reader before the transport has to wait for it."""

MISSED = 4
"""Beats' times without a byte after which a link is dead: three beats are missing at least."""


class HelloFrame(Struct, frozen=True, tag_field="frame", tag="hello"):
    """The first frame: where the stream begins, and seconds between two heartbeats."""

    cursor: str
    epoch: str
    heartbeat_s: Annotated[float, Meta(gt=0)]


class Heartbeat(Struct, frozen=True, tag_field="frame", tag="heartbeat"):
    """The link is alive, and all up to this place was sent."""

    cursor: str = ""


class EndFrame(Struct, frozen=True, tag_field="frame", tag="end"):
    """The last frame: why, and whether to come again."""

    reason: str
    reconnect: bool


class ListedFrame(Struct, frozen=True, tag_field="frame", tag="listed"):
    """The summaries of all sessions were sent once since the link began."""


class AnyFrame(Struct, frozen=True):
    """Any frame."""

    frame: str


Control = (
    Gap
    | StateChange
    | SummaryChange
    | SessionRemoved
    | ListedFrame
    | HelloFrame
    | Heartbeat
    | EndFrame
)
Frame = Event | Control

_event = msgspec.json.Decoder(Event)
_hello = msgspec.json.Decoder(HelloFrame)
_any_frame = msgspec.json.Decoder(AnyFrame)
_frame: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_known = {kind.__struct_config__.tag for kind in get_args(Control)}


def decode_hello(line: bytes) -> HelloFrame:
    """Decode the first line of a stream; `msgspec.DecodeError` if it is no host's."""
    return _hello.decode(line)


def decode_frame(line: bytes) -> Frame | None:
    """Decode a line of a stream; None for a kind of frame that this client does not know.

    :raises msgspec.DecodeError: it is no host's line.
    """
    try:
        return _event.decode(line)
    except msgspec.ValidationError:
        return _frame.decode(line) if _any_frame.decode(line).frame in _known else None


class StreamConnection(Protocol):
    """The body of a stream's response: its lines are held here until they are taken."""

    transport: Any
    beat_s: float = 0
    """Seconds between two signs of life that the host promises; 0 until it has."""

    def __init__(self, clock: IReactorTime) -> None:
        self.began = clock.seconds()
        self.lost = ""
        self._clock = clock
        self._lines = LineSplitter(LINE)
        self._held: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._missed = 0
        self._timer: IDelayedCall | None = None
        self._changed = Signal()

    async def wait_for_line(self) -> None:
        """Return once there is a line to take, or the link is lost."""
        if not self._held and not self.lost:
            await self._changed.wait()

    def take_line(self) -> bytes | None:
        """Return the next line, if one is held."""
        if not self._held:
            return None
        line = self._held.popleft()
        self._size -= len(line)
        if self._paused and self._size <= HELD // 2:
            self._paused = False
            self.transport.resumeProducing()
        return line

    def watch_heartbeats(self, beat_s: float) -> None:
        """Close the connection once heartbeats are missing, which are due each `beat_s`."""
        if not self.lost:
            self.beat_s = beat_s
            self._timer = self._clock.callLater(beat_s, self._count_missed_beat)

    def close(self) -> None:
        """Close the connection and drop the lines that are held."""
        self._held.clear()
        self.lose("it was closed here")

    def lose(self, why: str) -> None:
        """Close the connection with a reason; lines that are held can still be taken."""
        if self.lost:
            return
        self.lost = why
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self.transport is not None:
            self.transport.loseConnection()
        self._changed.fire()

    def dataReceived(self, data: bytes) -> None:
        """Hold the lines that come; let the transport wait if they are too many."""
        self._missed = 0
        if self.lost:
            return
        try:
            for line in self._lines.receive_data(data):
                self._held.append(line)
                self._size += len(line)
        except LineTooLong as error:
            self.lose(str(error))
        if self._size > HELD:
            self._paused = True
            self.transport.pauseProducing()
        self._changed.fire()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The answer has ended; a line that is not whole will come again."""
        self.lose(why_lost(reason.value))

    def _count_missed_beat(self) -> None:
        # Beats are counted, not seconds: a process that was held up itself (by a pipe that
        # nobody reads) finds one beat missing, and then the bytes that came meanwhile.
        self._missed = 0 if self._paused else self._missed + 1
        if self._missed >= MISSED:
            self.lose(f"it was silent for {MISSED * self.beat_s:g} s")
        else:
            self._timer = self._clock.callLater(self.beat_s, self._count_missed_beat)
