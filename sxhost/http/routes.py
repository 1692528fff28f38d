"""Routes as data: a method and a path, and the handler that answers there.

A handler is a coroutine function whose signature is the contract: parameters that the path
names, ``query``, ``base_url`` (the host's address as the client wrote it), at most one more,
the body, each decoded into its annotated type; and the type of the answer.  So a verb of the
host is a handler as it is.  ``/openapi.json`` is made from the same signatures.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Literal, Protocol, get_args, get_origin

from twisted.web.server import Request

from sxhost.codec.json import (
    LineBounds,
    convert,
    decode,
    decode_or_cut,
    encode_lines,
    iter_decoded_lines,
)
from sxhost.http.parameters import (
    base_url,
    path_schema,
    path_value,
    query_of,
    read_body,
    resume_cursor,
)
from sxhost.http.responses import NATIVE, ResponseFormat
from sxhost.model.limits import Limits
from sxhost.model.names import Scope
from sxhost.slices import TimeSlicer

__all__ = [
    "JSON",
    "NDJSON",
    "SSE",
    "Handler",
    "Route",
    "SelfWritingResponse",
    "identifying_paths",
    "large_paths",
    "open_paths",
]

JSON = "application/json"
NDJSON = "application/x-ndjson"
SSE = "text/event-stream"

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
            arguments[self._body_name] = (
                await self._lines(body, limits, slices)
                if self._has_lines
                else self._decode(body, limits)
            )
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


def open_paths(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return a predicate of paths: whether one is open to everyone."""
    patterns = [route.pattern for route in routes if route.needs == "open"]
    return re.compile("|".join(patterns)).fullmatch


def identifying_paths(routes: Sequence[Route]) -> Callable[[str], object]:
    """Return a predicate of paths: whether one is open, but its callers are identified."""
    return open_paths([route for route in routes if route.asks])
