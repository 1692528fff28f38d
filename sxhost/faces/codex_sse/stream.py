"""A conversation's frames as server-sent events, to the end of a turn.

Each reader has an encoder of its own: the frame that ends a turn repeats the agent's last
message, which depends on where the reader began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.faces.codex_sse.approvals import approval_frame
from sxhost.faces.codex_sse.fields import Conversation, EventFields
from sxhost.faces.codex_sse.translate import ENDS, FRAMES
from sxhost.http.stream_response import StreamResponse
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event
from sxhost.model.subscription import Selection, Subscription
from sxhost.service import SessionService

__all__ = ["ConversationResponse", "FrameEncoder", "NoContent", "ends_turn"]

PING: Final = b"event: ping\ndata: ping\n\n"

_Fields = Mapping[str, object]


def ends_turn(event: Event, turn: int) -> bool:
    """Tell whether an event ends `turn`, or a later one."""
    if event.event not in ENDS:
        return False
    value = event.value()
    number = value.get("turn") if isinstance(value, dict) else None
    return isinstance(number, int) and number >= turn


class FrameEncoder:
    """Encodes events as Codex's frames for one reader (a `sxhost.codec.frames.Encoding`).

    Once `turn`, or a later one, has ended, it is `over` and encodes nothing more.  Without
    `deltas`, frames whose type ends in ``_delta`` are left out.
    """

    def __init__(self, conversation: Conversation, turn: int, *, deltas: bool = True) -> None:
        self.over = False
        self._conversation = conversation
        self._turn = turn
        self._deltas = deltas
        self._last_message: str | None = None

    def event(self, event: Event, epoch: str) -> bytes:
        """Encode an event with its cursor; return nothing if Codex would send no frame."""
        frame = None if self.over else self._frame(event)
        if frame is None or not (self._deltas or not frame[0].endswith("_delta")):
            return b""
        return self._encode(str(Cursor(event.id, epoch)), *frame)

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a control frame of the host; most have no counterpart in Codex."""
        return _CONTROL[name](self, fields) if name in _CONTROL else b""

    def recall(self, events: Sequence[Event]) -> None:
        """Take in events before the reader's cursor: the agent's last message may be there."""
        for event in events:
            self._frame(event)
        self.over = False

    def _frame(self, event: Event) -> tuple[str, dict[str, Any]] | None:
        if event.event == "approval-requested":
            return approval_frame(event, self._conversation)
        translate = FRAMES.get(event.event)
        fields = (
            EventFields.of(event, self._conversation, self._last_message) if translate else None
        )
        if translate is None or fields is None or not self._is_of_the_turn(event, fields):
            return None
        if event.event in _CHANGE_LAST_MESSAGE:
            self._last_message = fields.data.text if event.event == "message" else None
        return translate(fields)

    def _is_of_the_turn(self, event: Event, fields: EventFields) -> bool:
        """Tell whether an event is for this stream, and note if it ends the turn.

        A ``complete`` or ``error`` that names no turn is about something else.
        """
        if event.event not in ENDS:
            return True
        number = fields.data.turn
        self.over = number is not None and number >= self._turn
        return number is not None

    def _encode(self, cursor: object, kind: str, fields: _Fields) -> bytes:
        body = encode({"id": self._conversation.id, "type": kind, **fields})
        at = f"id: {cursor}\n" if cursor else ""
        return b"%sdata: %s\n\n" % (at.encode(), body)

    # Control frames.

    def _hello(self, _fields: _Fields) -> bytes:
        return _comment(f"session {self._conversation.session}")

    def _beat(self, _fields: _Fields) -> bytes:
        return PING

    def _gap(self, fields: _Fields) -> bytes:
        message = f"Frames are missing: {fields['reason']}."
        return self._encode(fields["to"], "warning", {"message": message})

    def _end(self, fields: _Fields) -> bytes:
        if fields["reconnect"]:
            return _comment(str(fields["reason"]))
        return self._encode("", "error", {"message": fields["reason"]})


def _comment(text: str) -> bytes:
    return f": {' '.join(text.split())}\n\n".encode()


_CHANGE_LAST_MESSAGE: Final = frozenset({"message", "turn-started"})
"""Events that set, or reset, the agent's last message of a turn."""

_CONTROL: Final[Mapping[str, Callable[[FrameEncoder, _Fields], bytes]]] = {
    "hello": FrameEncoder._hello,
    "heartbeat": FrameEncoder._beat,
    "gap": FrameEncoder._gap,
    "end": FrameEncoder._end,
}


class _Sink(StreamResponse):
    """A response that ends with the turn, not with the log."""

    def __init__(self, request: Request, frames: FrameEncoder) -> None:
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


class ConversationResponse:
    """A response that streams one conversation from a cursor to the end of its turn."""

    def __init__(self, service: SessionService, session: str, after: str, frames: FrameEncoder):
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


class NoContent:
    """A response without content: after a 204 an `EventSource` does not connect again."""

    async def serve(self, request: Request) -> None:
        """Set the status."""
        request.setResponseCode(204)
