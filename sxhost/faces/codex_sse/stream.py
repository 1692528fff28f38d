"""A conversation's frames as server-sent events, to the end of a turn.

Each reader has an encoder of its own: the frame that ends a turn repeats the agent's last
message, which depends on where the reader began.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Never, cast

from msgspec import UNSET
from twisted.web.server import Request

from sxhost.codec.json import encode
from sxhost.faces.codex_sse.approvals import approval_frame
from sxhost.faces.codex_sse.fields import Conversation, EventFields
from sxhost.faces.codex_sse.translate import FRAMES
from sxhost.http.stream_response import StreamResponse
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event
from sxhost.model.event_types import (
    AgentEvent,
    CompleteEvent,
    ErrorEvent,
    MessageDeltaEvent,
    MessageEvent,
    decode_event,
)
from sxhost.model.host import Host
from sxhost.model.subscription import Selection, Subscription
from sxhost.transcripts.transcript import Transcript

__all__ = ["ConversationResponse", "FrameEncoder", "NoContent", "ends_turn"]

PING: Final = b"event: ping\ndata: ping\n\n"

_Fields = Mapping[str, object]


def ends_turn(event: Event, turn: int) -> bool:
    """Tell whether an event ends `turn`, or a later one."""
    match decode_event(event):
        case CompleteEvent(turn=int(number)) | ErrorEvent(turn=int(number)):
            return number >= turn
    return False


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
        self._turn_so_far: Transcript | None = None

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

    def _frame(self, event: Event) -> tuple[str, dict[str, object]] | None:
        if event.event == "approval-requested":
            return approval_frame(event, self._conversation)
        translate = FRAMES.get(event.event)
        if translate is None:
            return None
        turn = self._turn_so_far
        answer = turn.last_answer(event.seq) if turn is not None else None
        fields = EventFields.of(event, self._conversation, answer)
        if not self._is_of_the_turn(fields):
            return None
        if turn is None or event.event == "turn-started":
            turn = self._turn_so_far = Transcript(event, "codex", limit=0, growing_limit=0)
        if event.event == "message":
            turn.append(event)
        return translate(cast("EventFields[Never]", fields))

    def _is_of_the_turn(self, fields: EventFields[AgentEvent]) -> bool:
        """Tell whether an event is for this stream, and note if it ends the turn.

        A ``complete`` or ``error`` that names no turn is about something else.  Late words of
        an earlier turn are not for it: Codex's frames do not say whose they are.
        """
        if isinstance(fields.data, MessageEvent | MessageDeltaEvent):
            late = fields.data.turn
            return late is UNSET or late >= self._turn
        if not isinstance(fields.data, CompleteEvent | ErrorEvent):
            return True
        number = fields.data.turn
        self.over = number is not None and number >= self._turn
        return number is not None

    def _encode(self, cursor: object, kind: str, fields: _Fields) -> bytes:
        body = encode({"id": self._conversation.id, "type": kind, **fields})
        at = f"id: {cursor}\n" if cursor else ""
        return b"%sdata: %s\n\n" % (at.encode(), body)

    # Control frames.

    def _beat(self, _fields: _Fields) -> bytes:
        return PING

    def _gap(self, fields: _Fields) -> bytes:
        message = f"Frames are missing: {fields['reason']}."
        return self._encode(fields["to"], "warning", {"message": message})

    def _end(self, fields: _Fields) -> bytes:
        if fields["reconnect"]:  # no comment: some clients take the empty line for a message
            return b""
        return self._encode("", "error", {"message": fields["reason"]})


_CONTROL: Final[Mapping[str, Callable[[FrameEncoder, _Fields], bytes]]] = {
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

    def __init__(self, host: Host, session: str, after: str, frames: FrameEncoder):
        self._host = host
        self._session = session
        self._after = after
        self._frames = frames

    async def serve(self, request: Request) -> None:
        """Write frames until the turn is over, or the client leaves."""
        if request.method == b"HEAD" or request.channel is None:  # it has left already
            return
        sink = _Sink(request, self._frames)
        wanted = Selection(frozenset({self._session}))
        reader = await self._host.subscribe(wanted, self._after, self._frames, sink)
        await sink.follow(reader)


class NoContent:
    """A response without content: after a 204 an `EventSource` does not connect again."""

    async def serve(self, request: Request) -> None:
        """Set the status."""
        request.setResponseCode(204)
