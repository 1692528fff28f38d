"""Event logs over HTTP: read once, or followed live as NDJSON or server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.web.server import Request
from zope.interface import implementer

from sxhost.codec import frames
from sxhost.codec.compact import compact_encoding
from sxhost.codec.json import encode_lines
from sxhost.errors import HostError
from sxhost.http.compression import gzip_stream
from sxhost.http.routes import NDJSON, SSE, Route
from sxhost.http.stream_response import StreamResponse
from sxhost.logs import logger
from sxhost.model.event import Event, EventQuery, LogQuery
from sxhost.model.host import Host, Pages
from sxhost.model.subscription import Encoding, Selection, selection_of

__all__ = ["LogStream", "routes"]

log = logger(__name__)


class LogStream:
    """A response that follows a log until its client leaves."""

    def __init__(
        self,
        host: Host,
        selected: Selection,
        query: EventQuery,
        encoding: Encoding,
    ) -> None:
        self._host = host
        self._selection = selected
        self._query = query
        self._encoding = encoding

    async def serve(self, request: Request) -> None:
        """Write frames until the client leaves or the host stops."""
        if request.method == b"HEAD":
            return
        response, query = StreamResponse(request), self._query
        reader = await self._host.subscribe(
            self._selection,
            query.after,
            self._encoding,
            response,
            states=query.state,
            summaries=query.summary,
        )
        await response.follow(reader)


@implementer(IPushProducer)
class BackPressure:
    """Back-pressure of a response's transport, as something to wait for."""

    def __init__(self) -> None:
        self._full = False
        self._waiter: Deferred[None] | None = None

    async def wait(self) -> None:
        """Return once the transport takes more."""
        if self._full:
            self._waiter = Deferred()
            await self._waiter

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._full = True

    def resumeProducing(self) -> None:
        """The transport's buffer has emptied."""
        self._full = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def stopProducing(self) -> None:
        """Do nothing: whoever waits is cancelled when the connection is lost."""


class PagedResponse:
    """A response of many pages; each is read from the store once those before it were sent."""

    def __init__(self, first: Sequence[list[Event]], rest: Pages) -> None:
        self._first = first
        self._rest = rest

    async def serve(self, request: Request) -> None:
        """Write all pages; abort if one cannot be read, so that nothing looks whole."""
        if request.method == b"HEAD":
            return
        back_pressure, gzip = BackPressure(), gzip_stream(request)
        request.registerProducer(back_pressure, streaming=True)
        try:
            for page in self._first:
                request.write(gzip.compress(encode_lines(page)))
                await back_pressure.wait()
            async for page in self._rest:
                request.write(gzip.compress(encode_lines(page)))
                await back_pressure.wait()
            request.unregisterProducer()
            request.write(gzip.finish())
        except HostError as error:
            log.warn("an answer was cut: {error}", error=error)
            cast("ITCPTransport", request.transport).abortConnection()
            await Deferred()  # cancelled when the connection is lost


class EventHandlers:
    """The handlers of the routes that read logs."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def events(
        self, session_id: str, query: EventQuery
    ) -> Sequence[Event] | PagedResponse | LogStream:
        """Read a session's events, or follow them as NDJSON."""
        if not query.follow:
            return await _read(self._host.event_pages(session_id, query))
        return await self._stream(query, frames.NDJSON, session_id)

    async def live_events(self, session_id: str, query: EventQuery) -> LogStream:
        """Follow a session's events as server-sent events."""
        return await self._stream(query, frames.SSE, session_id)

    async def log(self, query: LogQuery) -> Sequence[Event] | PagedResponse | LogStream:
        """Read many sessions' events, or follow them as NDJSON."""
        if not query.follow:
            return await _read(self._host.log_pages(query))
        return await self._stream(query, frames.NDJSON)

    async def live_log(self, query: LogQuery) -> LogStream:
        """Follow many sessions' events as server-sent events."""
        return await self._stream(query, frames.SSE)

    async def _stream(
        self, query: EventQuery, encoding: Encoding, session_id: str | None = None
    ) -> LogStream:
        if session_id is not None:
            # Refuse an unknown session while there is a status to refuse it with.
            await self._host.session(session_id)
        encoding = compact_encoding(encoding, query)
        return LogStream(self._host, selection_of(query, session_id), query, encoding)


async def _read(pages: Pages) -> Sequence[Event] | PagedResponse:
    """Return the only page, or a response that writes all pages one by one."""
    first, second = await _next(pages), await _next(pages)
    return PagedResponse([first, second], pages) if second else first


async def _next(pages: Pages) -> list[Event]:
    async for page in pages:  # `anext` with a default cannot await a Deferred in CPython 3.11
        return page
    return []


def routes(host: Host) -> Sequence[Route]:
    """Return the routes that read logs."""
    handlers = EventHandlers(host)
    events = "/sessions/<session_id>/events"
    return (
        Route("GET", events, handlers.events, "Read or follow events.", produces=NDJSON),
        Route("GET", events, handlers.live_events, "Follow events.", produces=SSE),
        Route("GET", "/events", handlers.log, "Read or follow all events.", produces=NDJSON),
        Route("GET", "/events", handlers.live_log, "Follow all events.", produces=SSE),
    )
