"""A client's bytes become frames, none of which has to be awaited: long ones come in fragments.

`websockets` looks at a frame once it is whole.  Whoever stands between client and server may
cut messages anew (RFC 6455, 5.4); so a frame that has not come whole is handed on as fragments,
the first as soon as its head is there.  What is wrong with it is found at once, and no frame is
kept until it ends, however long it says it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from websockets.exceptions import ProtocolError

__all__ = ["FrameSplitter"]

FIN, MASKED, LENGTH = 0x80, 0x80, 0x7F
OPCODE, CONTROL, CLOSE = 0x0F, 0x08, 0x08
"""The bits of a frame's first two bytes (RFC 6455, 5.2)."""

LONGER: Final = {126: (2, 126), 127: (8, 1 << 16)}
"""How many bytes a longer length has, and the least that it may say."""

MOST = (1 << 63) - 1
MOST_OF_CONTROL = 125
MASK = 4


class FrameSplitter:
    """Cuts bytes of a client into frames, and frames that are not whole into fragments.

    :param most: bytes that a message may have.  A frame that goes beyond is not cut: only its
        head is handed on, by which it is refused.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._rest = b""
        """Bytes that were not handed on: a head, or a control frame, that is not whole."""
        self._left = 0
        """Bytes of a frame's payload that are still to come."""
        self._refused = False
        """Whether the frame is refused by its head, and the payload that comes is dropped."""
        self._first = 0
        """The first byte of the frame's next fragment, as if it were the last."""
        self._key = b""
        """The mask, turned to where the payload goes on."""
        self._size = 0
        """Bytes of the message as far as heads have announced them."""
        self.frames = 0
        """The client's frames of the message."""
        self.closed = False
        """Whether the client has sent a close."""

    @property
    def is_amid_frame(self) -> bool:
        """Whether a frame has begun to arrive, and its end is missing."""
        return bool(self._rest or self._left)

    def receive_data(self, data: bytes) -> Iterator[bytes]:
        """Take bytes; return frames one by one, each whole, with its head.

        :raises ProtocolError: a frame's length is not as it must be.
        """
        data, at = self._rest + data, 0
        self._rest = b""
        while at < len(data):
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                if fragment := self._cut(piece):
                    yield fragment
                continue
            found = _head(data, at)
            if found is None or self._is_awaited(data, at, *found):
                break
            start, size = found
            self._begin(data[at:start], size)
            piece = data[start : start + size]
            if self._refused:
                yield data[at:start]
                at = start
            elif len(piece) == size:
                self._left = 0
                yield data[at : start + size]
                at = start + size
            else:
                yield self._cut(piece)
                at = len(data)
        self._rest = data[at:]

    def _is_awaited(self, data: bytes, at: int, start: int, size: int) -> bool:
        """Tell whether a frame is a proper control frame, which is not cut, and not whole."""
        is_proper = data[at] & FIN and size <= MOST_OF_CONTROL
        return bool(data[at] & CONTROL and is_proper and start + size > len(data))

    def _begin(self, head: bytes, size: int) -> None:
        """Take in a frame's head."""
        opcode = head[0] & OPCODE
        self._first, self._key, self._left = head[0], head[-MASK:], size
        self.closed = self.closed or opcode == CLOSE
        self._refused = not head[1] & MASKED
        if opcode & CONTROL:
            return
        if opcode:
            self._size = self.frames = 0
        self._size += size
        self.frames += 1
        if self._most is not None and self._size > self._most:
            self._refused = True

    def _cut(self, piece: bytes) -> bytes:
        """Return a piece of the payload as a fragment; nothing if it is dropped."""
        size = len(piece)
        self._left -= size
        if self._refused:
            return b""
        first = self._first if not self._left else self._first & ~FIN
        fragment = bytes((first,)) + _masked_length(size) + self._key + piece
        turn = size % MASK
        self._key = self._key[turn:] + self._key[:turn]
        self._first &= FIN  # what follows is a continuation
        return fragment


def _head(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where a frame's payload starts, and its size; None if the head is not whole."""
    if len(data) < at + 2:
        return None
    size, start = data[at + 1] & LENGTH, at + 2
    longer, least = LONGER.get(size, (0, 0))
    start += longer
    if len(data) < start:
        return None
    if longer:
        size = int.from_bytes(data[at + 2 : start], "big")
    if not least <= size <= MOST:
        raise ProtocolError("invalid length")
    if not data[at + 1] & MASKED:
        return start, size
    return (start + MASK, size) if len(data) >= start + MASK else None


def _masked_length(size: int) -> bytes:
    """Return a size as a frame's second byte, with what follows it."""
    if size < 126:  # noqa: PLR2004 - the RFC's own steps
        return bytes((MASKED | size,))
    if size < 1 << 16:
        return bytes((MASKED | 126,)) + size.to_bytes(2, "big")
    return bytes((MASKED | 127,)) + size.to_bytes(8, "big")
