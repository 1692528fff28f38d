"""Bytes to lines, however the bytes come: what NDJSON and the agents' protocols are made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["CutLines", "Line", "LineTooLong", "Lines"]


class LineTooLong(ValueError):
    """A line has more than `limit` bytes; nothing after it can be trusted."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line is longer than {limit} bytes")
        self.limit = limit


class Lines:
    """Splits bytes on LF alone: U+2028 is data, and so is a CR.

    `limit` is the most bytes that a line may have without its LF.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def receive_data(self, data: bytes) -> Iterator[bytes]:
        """Yield the lines that are whole now, without their LF; go through all of them.

        :raises LineTooLong: where the line would stand; the lines before it were yielded.
        """
        *whole, rest = data.split(b"\n")
        for piece in whole:
            self._hold(piece)
            yield self.flush()
        self._hold(rest)

    def flush(self) -> bytes:
        """Return what has come of an unfinished line (at the end of all data, the tail)."""
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line

    def _hold(self, piece: bytes) -> None:
        """Keep a piece of a line; its pieces are joined once, however many they are."""
        self._size += len(piece)
        if self._size > self._limit:
            self._parts = []
            raise LineTooLong(self._limit)
        if piece:
            self._parts.append(piece)


class Line(NamedTuple):
    """A line without its LF: as much of it as was kept, and the size of all in bytes."""

    data: bytes
    size: int


class CutLines:
    """Splits bytes on LF as `Lines` does, but goes on after a line that is too long.

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
