"""Splits a stream of bytes into lines: for NDJSON and the agents' protocols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["CutLines", "Line", "LineSplitter", "LineTooLong", "LongLine", "LongLineSplitter"]


class LineTooLong(ValueError):
    """A line has more than `limit` bytes; where the next one begins is unknown."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line is longer than {limit} bytes")
        self.limit = limit


class LineSplitter:
    """A line splitter, fed with chunks: on LF alone, since U+2028 and CR are data.

    `limit` is the number of bytes that a line may have without its LF.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def receive_data(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that `data` completes, without their LF.  Exhaust the iterator.

        :raises LineTooLong: in place of the line; the lines before it were yielded.
        """
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._hold(piece)
            yield self.flush()
        self._hold(rest)

    def flush(self) -> bytes:
        """Return the unfinished line, such as a last one without LF, and forget it."""
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line

    def _hold(self, piece: bytes) -> None:
        """Add a piece to the unfinished line; pieces are joined once, in linear time."""
        self._size += len(piece)
        if self._size > self._limit:
            self._parts = []
            raise LineTooLong(self._limit)
        if piece:
            self._parts.append(piece)


class LongLine(NamedTuple):
    """A line that is longer than its limit: its beginning, its end, and the size of all."""

    head: bytes
    tail: bytes
    size: int


class LongLineSplitter:
    """A line splitter that goes on after a line that is too long, and keeps both its ends.

    A line is whole up to `limit` bytes; of a longer one `kept` bytes of either end are kept, up
    to `most` bytes.
    """

    def __init__(self, limit: int, most: int, kept: int = 1024 * 1024) -> None:
        self._limit, self._most, self._kept = limit, most, min(kept, limit // 2)
        self._parts: list[bytes] = []
        self._size = 0
        self._head: bytes | None = None
        self._tail = b""

    def receive_data(self, data: bytes) -> Iterator[bytes | LongLine]:
        """Yield the lines that `data` completes, without their LF.  Exhaust the iterator.

        :raises LineTooLong: a line has more than `most` bytes.
        """
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._hold(piece)
            yield self._flush()
        self._hold(rest)

    @property
    def has_begun(self) -> bool:
        """Whether there is an unfinished line, such as a last one without LF."""
        return self._size > 0

    def _flush(self) -> bytes | LongLine:
        if self._head is None:
            line: bytes | LongLine = b"".join(self._parts)
        else:
            line = LongLine(self._head, self._tail[-self._kept :], self._size)
        self._parts, self._size, self._head, self._tail = [], 0, None, b""
        return line

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._most:
            self._flush()
            raise LineTooLong(self._most)
        if self._head is not None:
            self._tail += piece
            if len(self._tail) > 2 * self._kept:
                self._tail = self._tail[-self._kept :]
        elif piece:
            self._parts.append(piece)
            if self._size > self._limit:
                whole = b"".join(self._parts)
                self._parts = []
                self._head, self._tail = whole[: self._kept], whole[-self._kept :]


class Line(NamedTuple):
    """A line without its LF: as much of it as was kept, and the size of all in bytes."""

    data: bytes
    size: int


class CutLines:
    """Splits bytes on LF as `LineSplitter` does, but goes on after a line that is too long.

    `limit` is the most bytes of a line that are kept; the rest is only counted.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def receive_data(self, data: bytes) -> Iterator[Line]:
        """Yield the lines that are whole now; go through all of them."""
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._hold(piece)
            yield self.flush()
        self._hold(rest)

    def flush(self) -> Line:
        """Return what has come of an unfinished line (at the end of all data, the tail)."""
        line = Line(b"".join(self._parts), self._size)
        self._parts, self._size = [], 0
        return line

    def _hold(self, piece: bytes) -> None:
        kept = piece[: max(0, self._limit - self._size)]
        self._size += len(piece)
        if kept:
            self._parts.append(kept)
