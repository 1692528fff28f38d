"""The gate in front of every route, stream and upgrade: who asks, and from which page.

It looks at a request's head, before its body is read and before it is routed.  A browser is
stopped by the names in Host and Origin, another user of this machine by the kernel's word
on whose socket it is, everyone else by the token that they do not have.  A cookie is none: it
counts together with that word, or with what its page has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from sxhost.errors import BadRequest, ForbiddenHost, ForbiddenOrigin, RateLimited, Unauthorized
from sxhost.localnet import LOOPBACK_NAMES
from sxhost.model.caller import HOST, Caller
from sxhost.ratelimit import SlidingWindows

__all__ = ["PROTOCOL", "Authenticator", "Policy", "cookie_name", "login_attempts"]

FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers of a proxy: the socket is its own, and not that of whoever asks."""

USUAL_PORTS: Final = frozenset({80, 443})
NAME_AND_PORT: Final = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:(?P<port>[0-9]{1,5}))?\Z"
)
PAGE: Final = "sxhost-page"
"""The header in which a page shows what it has; pages cannot set any for a WebSocket."""

PROTOCOL: Final = "sxhost"
"""The WebSocket's protocol that a page asks for beside ``sxhost-page.SECRET``."""

PAGE_PROTOCOL: Final = re.compile(rf"(?:^|,)[ \t]*{PAGE}\.([\w-]+)")

PREFLIGHT_S: Final = b"600"
"""Seconds for which a browser may remember what it may send."""

Check = Callable[[str], Caller | None]
"""Returns whom a token lets in."""

CheckBrowser = Callable[[str, str | None], Caller | None]
"""Returns whom a cookie lets in with what its page has; None: the kernel vouches for it."""


class Policy(Struct, frozen=True, kw_only=True):
    """Whom the command line lets in."""

    hosts: frozenset[str] = frozenset()
    """Names (``name`` or ``name:port``) that this host has besides its own."""
    origins: frozenset[str] = frozenset()
    """Pages from elsewhere that may ask, as browsers write them: ``https://name:port``."""
    tokens: Literal["others", "all", "none"] = "others"
    """Who needs a token: all but the host's own user, everyone, or nobody."""


class Authenticator:
    """Lets requests in, or says why not.

    `check` knows the tokens, `check_browser` the cookies, `opens` the paths that are open to
    all, `asks` those of them that want to know who comes; `uid` is the host's.
    """

    def __init__(
        self,
        policy: Policy,
        check: Check,
        opens: Callable[[str], object],
        uid: int,
        attempts: SlidingWindows,
        *,
        check_browser: CheckBrowser = lambda _cookie, _page: None,
        asks: Callable[[str], object] = lambda _path: None,
    ) -> None:
        self._policy = policy
        self._opens = opens
        self._asks = asks
        self._check = check
        self._check_browser = check_browser
        self._uid = uid
        self._attempts = attempts

    def admit(self, request: Request, uid: int | None) -> Caller:
        """Return who asks; `uid` is the user at the other end, if that is known.

        :raises HostError: nobody who may.
        """
        unix = not hasattr(request.getHost(), "port")
        self._check_names(request, unix=unix)
        peer = "unix" if unix else request.getClientAddress().host
        path = request.path.decode("latin-1")
        is_open, stranger = self._opens(path), Caller(frozenset(), uid=uid, peer=peer)
        if is_open and not self._asks(path):
            return stranger
        try:
            found = self._identify(request, uid, f"{peer} {uid}")
        except (Unauthorized, RateLimited):
            if is_open:
                return stranger
            raise
        return replace(found, uid=uid, peer=peer)

    def preflight(self, request: Request) -> bool:
        """Answer a browser that asks what a page may send, if the page may send anything."""
        origin = request.getHeader("origin") or ""
        if request.method != b"OPTIONS" or origin not in self._policy.origins:
            return False
        self._allow(request, origin)
        request.setHeader(b"Access-Control-Allow-Methods", b"GET, POST, DELETE")
        request.setHeader(
            b"Access-Control-Allow-Headers", b"Authorization, Content-Type, Last-Event-ID"
        )
        request.setHeader(b"Access-Control-Max-Age", PREFLIGHT_S)
        request.setResponseCode(204)
        return True

    # Names.

    def _check_names(self, request: Request, *, unix: bool) -> None:
        """Check what a browser says of the page that asks, and of whom it thinks it asks."""
        host = _only(request, "host")
        if host is None and request.clientproto != b"HTTP/1.0":
            raise BadRequest("The request has no Host header.")
        if host is not None and not unix and not self._is_ours(request, host):
            raise ForbiddenHost(host)
        self._check_origin(request, host or "")

    def _is_ours(self, request: Request, host: str) -> bool:
        name, port = _split(host)
        here = request.getHost()
        if host in self._policy.hosts or name in self._policy.hosts:
            return True
        right = port == here.port if port is not None else here.port in USUAL_PORTS
        return right and name.strip("[]") in {*LOOPBACK_NAMES, here.host}

    def _check_origin(self, request: Request, host: str) -> None:
        origin = _only(request, "origin")
        if origin is not None:
            if origin in self._policy.origins:
                self._allow(request, origin)
            elif not host or origin.partition("://")[2] != host:
                raise ForbiddenOrigin(origin)
        elif request.getHeader("sec-fetch-site") in ("cross-site", "same-site"):
            entering = request.path == b"/" and request.method == b"GET"
            if not (entering and request.getHeader("sec-fetch-mode") == "navigate"):
                raise ForbiddenOrigin(request.getHeader("referer") or "another site")

    def _allow(self, request: Request, origin: str) -> None:
        request.setHeader("Access-Control-Allow-Origin", origin)
        request.setHeader("Vary", "Origin")

    # Tokens.

    def _identify(self, request: Request, uid: int | None, peer: str) -> Caller:
        """Find out who asks; a token that is shown counts, whoever shows it."""
        own = uid is not None and uid == self._uid and not _forwarded(request)
        token = _token(request)
        free = own and token is None and self._policy.tokens == "others"
        if free or self._policy.tokens == "none":
            return HOST
        if token is None:
            return self._identify_browser(request, own=own)
        found = self._check(token)
        if found is None:
            wait = self._attempts.take(peer)
            if wait:
                raise RateLimited(
                    f"{self._attempts.limit} wrong tokens came from here", int(wait) + 1
                )
            raise Unauthorized("This token is not known, or has expired.")
        return found

    def _identify_browser(self, request: Request, *, own: bool) -> Caller:
        """Find out which browser asks; a stale cookie is no guess, and not counted as one."""
        cookie = request.getCookie(cookie_name(request))
        if cookie is None:
            raise Unauthorized("Nobody is known to ask.")
        page = None if own else _page(request)
        found = self._check_browser(cookie.decode("latin-1"), page)
        if found is None:
            raise Unauthorized("This login has ended, or is not this page's.")
        return found


def login_attempts(clock: IReactorTime, limit: int) -> SlidingWindows:
    """Return what counts wrong tokens by who shows them: `limit` in any minute.

    Behind a proxy all are one peer, so whoever has a right token is never refused for it.
    """
    return SlidingWindows(clock.seconds, limit, 60.0)


def cookie_name(request: Request) -> bytes:
    """Return the name of the login's cookie: browsers do not keep ports apart."""
    return b"sxhost-%d" % getattr(request.getHost(), "port", 0)


def _token(request: Request) -> str | None:
    """Return the token in a request's header."""
    given = _only(request, "authorization")
    scheme, _, token = (given or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else given


def _page(request: Request) -> str:
    """Return what a page shows besides its cookie: in a header, or as a protocol."""
    offered = PAGE_PROTOCOL.search(request.getHeader("sec-websocket-protocol") or "")
    return _only(request, PAGE) or (offered[1] if offered else "")


def _forwarded(request: Request) -> bool:
    return any(request.requestHeaders.hasHeader(name) for name in FORWARDED)


def _only(request: Request, name: str) -> str | None:
    """Return a header that may stand there once.

    :raises BadRequest: it stands there more often.
    """
    values = request.requestHeaders.getRawHeaders(name) or []
    if len(values) > 1:
        raise BadRequest(f"The request has {len(values)} {name.title()} headers.")
    return values[0] if values else None


def _split(host: str) -> tuple[str, int | None]:
    """Split ``name:port``; a port that is none makes a name that nobody has."""
    found = NAME_AND_PORT.match(host)
    if found is None:
        return "", None
    return found["name"].lower(), int(found["port"]) if found["port"] else None
