"""Chunked bodies, decoded strictly and within bounds.

llhttp could decode them, but does not tell where a body ends and the next request begins, nor
how much of it was framing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from sxhost.errors import BadFraming
from sxhost.http.framing import END, FIELD, bare_newline, quoted

__all__ = ["Chunks"]

SIZE_LINE: Final = re.compile(rb"(?P<size>[0-9A-Fa-f]{1,16})(?:[\t ]*;[\t -~\x80-\xff]*)?")

# The bounds of a chunked body.  Without the second and third a client could send megabytes of
# extensions, or each byte in a chunk of its own with 250 more of extensions, and stay below
# every limit of a body's size.

LINE_LENGTH: Final = 256
"""Bytes of a chunk's size line, or of a trailer; extensions and trailers are rare."""

OVERHEAD: Final = 64 * 1024
"""Bytes of a chunked body that may be framing, besides `DILUTION` for each byte of data."""

DILUTION: Final = 16
"""Bytes of framing for a byte of data: enough for chunks of one byte."""

MAX_SIZE_BITS: Final = 60
"""Bits of a chunk's size: larger ones overflow other programs' counters."""


class Chunks:
    """Decoder of a chunked body: calls `deliver` with data, `done` with what follows the body.

    :raises BadFraming: it is malformed, or nearly all of it is framing.
    """

    def __init__(
        self, deliver: Callable[[bytes], object], done: Callable[[bytes], object]
    ) -> None:
        self._deliver = deliver
        self._done = done
        self._read: Callable[[], bool] = self._read_size
        self._buffer = bytearray()
        self._left = 0
        self._framing_bytes = -OVERHEAD

    def dataReceived(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._buffer += data
        while self._read():
            pass

    def noMoreData(self) -> None:
        """Do nothing: the connection is lost, which the channel handles."""

    def _line(self, longest: int) -> bytes | None:
        """Remove a line of at most `longest` bytes; return None if it is not complete."""
        line, end, _ = self._buffer[: longest + 2].partition(END)
        if not end:
            if len(self._buffer) > longest + 1:
                raise BadFraming(f"A line in the chunked body is longer than {longest} bytes.")
            if bare_newline(line):
                raise BadFraming("A line in the chunked body has no proper end.")
            return None
        self._remove_framing(len(line) + 2)
        return bytes(line)

    def _remove_framing(self, size: int) -> None:
        """Remove `size` bytes of framing from the buffer, and count them."""
        del self._buffer[:size]
        self._framing_bytes += size
        if self._framing_bytes > 0:
            raise BadFraming("Nearly nothing of the chunked body is data.")

    def _read_size(self) -> bool:
        line = self._line(LINE_LENGTH)
        if line is None:
            return False
        match = SIZE_LINE.fullmatch(line)
        if match is None:
            raise BadFraming(f"This is no size of a chunk: {quoted(line)!r}.")
        self._left = int(match["size"], 16)
        if self._left.bit_length() > MAX_SIZE_BITS:
            raise BadFraming(f"No chunk has a size of {self._left} bytes.")
        self._read = self._read_data if self._left else self._read_trailer
        return True

    def _read_data(self) -> bool:
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: self._left]
        self._left -= len(piece)
        self._framing_bytes -= DILUTION * len(piece)
        if piece:
            self._deliver(piece)
        if not self._left:
            self._read = self._read_end
        return not self._left

    def _read_end(self) -> bool:
        """Read the line end behind a chunk's data."""
        end = bytes(self._buffer[:2])
        if not END.startswith(end):
            raise BadFraming("A chunk is longer than its size.")
        if end == END:
            self._remove_framing(2)
            self._read = self._read_size
        return end == END

    def _read_trailer(self) -> bool:
        """Skip a trailer; the empty line ends the body."""
        line = self._line(LINE_LENGTH)
        if line is None:
            return False
        if line and not FIELD.fullmatch(line):
            raise BadFraming(f"This is no trailer: {quoted(line)!r}.")
        if not line:
            rest = bytes(self._buffer)
            self._buffer.clear()
            self._done(rest)
        return bool(line)
