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
from typing import Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.server import Request

from sxhost.auth.peer_credentials import is_local
from sxhost.errors import (
    BadRequest,
    ForbiddenHost,
    ForbiddenOrigin,
    HostError,
    RateLimited,
    Unauthorized,
)
from sxhost.http.framing import RequestHead
from sxhost.localnet import LOOPBACK_NAMES, is_loopback, parse_address
from sxhost.model.caller import HOST, NOBODY, Caller
from sxhost.ratelimit import SlidingWindows

__all__ = [
    "FORWARDED",
    "PAGE",
    "PROTOCOL",
    "AccessPolicy",
    "Authenticator",
    "ConnectionPeer",
    "Decision",
    "allow_origin",
    "answer_preflight",
    "cookie_name",
    "is_forwarded",
    "login_attempts",
]

FORWARDED: Final = frozenset(
    {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"}
)
"""Headers of a proxy: the socket, and its uid, are the proxy's and not the client's."""

USUAL_PORTS: Final = frozenset({80, 443})
"""Ports that clients leave out of ``Host``."""

NAME_AND_PORT: Final = re.compile(
    r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:(?P<port>[0-9]{1,5}))?\Z"
)
PAGE: Final = b"sxhost-page"
"""The header with a page's secret; a subprotocol for WebSockets: they have no headers."""

PROTOCOL: Final = "sxhost"
"""The WebSocket subprotocol that a page offers beside ``sxhost-page.SECRET``."""

PAGE_PROTOCOL: Final = re.compile(rf"(?:^|,)[ \t]*{PAGE.decode()}\.([\w-]+)")

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


class ConnectionPeer(NamedTuple):
    """Who is at the other end of a connection: its addresses, and the peer's user if known."""

    here: IAddress
    peer: IAddress
    uid: int | None

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return not hasattr(self.here, "port")

    @property
    def name(self) -> str:
        """The peer's address."""
        return "unix" if self.is_unix else getattr(self.peer, "host", "unix")

    @property
    def port(self) -> int:
        """The port here; 0 for a unix socket."""
        return getattr(self.here, "port", 0)


class Decision(Struct, frozen=True):
    """Who asks, or why the request is refused."""

    caller: Caller = NOBODY
    refusal: HostError | None = None
    origin: str | None = None
    """The other site's origin whose pages may read the answer."""
    is_preflight: bool = False
    """Whether the browser asks only whether such a page may ask."""


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

    def openness(self, head: RequestHead) -> tuple[bool, bool]:
        """Tell whether a path is open to all, and whether callers are identified there."""
        path = head.path.decode("latin-1")
        is_open = bool(self._opens(path))
        return is_open, not is_open or bool(self._asks(path))

    def decide(self, head: RequestHead, ends: ConnectionPeer) -> Decision:
        """Return who sends a request with this head over such a connection."""
        origin = head.header(b"origin")
        known_origin = origin if origin in self._policy.origins else None
        if known_origin and head.method == b"OPTIONS":
            return Decision(origin=known_origin, is_preflight=True)
        try:
            self._check_names(head, ends)
        except HostError as error:
            return Decision(refusal=error)
        try:
            return Decision(self._admit(head, ends), origin=known_origin)
        except HostError as error:
            return Decision(refusal=error, origin=known_origin)

    def _admit(self, head: RequestHead, ends: ConnectionPeer) -> Caller:
        """Return the caller of a request.

        :raises HostError: the request is refused.
        """
        is_open, asks = self.openness(head)
        anonymous = Caller(frozenset(), uid=ends.uid, peer=ends.name)
        if not asks:
            return anonymous
        try:
            found = self._identify(head, ends)
        except (Unauthorized, RateLimited):
            if is_open:
                return anonymous
            raise
        return replace(found, uid=ends.uid, peer=ends.name)

    # Names.

    def _check_names(self, head: RequestHead, ends: ConnectionPeer) -> None:
        """Check the names that a browser sends: of this host, and of the page that asks."""
        host = _single_header(head, b"host")
        if host is None and head.version != b"HTTP/1.0":
            raise BadRequest("The request has no Host header.")
        if host is not None and not ends.is_unix and not self._is_ours(ends, host):
            raise ForbiddenHost(host)
        self._check_origin(head, host or "")

    def _is_ours(self, ends: ConnectionPeer, host: str) -> bool:
        name, port = _split(host)
        if host in self._policy.hosts or name in self._policy.hosts:
            return True
        if is_loopback(name.strip("[]")) and is_local(ends.peer):
            # At whatever port: a tunnel (ssh -L) has one of its own.  To rebind DNS, a page
            # needs a name that is resolved; those of loopback are not.
            return True
        port_matches = port == ends.port if port is not None else ends.port in USUAL_PORTS
        bare, here = name.strip("[]"), getattr(ends.here, "host", "")
        return port_matches and (bare in LOOPBACK_NAMES or _is_address(bare, here))

    def _check_origin(self, head: RequestHead, host: str) -> None:
        origin = _single_header(head, b"origin")
        if origin is not None:
            is_ours = host and origin.partition("://")[2] == host
            if origin not in self._policy.origins and not is_ours:
                raise ForbiddenOrigin(origin)
        # Most GETs have no Origin.  Sec-Fetch-Site helps, but never alone: browsers send it to
        # https: and loopback only, so a page whose name was rebound to us sends neither.
        elif head.header(b"sec-fetch-site") in ("cross-site", "same-site"):
            entering = head.path == b"/" and head.method == b"GET"
            # A link to the dashboard, on whatever page or in a mail, may be followed.
            if not (entering and head.header(b"sec-fetch-mode") == "navigate"):
                raise ForbiddenOrigin(head.header(b"referer") or "another site")

    # Tokens.

    def _identify(self, head: RequestHead, ends: ConnectionPeer) -> Caller:
        """Return the caller; a token takes precedence, even for the host's own user."""
        uid, is_direct = ends.uid, not head.has_any(FORWARDED)
        is_host_user = uid is not None and uid == self._uid and is_direct
        token = _bearer_token(head)
        is_trusted = is_host_user and token is None and self._policy.tokens == "others"
        if is_trusted or self._policy.tokens == "none":
            return HOST
        if token is None:
            return self._identify_browser(head, ends, is_host_user=is_host_user)
        found = self._check(token)
        if found is None:
            wait = self._attempts.take(f"{ends.name} {uid}")
            if wait:
                raise RateLimited(
                    f"{self._attempts.limit} wrong tokens came from here", int(wait) + 1
                )
            raise self._refusal(
                head, ends, "The token that came is not known to this host, or has expired."
            )
        return found

    def _identify_browser(
        self, head: RequestHead, ends: ConnectionPeer, *, is_host_user: bool
    ) -> Caller:
        """Return the caller of a login's cookie; a stale one is not counted as an attempt."""
        cookie = _cookies(head).get(cookie_name(ends.here))
        if cookie is None:
            why = (
                "and this host asks everyone for one"
                if is_host_user
                else "and is not known to come from the host's own user"
            )
            raise self._refusal(head, ends, f"The request has no token, {why}.")
        page = None if is_host_user else _page_secret(head)
        found = self._check_browser(cookie.decode("latin-1"), page)
        if found is None:
            raise Unauthorized("This login has ended, or is not this page's.")
        return found

    def _refusal(self, head: RequestHead, ends: ConnectionPeer, why: str) -> Unauthorized:
        """Return what a caller without a valid token is told: on this machine, where one is."""
        is_far = head.has_any(FORWARDED) or not is_local(ends.peer)
        if not ends.is_unix and is_far:
            return Unauthorized(why)
        return Unauthorized(why, host_user=self._user_name, token_file=self._token_file)

    @cached_property
    def _user_name(self) -> str:
        """The name of the host's user; where users come from a network it is slow to learn."""
        try:
            return getpwuid(self._uid).pw_name
        except KeyError:  # a container's user has no name
            return str(self._uid)


def allow_origin(request: Request, origin: str) -> None:
    """Let pages of an origin read the answer."""
    request.setHeader("Access-Control-Allow-Origin", origin)
    request.setHeader("Vary", "Origin")


def answer_preflight(request: Request) -> None:
    """Answer a browser that asks whether a page of a permitted origin may ask."""
    request.setHeader(b"Access-Control-Allow-Methods", b"GET, POST, DELETE")
    request.setHeader(
        b"Access-Control-Allow-Headers", b"Authorization, Content-Type, Last-Event-ID"
    )
    request.setHeader(b"Access-Control-Max-Age", PREFLIGHT_S)
    request.setResponseCode(204)


def login_attempts(clock: IReactorTime, limit: int) -> SlidingWindows:
    """Return what counts wrong tokens by who shows them: `limit` in any minute.

    Behind a proxy all are one peer, so a right token is never refused for the wrong ones.
    """
    return SlidingWindows(clock.seconds, limit, 60.0)


def cookie_name(here: IAddress) -> bytes:
    """Return the login cookie's name; it has the port, since browsers send it to all ports."""
    return b"sxhost-%d" % getattr(here, "port", 0)


def _cookies(head: RequestHead) -> dict[bytes, bytes]:
    """Return the cookies of a request, read as `twisted.web` reads them."""
    pairs = [pair for value in head.values(b"cookie") for pair in value.split(b";")]
    named = (pair.lstrip().partition(b"=") for pair in pairs if b"=" in pair)
    return {name: value for name, _, value in named}


def _bearer_token(head: RequestHead) -> str | None:
    """Return the token in a request's header; some clients leave out the word Bearer."""
    given = _single_header(head, b"authorization")
    scheme, _, token = (given or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else given


def _page_secret(head: RequestHead) -> str:
    """Return the secret of a page: from its header, or from an offered subprotocol."""
    offered = PAGE_PROTOCOL.search(head.header(b"sec-websocket-protocol") or "")
    return _single_header(head, PAGE) or (offered[1] if offered else "")


def is_forwarded(request: Request) -> bool:
    """Tell whether a proxy passes this request on, so that the peer is not who asks."""
    return any(map(request.requestHeaders.hasHeader, FORWARDED))


def _single_header(head: RequestHead, name: bytes) -> str | None:
    """Return a header that may occur once.

    :raises BadRequest: it occurs more often.
    """
    values = head.values(name)
    if len(values) > 1:
        named = name.decode().title()
        raise BadRequest(f"The request has {len(values)} {named} headers.")
    return values[0].decode() if values else None


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
