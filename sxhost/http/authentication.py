"""Authentication in front of every route, stream and upgrade: who asks, and from which page.

Only a request's head is read, before its body and before it is routed.  Pages of other sites
are refused by the names in Host and Origin (CSRF, DNS rebinding), other users of this machine
by their sockets' uid, which the kernel knows, everyone else by the token that they lack.  A
cookie alone is not enough, since browsers send it to every port: it counts together with that
uid, or with the secret of its page.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from pwd import getpwuid
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IReactorTime
from twisted.web.server import Request

from sxhost.auth.peer_credentials import is_local
from sxhost.errors import BadRequest, ForbiddenHost, ForbiddenOrigin, RateLimited, Unauthorized
from sxhost.localnet import LOOPBACK_NAMES, is_loopback, parse_address
from sxhost.model.caller import HOST, Caller
from sxhost.ratelimit import SlidingWindows

__all__ = [
    "PROTOCOL",
    "AccessPolicy",
    "Authenticator",
    "cookie_name",
    "is_forwarded",
    "login_attempts",
]

FORWARDED: Final = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers of a proxy: the socket, and its uid, are the proxy's and not the client's."""

USUAL_PORTS: Final = frozenset({80, 443})
"""Ports that clients leave out of ``Host``."""

NAME_AND_PORT: Final = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:(?P<port>[0-9]{1,5}))?\Z"
)
PAGE: Final = "sxhost-page"
"""The header with a page's secret; a subprotocol for WebSockets: they have no headers."""

PROTOCOL: Final = "sxhost"
"""The WebSocket subprotocol that a page offers beside ``sxhost-page.SECRET``."""

PAGE_PROTOCOL: Final = re.compile(rf"(?:^|,)[ \t]*{PAGE}\.([\w-]+)")

PREFLIGHT_S: Final = b"600"
"""Seconds for which a browser may cache the answer to a preflight request."""

Check = Callable[[str], Caller | None]
"""Returns the caller that a token identifies."""

CheckBrowser = Callable[[str, str | None], Caller | None]
"""Returns the caller of a cookie and its page's secret (None: the socket's uid is enough)."""


class AccessPolicy(Struct, frozen=True, kw_only=True):
    """Who may connect, as the options say."""

    hosts: frozenset[str] = frozenset()
    """Further names of this host: ``name`` or ``name:port``."""
    origins: frozenset[str] = frozenset()
    """Origins of other sites whose pages may ask: ``https://name:port``."""
    tokens: Literal["others", "all", "none"] = "others"
    """Who needs a token: all but the host's own user, everyone, or nobody."""


class Authenticator:
    """Identifies the caller of each request, or refuses it.

    `check` looks up tokens, `check_browser` cookies; `opens` tells whether a path is open to
    all, `asks` whether callers of an open path are identified all the same; `uid` is that of
    the host's user; `attempts` limits wrong tokens; `token_file` is where the host's own is.
    """

    def __init__(
        self,
        policy: AccessPolicy,
        check: Check,
        opens: Callable[[str], object],
        uid: int,
        attempts: SlidingWindows,
        *,
        check_browser: CheckBrowser = lambda _cookie, _page: None,
        asks: Callable[[str], object] = lambda _path: None,
        token_file: str = "",
    ) -> None:
        self._policy = policy
        self._opens = opens
        self._asks = asks
        self._check = check
        self._check_browser = check_browser
        self._uid = uid
        self._attempts = attempts
        self._token_file = token_file

    def admit(self, request: Request, uid: int | None) -> Caller:
        """Return the caller of a request; `uid` is the peer's, if the kernel knows it.

        :raises HostError: the request is refused.
        """
        unix = not hasattr(request.getHost(), "port")
        self._check_names(request, unix=unix)
        peer = "unix" if unix else request.getClientAddress().host
        path = request.path.decode("latin-1")
        is_open, anonymous = self._opens(path), Caller(frozenset(), uid=uid, peer=peer)
        if is_open and not self._asks(path):
            return anonymous
        try:
            found = self._identify(request, uid, f"{peer} {uid}")
        except (Unauthorized, RateLimited):
            if is_open:
                return anonymous
            raise
        return replace(found, uid=uid, peer=peer)

    def preflight(self, request: Request) -> bool:
        """Answer a CORS preflight request of a permitted origin; return whether it is one."""
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
        """Check the names that a browser sends: of this host, and of the page that asks."""
        host = _single_header(request, "host")
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
        if is_loopback(name.strip("[]")) and is_local(request.getClientAddress()):
            # At whatever port: a tunnel (ssh -L) has one of its own.  To rebind DNS, a page
            # needs a name that is resolved; those of loopback are not.
            return True
        port_matches = port == here.port if port is not None else here.port in USUAL_PORTS
        bare = name.strip("[]")
        return port_matches and (bare in LOOPBACK_NAMES or _is_address(bare, here.host))

    def _check_origin(self, request: Request, host: str) -> None:
        origin = _single_header(request, "origin")
        if origin is not None:
            if origin in self._policy.origins:
                self._allow(request, origin)
            elif not host or origin.partition("://")[2] != host:
                raise ForbiddenOrigin(origin)
        # Most GETs have no Origin.  Sec-Fetch-Site helps, but never alone: browsers send it to
        # https: and loopback only, so a page whose name was rebound to us sends neither.
        elif request.getHeader("sec-fetch-site") in ("cross-site", "same-site"):
            entering = request.path == b"/" and request.method == b"GET"
            # A link to the dashboard, on whatever page or in a mail, may be followed.
            if not (entering and request.getHeader("sec-fetch-mode") == "navigate"):
                raise ForbiddenOrigin(request.getHeader("referer") or "another site")

    def _allow(self, request: Request, origin: str) -> None:
        request.setHeader("Access-Control-Allow-Origin", origin)
        request.setHeader("Vary", "Origin")

    # Tokens.

    def _identify(self, request: Request, uid: int | None, peer: str) -> Caller:
        """Return the caller; a token takes precedence, even for the host's own user."""
        is_host_user = uid is not None and uid == self._uid and not is_forwarded(request)
        token = _bearer_token(request)
        is_trusted = is_host_user and token is None and self._policy.tokens == "others"
        if is_trusted or self._policy.tokens == "none":
            return HOST
        if token is None:
            return self._identify_browser(request, is_host_user=is_host_user)
        found = self._check(token)
        if found is None:
            wait = self._attempts.take(peer)
            if wait:
                raise RateLimited(
                    f"{self._attempts.limit} wrong tokens came from here", int(wait) + 1
                )
            raise self._refusal(
                request, "The token that came is not known to this host, or has expired."
            )
        return found

    def _identify_browser(self, request: Request, *, is_host_user: bool) -> Caller:
        """Return the caller of a login's cookie; a stale one is not counted as an attempt."""
        cookie = request.getCookie(cookie_name(request))
        if cookie is None:
            why = (
                "and this host asks everyone for one"
                if is_host_user
                else "and is not known to come from the host's own user"
            )
            raise self._refusal(request, f"The request has no token, {why}.")
        page = None if is_host_user else _page_secret(request)
        found = self._check_browser(cookie.decode("latin-1"), page)
        if found is None:
            raise Unauthorized("This login has ended, or is not this page's.")
        return found

    def _refusal(self, request: Request, why: str) -> Unauthorized:
        """Return what a caller without a valid token is told: on this machine, where one is."""
        unix = not hasattr(request.getHost(), "port")
        if not unix and (is_forwarded(request) or not is_local(request.getClientAddress())):
            return Unauthorized(why)
        return Unauthorized(why, host_user=self._user_name, token_file=self._token_file)

    @cached_property
    def _user_name(self) -> str:
        """The name of the host's user; where users come from a network it is slow to learn."""
        try:
            return getpwuid(self._uid).pw_name
        except KeyError:  # a container's user has no name
            return str(self._uid)


def login_attempts(clock: IReactorTime, limit: int) -> SlidingWindows:
    """Return what counts wrong tokens by who shows them: `limit` in any minute.

    Behind a proxy all are one peer, so a right token is never refused for the wrong ones.
    """
    return SlidingWindows(clock.seconds, limit, 60.0)


def cookie_name(request: Request) -> bytes:
    """Return the login cookie's name; it has the port, since browsers send it to all ports."""
    return b"sxhost-%d" % getattr(request.getHost(), "port", 0)


def _bearer_token(request: Request) -> str | None:
    """Return the token in a request's header; some clients leave out the word Bearer."""
    given = _single_header(request, "authorization")
    scheme, _, token = (given or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else given


def _page_secret(request: Request) -> str:
    """Return the secret of a page: from its header, or from an offered subprotocol."""
    offered = PAGE_PROTOCOL.search(request.getHeader("sec-websocket-protocol") or "")
    return _single_header(request, PAGE) or (offered[1] if offered else "")


def is_forwarded(request: Request) -> bool:
    """Tell whether a proxy passes this request on, so that the peer is not who asks."""
    return any(request.requestHeaders.hasHeader(name) for name in FORWARDED)


def _single_header(request: Request, name: str) -> str | None:
    """Return a header that may occur once.

    :raises BadRequest: it occurs more often.
    """
    values = request.requestHeaders.getRawHeaders(name) or []
    if len(values) > 1:
        raise BadRequest(f"The request has {len(values)} {name.title()} headers.")
    return values[0] if values else None


def _is_address(text: str, address: str) -> bool:
    """Tell whether a text is an address, however it is spelled, and whatever its zone."""
    try:
        return parse_address(text) == parse_address(address)
    except ValueError:
        return False


def _split(host: str) -> tuple[str, int | None]:
    """Split ``name:port``; if it is malformed, return a name that no host has."""
    found = NAME_AND_PORT.match(host)
    if found is None:
        return "", None
    return found["name"].lower(), int(found["port"]) if found["port"] else None
