"""Routes as data, and the one place where a request meets its handler.

A handler is a coroutine whose signature says it all: the parameters that the path names,
``query``, ``base_url`` (the host's address as the client wrote it), and one more, the body,
each decoded into its type; and what it returns.  So a verb of the host is a handler as it
stands.  The same signature feeds ``/openapi.json``.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Literal, NewType, Protocol, TypeVar, cast, get_args

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as NoSuchMethod

from sxhost.codec.json import LineBounds, convert, decode, decoded_lines, encode_lines
from sxhost.errors import (
    BadField,
    BadRequest,
    BodyTooLarge,
    ForbiddenTelemetry,
    HostError,
    InternalError,
    MethodNotAllowed,
    Unauthorized,
    UnknownRoute,
    UnsupportedType,
)
from sxhost.http.responses import NATIVE, ResponseFormat, manner_of
from sxhost.logs import logger
from sxhost.model.caller import Caller, current
from sxhost.model.limits import Limits
from sxhost.model.names import TELEMETRY_HEADER, Scope, check_session_id
from sxhost.slices import Slices

__all__ = [
    "JSON",
    "NDJSON",
    "NO_MANNERS",
    "SSE",
    "Answering",
    "AnyText",
    "Route",
    "answer_error",
    "asks",
    "base_url",
    "opens",
    "tree",
]

log = logger(__name__)

JSON = "application/json"
NDJSON = "application/x-ndjson"
POLICY = "default-src 'self'; frame-ancestors 'none'"
"""What a browser may load for an answer that it shows, and who may show it in a frame."""

NO_MANNERS: Mapping[str, ResponseFormat] = {}
SSE = "text/event-stream"
SWITCHING = 101
"""The status of an answer after which the connection speaks something else."""

AnyText = NewType("AnyText", str)
"""The type of a path's parameter that is taken as it is: its handler knows what it may be."""

T = TypeVar("T")
Handler = Callable[..., Awaitable[Any]]


class Answering(Protocol):
    """An answer that writes itself, over time."""

    async def serve(self, request: Request) -> None:
        """Write to `request` until there is no more; whoever calls ends the request.

        It is cancelled when its client leaves, and when whoever asks may no longer: then
        `caller.ended` says why, and last words can still be written.
        """


@dataclass(frozen=True)
class Route:
    """One method on one path.  `consumes` and `produces` are media types."""

    method: str
    path: str
    handler: Handler
    summary: str
    status: int = 200
    consumes: str = JSON
    produces: str = JSON
    tag: str = field(default="native", kw_only=True)
    safe: bool = field(default=True, kw_only=True)
    """Whether a GET changes nothing, so that HEAD may stand for it."""
    manner: ResponseFormat = field(default=NATIVE, kw_only=True)
    """What its answers and refusals look like."""
    scope: Scope | Literal["open"] | None = field(default=None, kw_only=True)
    """What a caller's token must allow; open is for everyone."""
    asks: bool = field(default=False, kw_only=True)
    """Whether an open route wants to know who comes nevertheless, and tells some more."""
    telemetry: bool = field(default=False, kw_only=True)
    """Whether it is a collector's: all others refuse what is marked as telemetry."""
    reads: Any = field(default=None, kw_only=True)
    """What a handler that takes its body as it comes makes of it: a type, or one of a tuple."""

    @property
    def needs(self) -> Scope | Literal["open"]:
        """What a caller's token must allow: looking, if nothing is said, or everything."""
        return self.scope or ("read" if self.method == "GET" else "admin")

    @cached_property
    def _kinds(self) -> dict[str, Any]:
        signature = inspect.signature(self.handler, eval_str=True)
        kinds = {name: p.annotation for name, p in signature.parameters.items()}
        return {**kinds, "return": signature.return_annotation}

    @property
    def answer(self) -> Any:
        """The type that the handler returns."""
        return self._kinds["return"]

    @property
    def query(self) -> Any:
        """The type that the query decodes into; None where there is none."""
        return self._kinds.get("query")

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The names of the parameters in the query."""
        return frozenset(self.query.__struct_fields__ if self.query else ())

    @cached_property
    def body(self) -> Any:
        """The type that the body (or each line of it) decodes into; None without a body."""
        kind = self._kinds[self._body_name] if self._body_name else None
        return get_args(kind)[0] if self.consumes == NDJSON else kind

    @cached_property
    def _body_name(self) -> str | None:
        ours = ("query", "base_url", "return", *self.path_names)
        others = [n for n in self._kinds if n not in ours]
        return others[0] if others else None

    @property
    def value_type(self) -> str:
        """The media type of an answer that is no stream; a stream of events never is one."""
        native = self.manner is NATIVE and self.produces != SSE
        return self.produces if native else self.manner.media_type

    @cached_property
    def pattern(self) -> str:
        """A regular expression for the paths that it serves."""
        return re.sub(r"<\w+>", "[^/]+", re.escape(self.path)) + "/*"

    @property
    def path_names(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"<(\w+)>", self.path)

    async def arguments(
        self, request: Request, path: dict[str, str], limits: Limits, slices: Slices | None
    ) -> dict[str, Any]:
        """Decode what the handler takes out of a request; a large batch takes many turns."""
        given: dict[str, Any] = {
            name: text if self._kinds[name] is AnyText else _path(name, text)
            for name, text in path.items()
        }
        if "base_url" in self._kinds:
            given["base_url"] = base_url(request)
        if self._body_name is not None:
            body = _body(request, self._limit(limits))
            batch = self.consumes == NDJSON and self.body is not bytes
            given[self._body_name] = (
                await self._lines(body, limits, slices) if batch else self._decode(body, limits)
            )
        if self.query is not None:
            given["query"] = convert(self._given(request), self.query)
        return given

    def _given(self, request: Request) -> dict[str, str]:
        """Return the query; a browser that comes back tells its place in a header."""
        given = _query(request)
        last = request.getHeader("last-event-id")
        return {**given, "after": last} if last and self.produces == SSE else given

    def _limit(self, limits: Limits) -> int:
        return limits.batch_body if self.consumes == NDJSON else limits.body

    def _decode(self, body: bytes, limits: Limits) -> Any:
        if self.body is bytes:
            return body
        most = {"depth": limits.depth, "brackets": limits.brackets}
        return decode(body or b"{}", self.body, **most)

    async def _lines(self, body: bytes, limits: Limits, slices: Slices | None) -> list[Any]:
        bounds = LineBounds(limits.depth, limits.brackets, limits.batch, limits.body)
        parts = decoded_lines(body, self.body, bounds)
        if slices is None:
            return [value for part in parts for value in part]
        return await slices.gather(parts)

    def encode(self, value: Any) -> bytes:
        """Encode the handler's answer."""
        if isinstance(value, bytes):
            return value
        return encode_lines(value) if self.produces == NDJSON else self.manner.answer(value)


def tree(
    routes: Sequence[Route],
    limits: Limits,
    manners: Mapping[str, ResponseFormat] = NO_MANNERS,
    slices: Slices | None = None,
) -> KleinResource:
    """Return the resource tree that serves `routes`; what is long runs in `slices`.

    `manners` are those of whole parts of the tree, by the beginnings of their paths.
    """
    app = Klein()
    app.url_map.merge_slashes = False
    places: defaultdict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        places[route.method, route.path].append(route)
    for (method, path), choices in places.items():
        app.route(path, methods=[method], strict_slashes=False, endpoint=f"{method} {path}")(
            _Endpoint(choices, limits, slices)
        )
    app.handle_errors(Exception)(cast("Any", _render_error))
    return _Root(app, manners)


def opens(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return what tells whether a path is open to everyone."""
    patterns = [route.pattern for route in routes if route.needs == "open"]
    return re.compile("|".join(patterns)).fullmatch


def asks(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return what tells whether a path is open, and yet wants to know who comes."""
    return opens([route for route in routes if route.asks])


class _Endpoint:
    """The routes that share a method and a path; the body's type chooses among them."""

    __name__ = "endpoint"

    def __init__(self, routes: list[Route], limits: Limits, slices: Slices | None) -> None:
        self._slices = slices
        self._routes = routes
        self._limits = limits

    def __call__(self, request: Request, **path: str) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._answer(request, path))

    async def _answer(self, request: Request, path: dict[str, str]) -> bytes:
        route = self._choose(request)
        setattr(request, "manner", route.manner)  # noqa: B010 - for refusals
        setattr(request, "route", route.path)  # noqa: B010 - for the access log and metrics
        setattr(request, "query_names", route.query_names)  # noqa: B010 - for the access log
        if request.getHeader(TELEMETRY_HEADER) is not None and not route.telemetry:
            raise ForbiddenTelemetry
        caller: Caller = getattr(request, "caller")  # noqa: B009 - `HostRequest` has it
        if route.needs != "open":
            caller.check(route.needs, path.get("session_id"))
        current.set(caller)
        given = await route.arguments(request, path, self._limits, self._slices)
        work = route.handler(**given)
        # What only looks may be cut short; what acts is done, and answered.
        looks = route.method == "GET" and route.safe
        value = await (_while_permitted(caller, work) if looks else work)
        if hasattr(value, "serve"):
            _set_headers(request, route.produces)
            await _while_permitted(caller, value.serve(request))
            return b""
        request.setResponseCode(route.status)
        if value is None:
            return b""
        body = route.encode(value)
        _set_headers(request, route.value_type, body)
        return body

    def _choose(self, request: Request) -> Route:
        if request.method == b"HEAD" and not self._routes[0].safe:
            raise NoSuchMethod([route.method for route in self._routes])
        if all(route.body is None for route in self._routes):
            return self._choose_answer(request)
        declared = _media_type(request)
        for route in self._routes:
            if declared in ("", route.consumes) or route.body is bytes:
                return route
        raise UnsupportedType(declared, [route.consumes for route in self._routes])

    def _choose_answer(self, request: Request) -> Route:
        """Choose by what the client wants: to leave HTTP, or a media type."""
        upgrades = bool(request.getHeader("upgrade"))
        leave = [route for route in self._routes if (route.status == SWITCHING) is upgrades]
        accepted = request.getHeader("accept") or ""
        routes = leave or self._routes
        return next((route for route in routes if route.produces in accepted), routes[0])


class _Root(KleinResource):
    """The tree's root: what Klein answers in its own words is answered in ours."""

    def __init__(self, app: Klein, manners: Mapping[str, ResponseFormat]) -> None:
        super().__init__(app)
        self._manners = manners

    def render(self, request: IRequest) -> Any:
        _trim(request.postpath)
        manner = manner_of(cast("Request", request), self._manners)
        setattr(request, "manner", manner)  # noqa: B010 - for refusals
        if not request.requestHeaders.hasHeader("host"):
            request.requestHeaders.setRawHeaders("host", ["localhost"])  # Klein needs one
        try:
            path = b"/".join(request.postpath).decode()
            if path.count("/") == len(request.postpath) - 1:
                return super().render(request)
            error: HostError = BadField("path", "A slash (%2F) cannot be part of a name.")
        except UnicodeDecodeError:
            error = BadField("path", "The path is not UTF-8.")
        except HTTPException:
            error = BadRequest("The Host header is not the name of a host.")
        return answer_error(cast("Request", request), error)


def _trim(segments: list[bytes]) -> None:
    """Make of many slashes at the end of a path one."""
    while segments[2:] and not any(segments[-2:]):
        segments.pop()


async def _while_permitted(caller: Caller, work: Awaitable[T]) -> T:
    """Wait for what may last, for as long as whoever asks for it may ask.

    :raises Unauthorized: they may no longer, and it had nothing to say to that.
    """
    if caller.grant is None:
        return await work
    doing = ensureDeferred(cast("Coroutine[Any, Any, T]", work))
    with caller.on_end(doing.cancel):
        try:
            return await doing
        except CancelledError:
            caller.check_ended()
            raise


def base_url(request: Request) -> str:
    """Return the host's address as whoever asks has written it."""
    scheme = "https" if request.isSecure() else "http"
    return f"{scheme}://{request.getHeader('host') or 'localhost'}"


def answer_error(request: Request, error: HostError) -> bytes:
    """Set a refusal's status and headers on `request`; return its body."""
    manner: ResponseFormat = getattr(request, "manner", NATIVE)
    status, body = manner.refusal(error, request)
    request.setResponseCode(status, HTTPStatus(status).phrase.encode())
    _set_headers(request, manner.media_type, body)
    if "retry_after" in error.details:
        request.setHeader("Retry-After", str(error.details["retry_after"]))
    if isinstance(error, Unauthorized):
        request.setHeader("WWW-Authenticate", "Bearer")
    return body


def _render_error(request: Request, failure: Failure) -> bytes:
    error = failure.value
    if isinstance(error, Unauthorized) and request.startedWriting:
        return b""  # what was being told breaks off
    if isinstance(error, HostError):
        return answer_error(request, error)
    if isinstance(error, NoSuchMethod):
        allowed = sorted(error.valid_methods or ())
        request.setHeader("Allow", ", ".join(allowed))
        return answer_error(request, MethodNotAllowed(_text(request.method), allowed))
    if isinstance(error, HTTPException):
        return answer_error(request, UnknownRoute(_text(request.path)))
    request_id = getattr(request, "request_id", "-")
    log.failure("request {request_id} failed", failure, request_id=request_id)
    return answer_error(request, InternalError(request_id))


def _set_headers(request: Request, media_type: str, body: bytes | None = None) -> None:
    """Set the headers of an answer; without a body, of one that comes piece by piece."""
    request.setHeader("Content-Type", media_type)
    if body is None:
        request.setHeader("X-Accel-Buffering", "no")  # nginx would keep the pieces
    else:
        request.setHeader("Content-Length", str(len(body)))
    request.setHeader("Cache-Control", "no-store")
    request.setHeader("X-Content-Type-Options", "nosniff")
    request.setHeader("Cross-Origin-Resource-Policy", "same-origin")
    request.setHeader("Content-Security-Policy", POLICY)
    request.setHeader("Referrer-Policy", "no-referrer")


def _path(name: str, text: str) -> str | int:
    if name == "session_id":
        return check_session_id(text)
    if name in ("code", "request_id", "token_id"):
        return text
    if text.isascii() and text.isdigit() and len(text) <= 18:  # noqa: PLR2004 - 63 bits
        return int(text)
    raise BadField(name, f"`{name}` is a number that the host gave out.")


def _body(request: Request, limit: int) -> bytes:
    content = request.content.read() if request.content else b""
    if len(content) > limit:
        raise BodyTooLarge(limit)
    return bytes(content)


def _query(request: Request) -> dict[str, str]:
    """Return the query's parameters; of one that is given twice, the last counts."""
    try:
        return {name.decode(): values[-1].decode() for name, values in request.args.items()}
    except UnicodeDecodeError:
        raise BadField("query", "The query is not UTF-8.") from None


def _media_type(request: Request) -> str:
    declared = request.getHeader("content-type") or ""
    return declared.partition(";")[0].strip().lower()


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")
