"""Answers compressed by gzip for clients that ask for it: whole ones, fixed ones, and streams.

A stream is flushed with each write, which has whole frames, so that nothing waits in the
compressor.  Its window is small: a reader costs `WINDOW`'s memory for as long as it reads.
"""

from __future__ import annotations

import gzip
import zlib
from functools import cached_property
from typing import Final, Protocol

from twisted.web.server import Request

from sxhost.slices import TimeSlicer

__all__ = ["FixedBody", "GzipStream", "compress_answer", "gzip_stream"]

LEAST: Final = 1024
"""Bytes below which an answer is sent as it is: it is one packet anyway."""

LEVEL: Final = 5

GZIP: Final = 16
"""Added to the bits of a window: the format of gzip, not zlib's own."""

PIECE: Final = 1 << 16
"""Bytes of an answer that are compressed before others have their turn: two milliseconds."""

WINDOW, MEMORY = 12, 5
"""Bits of a stream's window (4 KiB), and zlib's memory level: 32 KiB for each reader."""


def _accepts_gzip(request: Request) -> bool:
    """Tell whether a client takes gzip; at a quality of 0 it does not."""
    accepted = ",".join(request.requestHeaders.getRawHeaders("accept-encoding") or [])
    qualities = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        quality = parameter.strip().removeprefix("q=").strip()
        qualities[name.strip()] = quality not in ("0", "0.0", "0.00", "0.000")
    return qualities.get("gzip", qualities.get("*", False))


async def compress_answer(request: Request, body: bytes, slices: TimeSlicer | None) -> bytes:
    """Return a body as it is sent, and set the headers for that; a large one in `slices`.

    Only what a GET reads is compressed: an answer to anything else may have a secret that was
    just made, and its size would tell of it.
    """
    if request.method not in (b"GET", b"HEAD") or len(body) < LEAST:
        return body
    _add_vary(request)
    if not _accepts_gzip(request):
        return body
    request.setHeader("Content-Encoding", "gzip")
    compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP + zlib.MAX_WBITS)
    if slices is None:
        return compressor.compress(body) + compressor.flush()
    view = memoryview(body)
    pieces = ([compressor.compress(view[at : at + PIECE])] for at in range(0, len(body), PIECE))
    return b"".join([*await slices.gather(pieces), compressor.flush()])


class FixedBody:
    """A body that never changes: it is compressed once, as well as can be."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    @cached_property
    def _compressed(self) -> bytes:
        return gzip.compress(self._body, mtime=0)

    def encode(self, request: Request) -> bytes:
        """Return the body as it is sent, and set the header for that; `Vary` is set already."""
        if len(self._body) < LEAST or not _accepts_gzip(request):
            return self._body
        request.setHeader("Content-Encoding", "gzip")
        return self._compressed


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


class GzipStream:
    """Compresses what is written to a client, each write to its end; or passes it on."""

    __slots__ = ("_compressor",)

    def __init__(self, compressor: _Compressor | None) -> None:
        self._compressor = compressor

    def compress(self, data: bytes) -> bytes:
        """Return a write as it is sent."""
        if self._compressor is None:
            return data
        return self._compressor.compress(data) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """Return what ends the stream."""
        return b"" if self._compressor is None else self._compressor.flush()


AS_IT_IS: Final = GzipStream(None)
"""Passes on what is written to whoever takes no gzip."""


def gzip_stream(request: Request) -> GzipStream:
    """Return what compresses a stream for a client, and set the headers for it."""
    _add_vary(request)
    if not _accepts_gzip(request):
        return AS_IT_IS
    request.setHeader("Content-Encoding", "gzip")
    return GzipStream(zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP + WINDOW, MEMORY))


def _add_vary(request: Request) -> None:
    """Tell caches that the answer depends on what the client takes."""
    request.responseHeaders.addRawHeader("Vary", "Accept-Encoding")
