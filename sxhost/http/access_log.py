"""What the log says of a request: who asked for what, how it went; and nothing secret."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from twisted.web.server import Request

from sxhost.model.caller import Caller

__all__ = ["FORMAT", "entry"]

FORMAT: Final = '{peer} "{method} {uri}" {status} {size} {ms:.1f}ms {token} {request_id}'

LOGIN: Final = "/login/<code>"
LONGEST: Final = 512
"""Bytes of a header that are logged."""


def entry(request: Request, ms: float) -> dict[str, Any]:
    """Return the fields of a request that took so many milliseconds.

    All text in them is printable ASCII without double quotes.
    """
    return {
        "peer": getattr(request.getClientAddress(), "host", "unix"),
        "method": _printable(request.method),
        "uri": _uri(request),
        "version": _printable(request.clientproto),
        "route": getattr(request, "route", ""),
        "status": request.code,
        "size": request.sentLength,
        "ms": round(ms, 3),
        "token": _who(getattr(request, "caller", None)),
        "request_id": getattr(request, "request_id", "-"),
        "referer": _referer(_raw(request, b"referer")),
        "agent": _printable(_raw(request, b"user-agent") or b"-"),
    }


def _who(caller: Caller | None) -> str:
    """Return the id of the token that was shown; ``own``: the host's user needed none."""
    if caller is None or not caller.scopes:
        return "-"
    return caller.token or "own"


def _uri(request: Request) -> str:
    """Return path and query, without the code of a login and what nobody asked for.

    Tokens do not belong into a query, but that does not keep people from putting them there.
    """
    path, _, query = request.uri.partition(b"?")
    told = _path(path, getattr(request, "route", ""))
    known: Collection[str] = getattr(request, "query_names", ())
    return f"{told}?{_query(query, known)}" if query else told


def _path(path: bytes, route: str) -> str:
    decoded = unquote_to_bytes(path).lower().lstrip(b"/")
    secret = route == LOGIN or decoded.startswith(b"login/")
    return LOGIN if secret else _printable(path)


def _query(query: bytes, known: Collection[str]) -> str:
    """Return the parameters that the route knows; dots stand for all others."""
    pairs = query.split(b"&")
    names = [pair.partition(b"=")[0].decode("latin-1") for pair in pairs]
    told = [_printable(pair) for pair, name in zip(pairs, names, strict=True) if name in known]
    return "&".join(told if len(told) == len(pairs) else [*told, "..."])


def _referer(page: bytes) -> str:
    """Return the page that led here, without its query."""
    try:
        parts = urlsplit(page)
        host = parts.hostname
    except ValueError:
        return "-"
    if not host:
        return "-"
    return f"{_printable(parts.scheme)}://{_printable(host)}{_path(parts.path, '')}"


def _raw(request: Request, name: bytes) -> bytes:
    """Return a header's beginning as it came: it need not be UTF-8."""
    values: Sequence[bytes] = request.requestHeaders.getRawHeaders(name) or [b""]
    return values[0][:LONGEST]


def _printable(raw: bytes) -> str:
    """Escape what could forge a line of the log or drive a terminal."""
    text = raw.decode("latin-1").replace('"', "%22")
    return text.encode("unicode_escape").decode("ascii")
