"""Strict framing of requests, so that no proxy reads a request differently (smuggling).

llhttp parses a head; what it lets pass, though RFC 9112 forbids it or leaves it open, is
refused here: a proxy that read it in another way could be made to take half of one client's
request for another client's.  Pure: bytes in, errors out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

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

__all__ = [
    "EMPTY_LINES",
    "END",
    "FIELD",
    "METHODS",
    "RequestHead",
    "bare_newline",
    "check_begun_head",
    "options",
    "quoted",
    "read_head",
    "request_line",
    "too_long",
]

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
TARGET: Final = re.compile(rb"/[!\"$-~]*")
"""A target in origin form: without a fragment."""
ABSOLUTE: Final = re.compile(rb"(?i)https?://(?P<authority>[^/?#]+)(?P<rest>[^#]*)")
VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
CONTROL: Final = re.compile(rb"%(?:[01][0-9A-Fa-f]|7[Ff])")
LENGTH: Final = re.compile(rb"[0-9]{1,18}")  # more digits overflow other programs' counters

END: Final = b"\r\n"

MAX_QUOTED: Final = 40
"""Bytes of a request that an error repeats."""


class RequestHead:
    """The head of a request: its line and its fields, as they were understood."""

    __slots__ = ("fields", "length", "method", "names", "path", "persists", "target", "version")

    def __init__(self, method: bytes, target: bytes, version: bytes) -> None:
        self.method = method
        self.target = target
        """Path and query."""
        self.path = target.partition(b"?")[0]
        self.version = version
        """``HTTP/1.1`` or ``HTTP/1.0``."""
        self.fields: Sequence[tuple[bytes, bytes]] = ()
        """Names in lower case, and values without the blanks around them."""
        self.names: frozenset[bytes] = frozenset()
        self.length: int | None = 0
        """Bytes of the body; None if it comes in chunks."""
        self.persists = True
        """Whether the connection may stay open after the answer."""

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of a field, one of each line that has it."""
        if name not in self.names:
            return []
        return [value for known, value in self.fields if known == name]

    def chosen(self, names: Collection[bytes]) -> tuple[tuple[bytes, bytes], ...]:
        """Return the fields of these names, in order."""
        return tuple(field for field in self.fields if field[0] in names)

    def has_any(self, names: frozenset[bytes]) -> bool:
        """Tell whether there is a field of one of these names."""
        return not names.isdisjoint(self.names)

    def header(self, name: bytes) -> str | None:
        """Return the last value of a field."""
        values = self.values(name)
        return values[-1].decode() if values else None


class _Collector:
    """What llhttp reports of a head."""

    __slots__ = ("fields", "is_whole", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.is_whole = False

    def on_url(self, target: bytes) -> None:
        self.target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_whole = True


def read_head(raw: bytes, limits: Limits) -> RequestHead:
    """Parse and check a head, which ends with the first empty line in it.

    :raises HostError: it is refused.
    """
    found, parser = _parsed(raw, limits)
    if not found.is_whole:
        _explain(raw, limits)
        raise BadFraming("The header of the request is malformed.")
    method, version = parser.get_method(), b"HTTP/" + parser.get_http_version().encode()
    if not raw.startswith(b"%s %s %s\r\n" % (method, found.target, version)):
        raise BadFraming("The request line has more blanks than two.")
    if len(found.target) > limits.uri_size:
        raise URITooLong(limits.uri_size)
    _check_words(method, version)
    target, authority = _origin_form(found.target)
    head = _head(method, target, version, found.fields)
    _check_fields(head)
    _check_host(head, authority)
    return head


def _head(
    method: bytes, target: bytes, version: bytes, fields: Iterable[tuple[bytes, bytes]]
) -> RequestHead:
    head = RequestHead(method, target, version)
    head.fields = [(name, value.strip(b"\t ")) for name, value in fields]
    head.names = frozenset(name for name, _ in head.fields)
    return head


def check_begun_head(raw: bytes, limits: Limits) -> None:
    """Check a head as far as it has come.

    :raises HostError: whatever follows, it is refused.
    """
    lines, end, rest = raw.rpartition(END)
    if len(raw) > limits.header_size:
        raise too_long(limits, first=not end)
    if bare_newline(rest):
        raise BadFraming("A line of the header has no proper end.")
    if end:
        _parsed(lines + end, limits)


def _parsed(raw: bytes, limits: Limits) -> tuple[_Collector, HttpRequestParser]:
    if len(raw) > limits.header_size:
        raise too_long(limits, first=raw.find(END) + 2 > limits.header_size)
    found = _Collector()
    parser = HttpRequestParser(found)
    try:
        parser.feed_data(raw)
    except HttpParserUpgrade:
        pass  # whether it is one is up to its route
    except HttpParserError as error:
        _explain(raw, limits)
        raise BadFraming(f"The header of the request is malformed: {error}.") from error
    if len(found.fields) > limits.header_fields:
        raise HeaderTooLarge(limits.header_fields, "fields")
    return found, parser


def _explain(raw: bytes, limits: Limits) -> None:
    """Look for the reason why a head is refused: llhttp, which refuses it, knows fewer.

    :raises HostError: it was found.
    """
    line, *lines = raw.split(END)
    match = REQUEST_LINE.fullmatch(line)
    if len(line if match is None else match["target"]) > limits.uri_size:
        raise URITooLong(limits.uri_size)
    if match is None:
        raise BadFraming(f"This is no request line: {quoted(line)!r}.")
    version = b"HTTP/" + match["version"]
    _check_words(match["method"], version)
    fields = []
    for line in filter(None, lines):
        field = FIELD.fullmatch(line)
        if field is None:
            raise BadFraming(f"This is no line of a header: {quoted(line)!r}.")
        fields.append((field["name"].lower(), field["value"]))
    _check_fields(_head(match["method"], match["target"], version, fields))


def _check_words(method: bytes, version: bytes) -> None:
    if version not in VERSIONS:
        raise VersionNotSupported(version.decode())
    if method not in METHODS:
        raise NotImplementedHere(f"No method here is called {quoted(method)!r}.")


def request_line(raw: bytes, limits: Limits) -> tuple[bytes, bytes] | None:
    """Return method and target of a head that is refused for its fields, not for its line."""
    match = REQUEST_LINE.fullmatch(raw.partition(END)[0])
    if match is None or len(match["target"]) > limits.uri_size:
        return None
    try:
        _check_words(match["method"], b"HTTP/" + match["version"])
        return match["method"], _origin_form(match["target"])[0]
    except HostError:
        return None


def _origin_form(target: bytes) -> tuple[bytes, bytes | None]:
    """Return path and query of a target, and the host that its absolute form names."""
    absolute, authority = ABSOLUTE.fullmatch(target), None
    if absolute:
        authority = absolute["authority"].lower()
        slash = b"" if absolute["rest"].startswith(b"/") else b"/"
        target = slash + absolute["rest"]
    if not TARGET.fullmatch(target):
        raise BadFraming("The request's target is no path, which begins with a slash.")
    # Percent-encoded, a NUL would pass as part of an id, and end it for a program in C.
    if b"%" in target and CONTROL.search(target.partition(b"?")[0]):
        raise BadFraming("The path has a control character in it.")
    return target, authority


def _check_fields(head: RequestHead) -> None:
    for name, value in head.fields:
        if not value.isascii():
            _check_text(name, value)
    _check_length(head)
    for value in head.values(b"expect"):
        if value.lower() != b"100-continue":
            raise ExpectationFailed(quoted(value))
    _check_connection(head)


def _check_host(head: RequestHead, authority: bytes | None) -> None:
    hosts = head.values(b"host")
    if len(hosts) > 1:
        raise BadFraming(f"The request has {len(hosts)} Host headers.")
    if not hosts and head.version != b"HTTP/1.0":
        raise BadFraming("The request has no Host header.")
    if hosts and not hosts[0]:
        raise BadFraming("The Host header is empty.")
    if authority is not None and [host.lower() for host in hosts] != [authority]:
        raise BadFraming("The request's target names another host than its Host header.")


def _check_length(head: RequestHead) -> None:
    """Check the fields that say where the request ends, and note what they say.

    Two that disagree are how requests are smuggled; two that agree are refused as well: which
    of them a proxy reads, and how, is unknown.
    """
    lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise BadFraming("The request says more than once how long it is.")
    for value in lengths:
        if not LENGTH.fullmatch(value):
            raise BadFraming(f"This is no Content-Length: {quoted(value)!r}.")
        head.length = int(value)
    for value in codings:
        if head.version == b"HTTP/1.0":  # a proxy passes it on, and does not obey it
            raise BadFraming("HTTP/1.0 has no Transfer-Encoding.")
        if value.lower() != b"chunked":
            raise NotImplementedHere(
                f"The only transfer coding read here is 'chunked', not {quoted(value)!r}."
            )
        head.length = None


def _check_connection(head: RequestHead) -> None:
    named = options(head.values(b"connection"))
    joined = END_TO_END.intersection(named)
    if joined:
        raise BadFraming(f"Connection names {min(joined)!r}, which is for all who read it.")
    # Twisted takes `close, x` for one option, and reads the first such field alone.
    head.persists = head.version == b"HTTP/1.1" and "close" not in named


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
        raise BadFraming(f"The header {quoted(name)} is not UTF-8.") from None


def quoted(raw: bytes) -> str:
    """Return the beginning of a part of a request, to be written with `repr`."""
    return raw[:MAX_QUOTED].decode("latin-1")
