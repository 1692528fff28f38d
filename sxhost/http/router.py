"""Routes as data, and the dispatch of requests to their handlers.

A handler is a coroutine function whose signature is the contract: parameters that the path
names, ``query``, ``base_url`` (the host's address as the client wrote it), at most one more,
the body, each decoded into its annotated type; and the type of the answer.  So a verb of the
host is a handler as it is.  ``/openapi.json`` is made from the same signatures.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from typing import Any, Literal, Protocol, TypeVar, cast, get_args, get_origin

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.routing import Map

from sxhost.codec.json import (
    LineBounds,
    convert,
    decode,
    decode_or_cut,
    encode_lines,
    iter_decoded_lines,
)
from sxhost.errors import (
    BadField,
    BadRequest,
    ForbiddenTelemetry,
    HostError,
    InternalError,
    MethodNotAllowed,
    Unauthorized,
    UnknownRoute,
    UnsupportedType,
)
from sxhost.http.compression import compress_answer
from sxhost.http.parameters import (
    base_url,
    media_type,
    path_schema,
    path_value,
    query_of,
    read_body,
    resume_cursor,
)
from sxhost.http.rendering import answer_error, set_headers
from sxhost.http.request_context import context_of
from sxhost.http.responses import NATIVE, NO_FORMATS, ResponseFormat, format_of
from sxhost.logs import logger
from sxhost.model.caller import Caller, current_caller
from sxhost.model.limits import Limits
from sxhost.model.names import TELEMETRY_HEADER, Scope
from sxhost.slices import TimeSlicer

__all__ = [
    "JSON",
    "NDJSON",
    "SSE",
    "Handler",
    "Route",
    "SelfWritingResponse",
    "identifying_paths",
    "make_tree",
    "open_paths",
]

log = logger(__name__)

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"
SWITCHING = 101
"""The status of an answer after which the connection speaks something else."""

T = TypeVar("T")
Handler = Callable[..., Coroutine[Any, Any, Any]]


class SelfWritingResponse(Protocol):
    """A response that writes itself, over time."""

    async def serve(self, request: Request) -> None:
        """Write to `request` until there is no more; the router then ends the request.

        It is cancelled when the client leaves, and when the caller's token ends: then
        `caller.ended` says why, and a last frame can still be written.
        """


@dataclass(frozen=True)
class Route:
    """A handler for one method on one path.  `consumes` and `produces` are media types."""

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
    response_format: ResponseFormat = field(default=NATIVE, kw_only=True)
    """What its answers and refusals look like."""
    scope: Scope | Literal["open"] | None = field(default=None, kw_only=True)
    """What a caller's token must allow; open is for everyone."""
    asks: bool = field(default=False, kw_only=True)
    """Whether callers of an open route are identified all the same: it tells some more."""
    large: bool = field(default=False, kw_only=True)
    """Whether its body may have `large_body` bytes: what it says is cut to fit later."""
    telemetry: bool = field(default=False, kw_only=True)
    """Whether it collects telemetry: all others refuse what is marked as such."""
    reads: Any = field(default=None, kw_only=True)
    """The body's type, or a tuple of types, where the handler takes bytes or any object."""
    answers: Any = field(default=None, kw_only=True)
    """The answer's type, where the handler returns something that writes itself."""

    @property
    def needs(self) -> Scope | Literal["open"]:
        """What a caller's token must allow; by default ``read`` for a GET, else ``admin``."""
        return self.scope or ("read" if self.method == "GET" else "admin")

    @cached_property
    def _annotations(self) -> dict[str, Any]:
        signature = inspect.signature(self.handler, eval_str=True)
        annotations = {name: p.annotation for name, p in signature.parameters.items()}
        return {**annotations, "return": signature.return_annotation}

    @property
    def answer(self) -> Any:
        """The type of the answer."""
        return self._annotations["return"] if self.answers is None else self.answers

    @cached_property
    def query(self) -> Any:
        """The type that the query decodes into; None where there is none."""
        return self._annotations.get("query")

    @cached_property
    def query_names(self) -> frozenset[str]:
        """The names of the parameters in the query."""
        return frozenset(self.query.__struct_fields__ if self.query else ())

    @cached_property
    def body(self) -> Any:
        """The type that the body (or each line of it) decodes into; None without a body."""
        kind = self._annotations[self._body_name] if self._body_name else None
        return get_args(kind)[0] if self.consumes == NDJSON else kind

    @cached_property
    def _body_name(self) -> str | None:
        ours = ("query", "base_url", "return", *self.path_names)
        others = [n for n in self._annotations if n not in ours]
        return others[0] if others else None

    @property
    def value_type(self) -> str:
        """The media type of an answer that is one value, on an SSE route that of its format."""
        native = self.response_format is NATIVE and self.produces != SSE
        return self.produces if native else self.response_format.media_type

    @cached_property
    def pattern(self) -> str:
        """A regular expression that matches the paths that it serves."""
        return re.sub(r"<\w+>", "[^/]+", re.escape(self.path)) + "/*"

    @property
    def path_names(self) -> list[str]:
        """The names of the parameters in the path."""
        return re.findall(r"<(\w+)>", self.path)

    def path_schema(self, name: str) -> dict[str, Any]:
        """Return the JSON Schema of a parameter in the path."""
        return path_schema(name, self._annotations[name])

    async def arguments(
        self, request: Request, path: dict[str, str], limits: Limits, slices: TimeSlicer | None
    ) -> dict[str, Any]:
        """Decode the handler's arguments from a request, a large batch in `slices`."""
        arguments = self.path_arguments(path)
        if self.needs_address:
            arguments["base_url"] = base_url(request)
        if self._body_name is not None:
            body = read_body(request, self.body_limit(limits))
            arguments[self._body_name] = await self._body_value(body, limits, slices)
        if self.query is not None:
            arguments["query"] = convert(self._query_with_cursor(request), self.query)
        return arguments

    def begin_plain(
        self, path: Mapping[str, Any], limits: Limits, slices: TimeSlicer | None
    ) -> Callable[[bytes], Coroutine[Any, Any, Any]]:
        """Return what begins a call of the handler for a body, where there is no query.

        All that does not depend on the body is done here, once for many requests.

        :raises HostError: the handler needs a query.
        """
        query = {} if self.query is None else {"query": convert({}, self.query)}
        call, name = partial(self.handler, **path, **query), self._body_name
        if name is None:
            return lambda _: call()
        if self._has_lines:

            async def call_with_lines(body: bytes) -> Any:
                return await call(**{name: await self._lines(body, limits, slices)})

            return call_with_lines
        return lambda body: call(**{name: self._decode(body, limits)})

    def path_arguments(self, path: Mapping[str, str]) -> dict[str, Any]:
        """Decode the arguments that stand in the path."""
        annotations = self._annotations
        return {name: path_value(name, annotations[name], text) for name, text in path.items()}

    @property
    def needs_address(self) -> bool:
        """Whether the handler is told the host's address as the client wrote it."""
        return "base_url" in self._annotations

    async def _body_value(self, body: bytes, limits: Limits, slices: TimeSlicer | None) -> Any:
        if self._has_lines:
            return await self._lines(body, limits, slices)
        return self._decode(body, limits)

    @cached_property
    def _has_lines(self) -> bool:
        """Whether the body is decoded line by line."""
        return self.consumes == NDJSON and self.body is not bytes

    @cached_property
    def _may_be_cut(self) -> bool:
        """Whether a body that is beyond the limits is decoded as far as it goes."""
        return self.large and get_origin(self.body) is dict

    def body_limit(self, limits: Limits) -> int:
        """Return how many bytes a body may have."""
        if self.consumes == NDJSON:
            return limits.batch_body
        return limits.large_body if self.large else limits.body

    def _query_with_cursor(self, request: Request) -> dict[str, str]:
        """Return the query; a browser that connects again goes on where it was."""
        query = query_of(request)
        resume = resume_cursor(request, query) if self.produces == SSE else ""
        return {**query, "after": resume} if resume else query

    def _decode(self, body: bytes, limits: Limits) -> Any:
        if self.body is bytes:
            return body
        depth, brackets = limits.depth, limits.brackets
        if self._may_be_cut:
            return decode_or_cut(body or b"{}", depth=depth, brackets=brackets)
        return decode(body or b"{}", self.body, depth=depth, brackets=brackets)

    async def _lines(self, body: bytes, limits: Limits, slices: TimeSlicer | None) -> list[Any]:
        bounds = LineBounds(limits.depth, limits.brackets, limits.batch, limits.body)
        parts = iter_decoded_lines(body, self.body, bounds)
        if slices is None:
            return [value for part in parts for value in part]
        return await slices.gather(parts)

    def encode(self, value: Any) -> bytes:
        """Encode the handler's answer."""
        if isinstance(value, bytes):
            return value
        if self.produces == NDJSON:
            return encode_lines(value)
        return self.response_format.answer(value)


def large_paths(routes: Iterable[Route]) -> re.Pattern[str]:
    """Return a pattern of the paths whose bodies may have `large_body` bytes."""
    return re.compile("|".join(route.pattern for route in routes if route.large) or "(?!)")


def make_tree(
    routes: Sequence[Route],
    limits: Limits,
    formats: Mapping[str, ResponseFormat] = NO_FORMATS,
    slices: TimeSlicer | None = None,
) -> KleinResource:
    """Return the resource tree that serves `routes`; what is large is coded in `slices`.

    `formats` are those of refusals under whole parts of the tree, by the prefixes of paths.
    """
    choices: defaultdict[tuple[str, str], list[Route]] = defaultdict(list)
    for route in routes:
        choices[route.method, route.path].append(route)
    endpoints = {
        _endpoint_name(*key): _Endpoint(choice, limits, slices)
        for key, choice in choices.items()
    }
    app = _App(_compiled_paths(tuple(choices)), endpoints)
    app.handle_errors(Exception)(cast("Any", _render_failure))
    return _Root(app, formats)


class _App(Klein):
    """Serves `endpoints`, by their names, at the paths of another application."""

    def __init__(self, paths: Klein, endpoints: Mapping[str, _Endpoint]) -> None:
        super().__init__()
        self._paths = paths
        self._by_name = endpoints

    @property
    def url_map(self) -> Map:
        return self._paths.url_map

    @property
    def endpoints(self) -> dict[str, Any]:
        return self._paths.endpoints

    def execute_endpoint(
        self, endpoint: str, request: IRequest, *_args: Any, **path: Any
    ) -> Deferred[bytes]:
        return self._by_name[endpoint](cast("Request", request), **path)


@lru_cache(maxsize=8)
def _compiled_paths(keys: tuple[tuple[str, str], ...]) -> Klein:
    """Return an application that knows the paths of ``(method, path)`` pairs, and no more.

    werkzeug generates code for each path, 10 ms for all of them: trees of the same routes
    share what it has made.
    """
    app = Klein()
    app.url_map.merge_slashes = False  # else it redirects, which nobody follows
    for method, path in keys:
        name = _endpoint_name(method, path)
        app.route(path, methods=[method], strict_slashes=False, endpoint=name)(_endpoint_name)
    return app


def _endpoint_name(method: str, path: str) -> str:
    return f"{method} {path}"


def open_paths(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return a predicate of paths: whether one is open to everyone."""
    patterns = [route.pattern for route in routes if route.needs == "open"]
    return re.compile("|".join(patterns)).fullmatch


def identifying_paths(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return a predicate of paths: whether one is open, but its callers are identified."""
    return open_paths([route for route in routes if route.asks])


class _Endpoint:
    """The routes of one method and path; the body's or the answer's media type chooses."""

    def __init__(self, routes: list[Route], limits: Limits, slices: TimeSlicer | None) -> None:
        self._slices = slices
        self._routes = routes
        self._limits = limits

    def __call__(self, request: Request, **path: str) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self._answer(request, path))

    async def _answer(self, request: Request, path: dict[str, str]) -> bytes:
        route = self._choose(request)
        context = context_of(request)
        context.response_format = route.response_format
        context.route, context.query_names = route.path, route.query_names
        if request.getHeader(TELEMETRY_HEADER) is not None and not route.telemetry:
            raise ForbiddenTelemetry
        caller = context.caller
        if route.needs != "open":
            caller.check(route.needs, path.get("session_id"))
        current_caller.set(caller)
        # A read may be cut short when the token ends; an action is done and answered.
        is_read = route.method == "GET" and route.safe
        if context.outcome is not None:
            value = context.outcome.result()
        else:
            arguments = await route.arguments(request, path, self._limits, self._slices)
            work = route.handler(**arguments)
            value = await (_while_permitted(caller, work) if is_read else work)
        if hasattr(value, "serve"):
            set_headers(request, route.produces)
            await _while_permitted(caller, value.serve(request))
            return b""
        request.setResponseCode(route.status)
        if value is None:
            return b""
        compressing = compress_answer(request, route.encode(value), self._slices)
        body = await (_while_permitted(caller, compressing) if is_read else compressing)
        set_headers(request, route.value_type, body)
        return body

    def _choose(self, request: Request) -> Route:
        if request.method == b"HEAD" and not all(route.safe for route in self._routes):
            raise WrongMethod([route.method for route in self._routes])
        if all(route.body is None for route in self._routes):
            return self._choose_answer(request)
        declared = media_type(request)
        for route in self._routes:
            if declared in ("", route.consumes) or route.body is bytes:
                return route
        raise UnsupportedType(declared, [route.consumes for route in self._routes])

    def _choose_answer(self, request: Request) -> Route:
        """Choose by what the client asks for: an upgrade, or a media type."""
        upgrades = bool(request.getHeader("upgrade"))
        leave = [route for route in self._routes if (route.status == SWITCHING) is upgrades]
        accepted = request.getHeader("accept") or ""
        routes = leave or self._routes
        return next((route for route in routes if route.produces in accepted), routes[0])


class _Root(KleinResource):
    """The tree's root: refuses, in the host's formats, what Klein would refuse in its own."""

    def __init__(self, app: Klein, formats: Mapping[str, ResponseFormat]) -> None:
        super().__init__(app)
        self._formats = formats

    def render(self, request: IRequest) -> Any:
        _trim_slashes(request.postpath)
        answered = cast("Request", request)
        context_of(answered).response_format = format_of(answered, self._formats)
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
        return answer_error(answered, error)


def _trim_slashes(segments: list[bytes]) -> None:
    """Reduce the slashes at the end of a path to one."""
    while segments[2:] and not any(segments[-2:]):
        segments.pop()


async def _while_permitted(caller: Caller, work: Awaitable[T]) -> T:
    """Wait for `work`; cancel it when the caller's token ends.

    :raises Unauthorized: the token has ended, and the work has not handled that.
    """
    if caller.grant is None:
        return await work
    running = ensureDeferred(cast("Coroutine[Any, Any, T]", work))
    with caller.on_end(running.cancel):
        try:
            return await running
        except CancelledError:
            caller.check_ended()
            raise


def _render_failure(request: Request, failure: Failure) -> bytes:
    """Answer with what a handler, or Klein, has raised."""
    if isinstance(failure.value, Unauthorized) and request.startedWriting:
        return b""  # a stream breaks off
    return answer_error(request, _refusal_of(request, failure))


def _refusal_of(request: Request, failure: Failure) -> HostError:
    error = failure.value
    if isinstance(error, HostError):
        return error
    if isinstance(error, WrongMethod):
        allowed = sorted(error.valid_methods or ())
        request.setHeader("Allow", ", ".join(allowed))
        return MethodNotAllowed(_printable(request.method), allowed)
    if isinstance(error, HTTPException):
        return UnknownRoute(_printable(request.path))
    request_id = context_of(request).request_id
    log.failure("request {request_id} failed", failure, request_id=request_id)
    return InternalError(request_id)


def _printable(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")
