"""The access log's entry of a request: who asked for what, the outcome, and no secrets."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import unquote_to_bytes, urlsplit

from msgspec import Struct
from msgspec.structs import asdict, replace
from twisted.web.server import Request

from sxhost.http.framing import RequestHead
from sxhost.http.readiness import PROBES
from sxhost.http.request_context import context_of
from sxhost.http.routes import Route
from sxhost.logs import is_enabled, logger
from sxhost.model.caller import Caller
from sxhost.visible import without_secrets

__all__ = ["FORMAT", "NAMESPACE", "AccessEntry", "AccessLog", "entry", "is_logged", "publish"]

NAMESPACE: Final = "sxhost.http.site"
"""Where entries come from, in the words of the log."""

log = logger(NAMESPACE)

FORMAT: Final = '{peer} "{method} {uri}" {status} {size} {ms:.1f}ms {token} {request_id}'

LOGIN: Final = "/login/<code>"
"""The route of login links; their code is a secret until the link was used."""

REMEMBERED: Final = 512
"""Paths and names of programs whose escaped form is remembered: a megabyte at the most."""

SHORT: Final = 256
"""Bytes of a path and query that are remembered."""

LONGEST: Final = 512
"""Bytes of a header that are logged; the rest is cut."""


class AccessEntry(Struct, frozen=True):
    """What the log says of an answered request: printable ASCII without double quotes."""

    peer: str
    method: str
    uri: str
    version: str
    route: str
    status: int
    size: int
    ms: float
    token: str
    request_id: str
    referer: str
    agent: str

    def of(self, size: int, ms: float, request_id: str) -> AccessEntry:
        """Return the entry of another request that differs in these alone."""
        return replace(self, size=size, ms=round(ms, 3), request_id=request_id)

    def fields(self) -> dict[str, object]:
        """Return its fields as those of an event."""
        return asdict(self)

    @property
    def level(self) -> Literal["debug", "info"]:
        """How much it matters: probes are logged for debugging only."""
        return "debug" if self.route in PROBES else "info"

    @property
    def message(self) -> str:
        """The entry in a line, as `FORMAT` has it."""
        return (
            f'{self.peer} "{self.method} {self.uri}" {self.status} {self.size}'
            f" {self.ms:.1f}ms {self.token} {self.request_id}"
        )


AccessLog = Callable[[AccessEntry], None]
"""Takes the entry of each answered request."""


def publish(entry: AccessEntry) -> None:
    """Log an entry as an event, for whatever observes the log."""
    getattr(log, entry.level)(FORMAT, access=True, **entry.fields())


def is_logged(route: str) -> bool:
    """Tell whether requests to a route are logged at all, before an entry is made."""
    return is_enabled("debug" if route in PROBES else "info")


def entry(request: Request, ms: float) -> AccessEntry:
    """Return the entry of a request that took `ms` milliseconds."""
    context = context_of(request)
    return AccessEntry(
        peer=getattr(request.getClientAddress(), "host", "unix"),
        method=_printable(request.method),
        uri=_uri(request.uri, context.route, context.query_names),
        version=_printable(request.clientproto),
        route=context.route,
        status=request.code,
        size=request.sentLength,
        ms=round(ms, 3),
        token=_token(context.caller),
        request_id=context.request_id,
        referer=_referer(_raw(request, b"referer")),
        agent=_printable(_raw(request, b"user-agent") or b"-"),
    )


def entry_of_head(head: RequestHead, peer: str, caller: Caller, route: Route) -> AccessEntry:
    """Return what `entry` says of a request that a route answers, before that is done."""
    referers, agents = head.values(b"referer"), head.values(b"user-agent")
    return AccessEntry(
        peer=peer,
        method=_printable(head.method),
        uri=_uri(head.target, route.path, route.query_names),
        version=_printable(head.version),
        route=route.path,
        status=route.status,
        size=0,
        ms=0.0,
        token=_token(caller),
        request_id="",
        referer=_referer(referers[0][:LONGEST] if referers else b""),
        agent=_printable((agents[0][:LONGEST] if agents else b"") or b"-"),
    )


def _token(caller: Caller) -> str:
    """Return who asks: the host's own user needs no token, others have not been let in."""
    return (caller.token or "own") if caller.scopes else "-"


# A client says the same again and again; what it says is escaped once.


def _uri(uri: bytes, route: str, known: frozenset[str]) -> str:
    return (_short_uri if len(uri) <= SHORT else _any_uri)(uri, route, known)


def _any_uri(uri: bytes, route: str, known: frozenset[str]) -> str:
    """Return path and query, without a login's code and without unknown parameters.

    Tokens do not belong into a query, but people put them there.
    """
    path, _, query = uri.partition(b"?")
    logged = _path(path, route)
    return f"{logged}?{_query(query, known)}" if query else logged


_short_uri = lru_cache(maxsize=REMEMBERED)(_any_uri)


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


@lru_cache(maxsize=REMEMBERED)
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


LOGGED_FIELDS: Final = (b"referer", b"user-agent")
"""The fields of a request's head that its entry has."""


def _raw(request: Request, name: bytes) -> bytes:
    """Return a header's beginning as it came: it need not be UTF-8."""
    values: Sequence[bytes] = request.requestHeaders.getRawHeaders(name) or [b""]
    return values[0][:LONGEST]


@lru_cache(maxsize=REMEMBERED)
def _printable(raw: bytes) -> str:
    """Escape what could forge a line of the log or drive a terminal."""
    text = without_secrets(raw.decode("latin-1")).replace('"', "%22")
    return text.encode("unicode_escape").decode("ascii")
