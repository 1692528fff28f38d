"""A session's log as a transport's readers are told it: frames, made once for all of them."""

from __future__ import annotations

from collections.abc import Callable

from sxhost.codec.json import encode
from sxhost.faces.pi.transcript_cache import TranscriptCache
from sxhost.model.cursor import Cursor
from sxhost.model.session import Event

__all__ = ["Wire"]


KEPT = 8 << 20
"""Bytes of frames that are kept for others who read the same."""

OVERHEAD = 200
"""Bytes that keeping one takes besides."""


class Wire:
    """How a transport's readers are told (an `Encoding`).

    `wrap` makes a frame of an object's bytes; `thin` readers are not told again and again
    what a message is that grows.
    """

    def __init__(
        self, wrap: Callable[[bytes], bytes], runs: TranscriptCache, *, thin: bool = False
    ) -> None:
        self.wrap = wrap
        self._runs = runs
        self._thin = thin
        self._made: dict[int, bytes] = {}
        self._size = 0

    def event(self, event: Event, epoch: str) -> bytes:
        """Return the frames of an event; whoever has had only some gets all of them again.

        What was made is kept for a while: clients that are behind read from many places.
        """
        made = self._made.get(event.id)
        if made is None:
            made = self._made[event.id] = self._make(event, epoch)
            self._size += len(made) + OVERHEAD
            while self._size > KEPT:
                self._size -= len(self._made.pop(next(iter(self._made)))) + OVERHEAD
        return made

    def _make(self, event: Event, epoch: str) -> bytes:
        tail = b',"cursor":"%s","seq":%d}'
        head = b'{"type":"event","sessionId":"%s","event":' % event.session.encode()
        told = self._runs.tell(event, thin=self._thin)
        places = [event.id - 1] * (len(told) - 1) + [event.id]
        tails = (tail % (str(Cursor(at, epoch)).encode(), event.seq) for at in places)
        frames = (b"".join((head, *one)) for one in zip(told, tails, strict=False))
        return b"".join(map(self.wrap, frames))

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Return a gap, and the end of a session; the rest is nothing that pi says."""
        if name != "gap":
            return b""
        return self.wrap(encode({"type": "gap", **fields}))
