"""The access log's entry of a request: who asked for what, the outcome, and no secrets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from twisted.web.server import Request

from sxhost.http.request_context import RequestContext, context_of

__all__ = ["FORMAT", "entry"]

FORMAT: Final = '{peer} "{method} {uri}" {status} {size} {ms:.1f}ms {token} {request_id}'

LOGIN: Final = "/login/<code>"
"""The route of login links; their code is a secret until the link was used."""

LONGEST: Final = 512
"""Bytes of a header that are logged; the rest is cut."""


def entry(request: Request, ms: float) -> dict[str, Any]:
    """Return the log fields of a request that took `ms` milliseconds.

    All text in them is printable ASCII without double quotes.
    """
    context = context_of(request)
    return {
        "peer": getattr(request.getClientAddress(), "host", "unix"),
        "method": _printable(request.method),
        "uri": _uri_without_secrets(request.uri, context),
        "version": _printable(request.clientproto),
        "route": context.route,
        "status": request.code,
        "size": request.sentLength,
        "ms": round(ms, 3),
        # The host's own user needs no token; whoever has no rights has not been let in.
        "token": (context.caller.token or "own") if context.caller.scopes else "-",
        "request_id": context.request_id,
        "referer": _referer(_raw(request, b"referer")),
        "agent": _printable(_raw(request, b"user-agent") or b"-"),
    }


def _uri_without_secrets(uri: bytes, context: RequestContext) -> str:
    """Return path and query, without a login's code and without unknown parameters.

    Tokens do not belong into a query, but people put them there.
    """
    path, _, query = uri.partition(b"?")
    logged = _path(path, context.route)
    return f"{logged}?{_query(query, context.query_names)}" if query else logged


def _path(path: bytes, route: str) -> str:
    decoded = unquote_to_bytes(path).lower().lstrip(b"/")
    secret = route == LOGIN or decoded.startswith(b"login/")
    return LOGIN if secret else _printable(path)


def _query(query: bytes, known: Collection[str]) -> str:
    """Return the parameters that the route knows; dots stand for all others."""
    pairs = query.split(b"&")
    names = [pair.partition(b"=")[0].decode("latin-1") for pair in pairs]
    logged = [
        _printable(pair) for pair, name in zip(pairs, names, strict=True) if name in known
    ]
    return "&".join(logged if len(logged) == len(pairs) else [*logged, "..."])


def _referer(page: bytes) -> str:
    """Return the referring page, without its query."""
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
