"""One conversation's frames as server-sent events, to the end of a turn.

Each reader has an encoding of its own, since it knows what the agent said last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.faces.codex_sse.approvals import asked
from sxhost.faces.codex_sse.fields import Conversation, EventFields
from sxhost.faces.codex_sse.translate import ENDS, FRAMES
from sxhost.http.stream_response import Response
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event
from sxhost.service import SessionService
from sxhost.streams.subscription import Selection, Subscription

__all__ = ["Conversing", "Frames", "Nothing", "ends"]

PING: Final = b"event: ping\ndata: ping\n\n"

_Fields = Mapping[str, object]


def ends(event: Event, turn: int) -> bool:
    """Tell whether an event ends a turn, or a later one."""
    if event.event not in ENDS:
        return False
    value = event.value()
    number = value.get("turn") if isinstance(value, dict) else None
    return isinstance(number, int) and number >= turn


class Frames:
    """The encoding (`sxhost.codec.frames.Encoding`) for one reader.

    `turn` is the turn whose end is the end, after which it is `over`; without `deltas`,
    frames whose type ends in ``_delta`` are left out.
    """

    def __init__(self, about: Conversation, turn: int, *, deltas: bool = True) -> None:
        self.over = False
        self._about = about
        self._turn = turn
        self._deltas = deltas
        self._last: str | None = None

    def event(self, event: Event, epoch: str) -> bytes:
        """Encode an event, with its cursor; nothing if Codex would say nothing."""
        frame = None if self.over else self._frame(event)
        if frame is None or not (self._deltas or not frame[0].endswith("_delta")):
            return b""
        return self._encoded(str(Cursor(event.id, epoch)), *frame)

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a control frame."""
        return _CONTROL[name](self, fields) if name in _CONTROL else b""

    def recall(self, events: Sequence[Event]) -> None:
        """Know what was said before the place where the reader begins."""
        for event in events:
            self._frame(event)
        self.over = False

    def _frame(self, event: Event) -> tuple[str, dict[str, Any]] | None:
        if event.event == "approval-requested":
            return asked(event, self._about)
        tell = FRAMES.get(event.event)
        told = EventFields.of(event, self._about, self._last) if tell else None
        if tell is None or told is None or not self._belongs(event, told):
            return None
        if event.event in _LAST:
            self._last = told.words.text if event.event == "message" else None
        return tell(told)

    def _belongs(self, event: Event, told: EventFields) -> bool:
        """Take note of an end; one that names no turn is none of ours."""
        if event.event not in ENDS:
            return True
        number = told.words.turn
        self.over = number is not None and number >= self._turn
        return number is not None

    def _encoded(self, cursor: object, kind: str, fields: _Fields) -> bytes:
        body = encode({"id": self._about.id, "type": kind, **fields})
        at = f"id: {cursor}\n" if cursor else ""
        return b"%sdata: %s\n\n" % (at.encode(), body)

    # Control frames.

    def _hello(self, _fields: _Fields) -> bytes:
        return _comment(f"session {self._about.session}")

    def _beat(self, _fields: _Fields) -> bytes:
        return PING

    def _gap(self, fields: _Fields) -> bytes:
        message = f"Frames are missing: {fields['reason']}."
        return self._encoded(fields["to"], "warning", {"message": message})

    def _end(self, fields: _Fields) -> bytes:
        if fields["reconnect"]:
            return _comment(str(fields["reason"]))
        return self._encoded("", "error", {"message": fields["reason"]})


def _comment(text: str) -> bytes:
    return f": {' '.join(text.split())}\n\n".encode()


_LAST: Final = frozenset({"message", "turn-started"})
"""Events that change what the agent has said last in its turn."""

_CONTROL: Final[Mapping[str, Callable[[Frames, _Fields], bytes]]] = {
    "hello": Frames._hello,
    "heartbeat": Frames._beat,
    "gap": Frames._gap,
    "end": Frames._end,
}


class _Sink(Response):
    """Ends with the frames."""

    def __init__(self, request: Request, frames: Frames) -> None:
        super().__init__(request)
        self._frames = frames
        self._reader: Subscription | None = None

    def begin(self, reader: Subscription) -> None:
        """Let the transport pause and resume the reader."""
        self._reader = reader
        super().begin(reader)

    def write(self, data: bytes) -> None:
        """Send frames; after the last one, end."""
        super().write(data)
        if self._frames.over and self._reader is not None:
            self._reader.close()
            self.end()


class Conversing:
    """An answer that tells one conversation from a cursor on."""

    def __init__(self, service: SessionService, session: str, after: str, frames: Frames):
        self._service = service
        self._session = session
        self._after = after
        self._frames = frames

    async def serve(self, request: Request) -> None:
        """Write frames until the turn is over, or the client leaves."""
        if request.method == b"HEAD" or request.channel is None:  # it has left already
            return
        sink = _Sink(request, self._frames)
        wanted = Selection(frozenset({self._session}))
        reader = await self._service.subscribe(wanted, self._after, self._frames, sink)
        await sink.follow(reader)


class Nothing:
    """The answer when all was told: a browser does not come again after a 204."""

    async def serve(self, request: Request) -> None:
        """Say so."""
        request.setResponseCode(204)
