"""Events of a log encoded as frames of pi's protocol, once for all readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sxhost.codec.json import encode
from sxhost.faces.pi.translator import Translator
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event

__all__ = ["PiEncoding"]


KEPT = 8 << 20
"""Bytes of frames that are kept for other readers of the same events."""

OVERHEAD = 200
"""Bytes that an entry of the cache takes besides its frames."""


class PiEncoding:
    """How events are encoded for the clients of one transport (an `Encoding`).

    :param wrap: makes a frame of a JSON object's bytes.
    :param names: what clients call sessions, by their ids; a session that is not there, its id.
    :param snapshots: repeat a growing message with each of its deltas.
    """

    def __init__(
        self,
        wrap: Callable[[bytes], bytes],
        transcripts: Translator,
        names: Mapping[str, str] = {},
        *,
        snapshots: bool = True,
    ) -> None:
        self.wrap = wrap
        self._transcripts = transcripts
        self._names = names
        self._snapshots = snapshots
        self._frames: dict[int, bytes] = {}
        self._size = 0

    def event(self, event: Event, epoch: str) -> bytes:
        """Return the frames of an event.

        They are kept for a while, since clients that are behind read the same events.
        """
        frames = self._frames.get(event.id)
        if frames is None:
            frames = self._frames[event.id] = self._encode(event, epoch)
            self._size += len(frames) + OVERHEAD
            while self._size > KEPT:
                self._size -= len(self._frames.pop(next(iter(self._frames)))) + OVERHEAD
        return frames

    def drop_frames(self, start: int) -> None:
        """Drop the frames that are kept of events, from an id on: they are encoded anew."""
        for number in [number for number in self._frames if number >= start]:
            self._size -= len(self._frames.pop(number)) + OVERHEAD

    def _encode(self, event: Event, epoch: str) -> bytes:
        tail = b',"cursor":"%s","seq":%d}'
        name = self._names.get(event.session, event.session)
        head = b'{"type":"event","sessionId":"%s","event":' % name.encode()
        translated = self._transcripts.translate(event, snapshots=self._snapshots)
        # Only the last frame's cursor is past the event: a client that got some of its frames
        # and reconnects gets all of them again.
        ids = [event.id - 1] * (len(translated) - 1) + [event.id]
        tails = (tail % (str(Cursor(last, epoch)).encode(), event.seq) for last in ids)
        objects = (b"".join((head, *pair)) for pair in zip(translated, tails, strict=False))
        return b"".join(map(self.wrap, objects))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Return the frame of a gap; pi's protocol has no other control frame of a stream."""
        if name != "gap":
            return b""
        end = Cursor.parse(str(fields["to"])).position
        session_id = str(fields["sessionId"])
        self._transcripts.note_gap(session_id, end)
        named = {**fields, "sessionId": self._names.get(session_id, session_id)}
        return self.wrap(encode({"type": "gap", **named}))
