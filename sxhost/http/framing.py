"""Strict framing of requests, so that no proxy reads a request differently (smuggling).

What RFC 9112 forbids or leaves open is refused: a proxy that read it in another way could be
made to take half of one client's request for another client's.  Pure: bytes in, errors out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

from sxhost.errors import (
    BadFraming,
    ExpectationFailed,
    HeaderTooLarge,
    HostError,
    NotImplementedHere,
    URITooLong,
    VersionNotSupported,
)
from sxhost.model.limits import Limits

__all__ = ["EMPTY_LINES", "METHODS", "Chunks", "Head", "bare_newline", "options"]

METHODS: Final = frozenset(
    {b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"QUERY", b"TRACE"}
)
"""Methods that are known on any route; they are case-sensitive (RFC 9110, 9.1)."""

END_TO_END: Final = frozenset({
    "authorization", "content-length", "content-type", "cookie", "expect", "forwarded", "host",
    "last-event-id", "origin", "sec-fetch-mode", "sec-fetch-site", "transfer-encoding", "via",
    "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
})  # fmt: skip
"""Fields that decide here where a request ends, who asks or what is meant.  A proxy drops what
``Connection`` names: of a request that names one of these it would make another request."""

EMPTY_LINES: Final = 8
"""Empty lines that are skipped before a request; old clients send one."""

TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
REQUEST_LINE: Final = re.compile(
    rb"(?P<method>%s) (?P<target>[!-~]+) HTTP/(?P<version>[0-9]\.[0-9])" % TOKEN
)
FIELD: Final = re.compile(rb"(?P<name>%s):[\t ]*(?P<value>[^\x00-\x08\x0a-\x1f\x7f]*)" % TOKEN)
ABSOLUTE: Final = re.compile(rb"(?i)https?://(?P<authority>[^/?#]+)(?P<rest>[^#]*)")
CONTROL: Final = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])")
LENGTH: Final = re.compile(rb"[0-9]{1,18}")  # more digits overflow other programs' counters
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

END: Final = b"\r\n"

MAX_QUOTED: Final = 40
"""Bytes of a request that an error repeats."""


class Head:
    """The head of a request (request line and header fields), checked line by line.

    :raises HostError: from every method, at the first line that is refused.
    """

    def __init__(self, line: bytes, limits: Limits) -> None:
        self._limits = limits
        self._fields = 0
        self._size = 0
        self._kept: defaultdict[bytes, list[bytes]] = defaultdict(list)
        self._count_bytes(line)
        match = REQUEST_LINE.fullmatch(line)
        if match is None:
            if len(line) > limits.uri_size:
                raise URITooLong(limits.uri_size)
            raise BadFraming(f"This is no request line: {_quoted(line)!r}.")
        self.method = match["method"]
        self.target = match["target"]
        self.version = match["version"]
        self.authority: bytes | None = None
        self._check_line()

    @property
    def line(self) -> bytes:
        """The request line, with the target in origin form."""
        return b"%s %s HTTP/%s" % (self.method, self.target, self.version)

    def add(self, line: bytes) -> None:
        """Check a header line."""
        self._count_bytes(line)
        # Folding (RFC 9112, 5.2): some programs join the line to the one before, some do not.
        if line[0] in b"\t ":
            raise BadFraming("A line of the header begins with a space.")
        match = FIELD.fullmatch(line)
        if match is None:
            raise BadFraming(f"This is no line of a header: {_quoted(line)!r}.")
        self._fields += 1
        if self._fields > self._limits.header_fields:
            raise HeaderTooLarge(self._limits.header_fields, "fields")
        name, value = match["name"].lower(), match["value"].rstrip(b"\t ")
        if not value.isascii():
            _check_text(name, value)
        check = CHECKS.get(name)
        if check is not None:
            check(self, value)
            self._kept[name].append(value)

    def end(self) -> None:
        """Check the head as a whole, at the empty line that ends it."""
        hosts = self._kept[b"host"]
        if len(hosts) > 1:
            raise BadFraming(f"The request has {len(hosts)} Host headers.")
        if not hosts and self.version != b"1.0":
            raise BadFraming("The request has no Host header.")
        if hosts and not hosts[0]:
            raise BadFraming("The Host header is empty.")
        if self.authority is not None and [host.lower() for host in hosts] != [self.authority]:
            raise BadFraming("The request's target names another host than its Host header.")

    # The request line.

    def _check_line(self) -> None:
        if len(self.target) > self._limits.uri_size:
            raise URITooLong(self._limits.uri_size)
        if self.version not in (b"1.0", b"1.1"):
            raise VersionNotSupported(f"HTTP/{self.version.decode()}")
        if self.method not in METHODS:
            raise NotImplementedHere(f"No method here is called {_quoted(self.method)!r}.")
        self._check_target()

    def _check_target(self) -> None:
        """Read the target's origin form, or its absolute form, which becomes the former."""
        absolute = ABSOLUTE.fullmatch(self.target)
        if absolute:
            self.authority = absolute["authority"].lower()
            slash = b"" if absolute["rest"].startswith(b"/") else b"/"
            self.target = slash + absolute["rest"]
        if not self.target.startswith(b"/"):
            raise BadFraming("The request's target is no path; it begins with a slash.")
        path = self.target.partition(b"?")[0]
        # Percent-encoded, a NUL would pass as part of an id, and end it for a program in C.
        if CONTROL.search(path):
            raise BadFraming("The path has a control character in it.")
        if b"#" in self.target:
            raise BadFraming("The request's target has a fragment; that is for browsers.")

    # Fields that say where the request ends.  Two that disagree are how requests are smuggled;
    # two that agree are refused as well: which of them a proxy reads, and how, is unknown.

    def _check_length(self, value: bytes) -> None:
        if self._kept[b"content-length"]:
            raise BadFraming("The request has two Content-Length headers.")
        if self._kept[b"transfer-encoding"]:
            raise BadFraming("The request has both Transfer-Encoding and Content-Length.")
        if not LENGTH.fullmatch(value):
            raise BadFraming(f"This is no Content-Length: {_quoted(value)!r}.")

    def _check_coding(self, value: bytes) -> None:
        if self._kept[b"content-length"]:
            raise BadFraming("The request has both Content-Length and Transfer-Encoding.")
        if self._kept[b"transfer-encoding"]:
            raise BadFraming("The request has two Transfer-Encoding headers.")
        if self.version == b"1.0":  # a proxy of that version passes it on, and does not obey it
            raise BadFraming("HTTP/1.0 has no Transfer-Encoding.")
        if value.lower() != b"chunked":
            raise NotImplementedHere(
                f"The only transfer coding read here is 'chunked', not {_quoted(value)!r}."
            )

    def _check_expect(self, value: bytes) -> None:
        if value.lower() != b"100-continue":
            raise ExpectationFailed(_quoted(value))

    def _check_connection(self, value: bytes) -> None:
        named = END_TO_END.intersection(options([value]))
        if named:
            raise BadFraming(f"Connection names {min(named)!r}, which is for all who read it.")

    def _keep(self, value: bytes) -> None:
        """Only keep the field: it is checked at the end of the head."""

    def _count_bytes(self, line: bytes) -> None:
        self._size += len(line) + 2
        if self._size > self._limits.header_size:
            raise too_long(self._limits, first=self._size == len(line) + 2)


CHECKS: Final[dict[bytes, Callable[[Head, bytes], None]]] = {
    b"content-length": Head._check_length,
    b"transfer-encoding": Head._check_coding,
    b"expect": Head._check_expect,
    b"connection": Head._check_connection,
    b"host": Head._keep,
}


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
            raise BadFraming(f"This is no size of a chunk: {_quoted(line)!r}.")
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
            raise BadFraming(f"This is no trailer: {_quoted(line)!r}.")
        if not line:
            rest = bytes(self._buffer)
            self._buffer.clear()
            self._done(rest)
        return bool(line)


def bare_newline(data: bytes | bytearray) -> bool:
    """Return whether there is a line feed, or a carriage return that no line feed follows.

    `data` has no CRLF in it; a CR at its end may be half of one.
    """
    return b"\n" in data or b"\r" in data[:-1]


def options(values: Iterable[bytes]) -> frozenset[str]:
    """Return the lower-case members of a header that is a list, such as ``Connection``.

    `values` are those of all lines with that name: they are one list (RFC 9110, 5.3).
    """
    words = b",".join(values).decode("latin-1").lower().split(",")
    return frozenset(word.strip(" \t") for word in words)


def too_long(limits: Limits, *, first: bool) -> HostError:
    """Return the refusal of a line that is too long: the `first`, or one of the header."""
    if first:
        return URITooLong(limits.uri_size)
    return HeaderTooLarge(limits.header_size, "bytes")


def _check_text(name: bytes, value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError:
        raise BadFraming(f"The header {_quoted(name)} is not UTF-8.") from None


def _quoted(raw: bytes) -> str:
    """Return the beginning of a part of a request, to be written with `repr`."""
    return raw[:MAX_QUOTED].decode("latin-1")
