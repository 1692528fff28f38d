"""Which requests may go straight to their handler: a table of routes, and what is plain.

The table finds the same route as the resource tree does.  What is unusual is left to the tree,
which can serve every route: streams, upgrades, files, queries, escapes in a path, a connection
that closes, pages of other origins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from twisted.web.http import RESPONSES

from sxhost.errors import HostError
from sxhost.http.access_log import AccessEntry
from sxhost.http.framing import RequestHead
from sxhost.http.parameters import FORM
from sxhost.http.rendering import SECURITY_HEADERS
from sxhost.http.router import SWITCHING
from sxhost.http.routes import NDJSON, SSE, Route
from sxhost.model.caller import Caller
from sxhost.model.limits import Limits
from sxhost.model.names import TELEMETRY_HEADER
from sxhost.slices import TimeSlicer

__all__ = ["DirectRoutes", "Plan"]

UNUSUAL: Final = frozenset(
    {b"upgrade", b"expect", b"origin", b"transfer-encoding", TELEMETRY_HEADER.lower().encode()}
)
"""Fields of requests that are left to the tree."""


class Plan:
    """How a request with a certain head is answered: by which route, and with which words.

    A connection that sends the very same head again has the plan already, so all that follows
    from a head is found out here.
    """

    __slots__ = ("_call", "_needs", "_permitted", "_session", "begin", "entry", "head",
                 "is_read", "length", "logged_caller", "route")  # fmt: skip

    def __init__(
        self,
        head: RequestHead,
        route: Route,
        path: Mapping[str, Any],
        limits: Limits,
        slices: TimeSlicer | None,
    ) -> None:
        self.head = head
        self.route = route
        self.length: int = head.length or 0
        self.is_read = route.method == "GET" and route.safe
        """Whether it changes nothing, so that it need not be done to its end."""
        self.begin = _begin_of_answer(route.status, route.value_type)
        self.entry: AccessEntry | None = None
        """What the access log said of the last such request, which `logged_caller` sent."""
        self.logged_caller: Caller | None = None
        self._needs = route.needs
        self._permitted: Caller | None = None
        """Who may ask so, for as long as the connection lasts."""
        self._session: str | None = path.get("session_id")
        self._call = route.begin_plain(path, limits, slices)

    def work(self, body: bytes, caller: Caller) -> Coroutine[Any, Any, Any]:
        """Begin a call of the handler; the coroutine returns what that does.

        :raises HostError: the caller may not, or the body is none for it.
        """
        if caller is not self._permitted and self._needs != "open":
            caller.check(self._needs, self._session)
            if caller.grant is None:  # only what a token has given can end
                self._permitted = caller
        return self._call(body)


@lru_cache(maxsize=64)
def _begin_of_answer(status: int, media_type: str) -> bytes:
    """Return the head of an answer, with room for what differs from one to the next."""
    headers = {
        "X-Request-Id": "%b",
        "Date": "%b",
        "Content-Type": media_type,
        "Content-Length": "%d",
        **SECURITY_HEADERS,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, RESPONSES[status], lines.encode())


class DirectRoutes:
    """The routes of requests that may go straight, by method and segments of the path."""

    def __init__(
        self, routes: Sequence[Route], limits: Limits, slices: TimeSlicer | None = None
    ) -> None:
        self._limits = limits
        self._slices = slices
        groups: defaultdict[tuple[str, str], list[Route]] = defaultdict(list)
        for route in routes:
            groups[route.method, route.path].append(route)
        self._groups: dict[tuple[bytes | None, ...], _Group] = {}
        masks: defaultdict[tuple[bytes, int], set[tuple[bool, ...]]] = defaultdict(set)
        for (method, _), group in groups.items():
            found = _Group(group)
            mask = tuple(name is not None for name in found.names)
            masks[method.encode(), len(mask)].add(mask)
            self._groups[method.encode(), *found.words] = found
        # Words come before names, from the left: as the tree's router has it.
        self._masks = {key: sorted(found) for key, found in masks.items()}

    def plan(self, head: RequestHead) -> Plan | None:
        """Return how a request with this head is answered; None if the tree has to."""
        length, plain = head.length, head.persists and not head.has_any(UNUSUAL)
        if length is None or not plain or b"?" in head.target or b"%" in head.target:
            return None
        segments = head.path[1:].split(b"/")
        group = self._group(head.method, segments)
        route = group.choose(head) if group is not None else None
        if group is None or route is None or length > route.body_limit(self._limits):
            return None
        try:
            path = route.path_arguments(
                {
                    name: segment.decode()
                    for name, segment in zip(group.names, segments, strict=True)
                    if name is not None
                }
            )
            return Plan(head, route, path, self._limits, self._slices)
        except HostError:
            return None

    def _group(self, method: bytes, segments: Sequence[bytes]) -> _Group | None:
        """Return the routes of a path; None if there are none."""
        if not all(segments):
            return None
        for mask in self._masks.get((method, len(segments)), ()):
            words = (
                None if is_name else segment
                for is_name, segment in zip(mask, segments, strict=True)
            )
            group = self._groups.get((method, *words))
            if group is not None:
                return group
        return None


class _Group:
    """The routes of one method and path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        segments = routes[0].path[1:].split("/")
        self.names = [one[1:-1] if one.startswith("<") else None for one in segments]
        self.words = [None if one.startswith("<") else one.encode() for one in segments]
        has_body = any(route.body is not None for route in routes)
        is_plain = all(map(_is_plain, routes)) and (has_body or len(routes) == 1)
        self._routes = routes if is_plain else ()
        self._has_body = has_body

    def choose(self, head: RequestHead) -> Route | None:
        """Return the route for what the body is declared to be; None if the tree chooses."""
        if not self._has_body:
            return self._routes[0] if self._routes else None
        declared = (head.header(b"content-type") or "").partition(";")[0].strip().lower()
        if declared == FORM:
            return None
        for route in self._routes:
            if declared in ("", route.consumes):
                return route
        return None


def _is_plain(route: Route) -> bool:
    """Tell whether the answer of a route is bytes that are there at once or soon."""
    is_stream = route.produces in (SSE, NDJSON) or route.status == SWITCHING
    return not (is_stream or route.answers is not None or route.needs_address)
