"""The dispatch of requests to the handlers of routes: the resource tree, made with Klein."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar, cast

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WrongMethod
from werkzeug.routing import Map

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
    media_type,
)
from sxhost.http.rendering import answer_error, set_headers
from sxhost.http.request_context import context_of
from sxhost.http.responses import NO_FORMATS, ResponseFormat, format_of
from sxhost.http.routes import Route
from sxhost.logs import logger
from sxhost.model.caller import Caller, current_caller
from sxhost.model.limits import Limits
from sxhost.model.names import TELEMETRY_HEADER
from sxhost.slices import TimeSlicer

__all__ = ["make_tree"]

log = logger(__name__)

SWITCHING = 101
"""The status of an answer after which the connection speaks something else."""

T = TypeVar("T")


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
