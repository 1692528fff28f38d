"""Requests to a host: responses as a whole, or streams; refusals as errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from socket import gaierror
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec
from msgspec import Raw, Struct
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    ConnectionDone,
    DNSLookupError,
)
from twisted.internet.interfaces import IReactorTime
from twisted.web.client import RequestTransmissionFailed, ResponseFailed
from twisted.web.iweb import IResponse

from sxhost.codec.json import encode
from sxhost.errors import HostError, HostTimedOut, HostUnreachable, from_wire
from sxhost.model.event import NULL, Event, raw_json
from sxhost.model.names import check_session_id
from sxhost.treq_url import treq_url

__all__ = [
    "JSON",
    "NDJSON",
    "PATIENCE",
    "Exchange",
    "Verbs",
    "Watch",
    "query_of",
    "session_path",
    "unwatched",
    "why_lost",
]

T = TypeVar("T")

Watch = Callable[[str, str], AbstractContextManager[None]]
"""Called with the method and the path of each request: is entered while its answer is awaited,
and sees the error if there comes none.
"""

JSON = "application/json"
NDJSON = "application/x-ndjson"
PATIENCE = 10.0
"""Seconds in which a response must be whole, beyond the `wait` of the call itself."""

OK, REFUSED = 200, 400

TOO_LONG = "it took too long"

# What Twisted and treq raise if there is no answer, or not all of one.
LINK_ERRORS = (
    CancelledError,
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
    RequestTransmissionFailed,
    ResponseFailed,
    gaierror,  # of an address whose zone is no interface of this machine
)


class Verbs:
    """Typed requests: values are encoded, responses decoded; errors are those of `Exchange`."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def get(
        self, kind: type[T], path: str, query: Struct | None = None, patience: float = PATIENCE
    ) -> T:
        """Decode the response to a GET."""
        return await self.call(kind, "GET", path + query_of(query), patience=patience)

    async def post(
        self, kind: type[T], path: str, value: Struct | None = None, patience: float = PATIENCE
    ) -> T:
        """Send a value as JSON and decode the response."""
        return await self.call(kind, "POST", path, body=_body(value), patience=patience)

    async def call(self, kind: type[T], method: str, path: str, **how: Any) -> T:
        """Decode the response to a request; `how` goes to `Exchange.fetch`."""
        with self.exchange.understood():
            answer = await self.exchange.fetch(method, path, **how)
            return msgspec.json.decode(answer, type=kind)

    async def lines(self, path: str) -> list[Event]:
        """Decode the events of an NDJSON response."""
        with self.exchange.understood():
            answer = await self.exchange.fetch("GET", path)
            return msgspec.json.Decoder(Event).decode_lines(answer)


def session_path(session_id: str, *rest: str | int) -> str:
    """Return a path below a session.

    :raises BadField: the id cannot be one; quoted, it could still lead elsewhere (a proxy
        takes ``%2F`` for a slash, and an empty one names all sessions).
    """
    return "/".join(["/sessions", check_session_id(session_id), *map(str, rest)])


def query_of(query: Struct | None) -> str:
    """Return the query string with the fields that differ from their defaults."""
    given = msgspec.to_builtins(query) if query else {}
    parameters = {k: int(v) if isinstance(v, bool) else v for k, v in given.items()}
    return f"?{urlencode(parameters)}" if parameters else ""


def _body(value: Struct | None) -> bytes:
    """Encode a value as JSON without its fields that are None: those were not given."""
    if value is None:
        return b""
    fields = msgspec.json.decode(raw_json(value), type=dict[str, Raw])
    return encode({name: given for name, given in fields.items() if given != NULL})


class Exchange:
    """Sends requests to the host at `url` by a treq client; errors name `place` in its stead.

    Everything here raises `HostError` when the host says no, and `HostUnreachable` when
    there is none, or what is there is none.
    """

    def __init__(
        self,
        url: str,
        http: HTTPClient,
        clock: IReactorTime,
        place: str | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.clock = clock
        self._http = http
        self._watch = watch or unwatched
        self._place = place or self.url

    async def fetch(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        media_type: str = JSON,
        patience: float = PATIENCE,
    ) -> bytes:
        """Return a successful answer's body, at the latest after `patience` seconds."""
        headers = {"Content-Type": media_type} if body is not None else {}
        work = self._whole(method, path, body, headers)
        with self._watch(method, path):
            status, content = await self.in_time(work, patience)
        if status >= REFUSED:
            raise self._refusal(status, content)
        return content

    async def open(self, path: str) -> IResponse:
        """Return the answer to a GET that goes on, for its body to be delivered."""
        with self._watch("GET", path):
            response = await self._request(
                "GET", path, None, {"Accept": NDJSON}, unbuffered=True
            )
        if response.code != OK:
            raise self._refusal(response.code, await response.content())
        return response  # type: ignore[no-any-return]

    async def in_time(self, work: Coroutine[Any, Any, T], patience: float = PATIENCE) -> T:
        """Run `work` on a connection for at most `patience` seconds and return its result."""
        working = Deferred.fromCoroutine(work)
        timer = self.clock.callLater(patience, working.cancel)
        try:
            return await working
        except LINK_ERRORS as error:
            if timer.active() and _is_cancelled(error):
                raise CancelledError from error  # by whoever asked: it is not the link's fault
            raise self.unreachable(why_lost(error)) from error
        finally:
            if timer.active():
                timer.cancel()

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Turn an answer that no host gives into `HostUnreachable`."""
        try:
            yield
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.unreachable("what answers there is not a host") from error

    def unreachable(self, why: str) -> HostUnreachable:
        """Return the error for a host that cannot be reached: its address, the reason."""
        kind = HostTimedOut if why == TOO_LONG else HostUnreachable
        return kind(f"{self._place}: {why}")

    def _refusal(self, status: int, content: bytes) -> HostError:
        with self.understood():
            return from_wire(status, _error_fields(content))

    async def _whole(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        response = await self._request(method, path, body, headers)
        return response.code, await response.content()

    async def _request(
        self, method: str, path: str, body: bytes | None, headers: Any, **how: Any
    ) -> Any:
        url = treq_url(f"{self.url}{path}")
        return await self._http.request(
            method, url, data=body, headers=headers, allow_redirects=False, **how
        )


def unwatched(_method: str, _path: str) -> AbstractContextManager[None]:
    """Let requests be (`Watch`)."""
    return nullcontext()


def why_lost(error: BaseException | None) -> str:
    """Return a short reason for a response that is missing or incomplete."""
    if _is_cancelled(error):
        return TOO_LONG
    if isinstance(error, ResponseFailed) and error.reasons:
        reasons = [failure.value for failure in error.reasons]
        lost = (reason for reason in reasons if isinstance(reason, ConnectionClosed))
        error = next(lost, reasons[-1])  # not what the parser missed then
    if isinstance(error, ConnectionDone):
        return "it has closed the connection"
    if isinstance(error, ConnectionClosed):
        return "the connection was lost"
    if isinstance(error, gaierror):
        return str(error.strerror).lower()
    if isinstance(error, ConnectError) and isinstance(error.osError, int):
        return os.strerror(error.osError).lower()
    return (str(error) or type(error).__name__).rstrip(".")


def _is_cancelled(error: BaseException | None) -> bool:
    reasons = [failure.value for failure in getattr(error, "reasons", ())]
    kinds = (CancelledError, ConnectingCancelledError)
    return any(isinstance(reason, kinds) for reason in (error, *reasons))


def _error_fields(content: bytes) -> dict[str, object]:
    fields = msgspec.json.decode(content, type=dict[str, object])
    if isinstance(fields.get("error"), str):
        return fields
    raise msgspec.ValidationError("no error of a host has this shape")
