"""Event logs over HTTP: read once, or followed live as NDJSON or server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from sxhost.codec import frames
from sxhost.codec.json import encode_lines
from sxhost.errors import HostError
from sxhost.http.router import NDJSON, SSE, Route
from sxhost.http.stream_response import Response
from sxhost.logs import logger
from sxhost.model.session import Event, EventQuery, LogQuery
from sxhost.service import SessionService
from sxhost.streams.reader import Pages, selection
from sxhost.streams.subscription import Selection

__all__ = ["Stream", "routes"]

log = logger(__name__)


class Stream:
    """An answer that follows a log for as long as its client listens."""

    def __init__(
        self,
        service: SessionService,
        wanted: Selection,
        query: EventQuery,
        encoding: frames.Encoding,
    ) -> None:
        self._service = service
        self._wanted = wanted
        self._query = query
        self._encoding = encoding

    async def serve(self, request: Request) -> None:
        """Write frames until the client leaves or the host stops."""
        if request.method == b"HEAD":
            return
        response, query = Response(request), self._query
        reader = await self._service.subscribe(
            self._wanted, query.after, self._encoding, response, states=query.state
        )
        await response.follow(reader)


@implementer(IPushProducer)
class Room:
    """Whether a response has room for more: its transport says so."""

    def __init__(self) -> None:
        self._full = False
        self._waiter: Deferred[None] | None = None

    async def wait(self) -> None:
        """Return once there is room."""
        if self._full:
            self._waiter = Deferred()
            await self._waiter

    def pauseProducing(self) -> None:
        """There is none for now."""
        self._full = True

    def resumeProducing(self) -> None:
        """There is some again."""
        self._full = False
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.callback(None)

    def stopProducing(self) -> None:
        """The client has gone: whoever waits is cancelled."""


class PagedAnswer:
    """An answer of many pages, each read once those before it have left."""

    def __init__(self, first: Sequence[list[Event]], rest: Pages) -> None:
        self._first = first
        self._rest = rest

    async def serve(self, request: Request) -> None:
        """Write all pages; if one cannot be read, what was written must not look whole."""
        if request.method == b"HEAD":
            return
        room = Room()
        request.registerProducer(room, streaming=True)
        try:
            for page in self._first:
                await _write(request, page, room)
            async for page in self._rest:
                await _write(request, page, room)
            request.unregisterProducer()
        except HostError as error:
            log.warn("an answer was cut: {error}", error=error)
            cast("Any", request.transport).abortConnection()
            await Deferred()  # cancelled when the connection is lost


async def _write(request: Request, page: Sequence[Event], room: Room) -> None:
    request.write(encode_lines(page))
    await room.wait()


class Streams:
    """The handlers of the routes that read logs."""

    def __init__(self, service: SessionService) -> None:
        self._service = service

    async def events(
        self, session_id: str, query: EventQuery
    ) -> Sequence[Event] | PagedAnswer | Stream:
        """Read a session's events, or follow them as NDJSON."""
        if not query.follow:
            return await _read(self._service.event_pages(session_id, query))
        return await self._stream(query, frames.NDJSON, session_id)

    async def live_events(self, session_id: str, query: EventQuery) -> Stream:
        """Follow a session's events as server-sent events."""
        return await self._stream(query, frames.SSE, session_id)

    async def log(self, query: LogQuery) -> Sequence[Event] | PagedAnswer | Stream:
        """Read many sessions' events, or follow them as NDJSON."""
        if not query.follow:
            return await _read(self._service.log_pages(query))
        return await self._stream(query, frames.NDJSON)

    async def live_log(self, query: LogQuery) -> Stream:
        """Follow many sessions' events as server-sent events."""
        return await self._stream(query, frames.SSE)

    async def _stream(
        self, query: EventQuery, encoding: frames.Encoding, session_id: str | None = None
    ) -> Stream:
        if session_id is not None:
            await self._service.session(session_id)  # an unknown one is refused while it can be
        return Stream(self._service, selection(query, session_id), query, encoding)


async def _read(pages: Pages) -> Sequence[Event] | PagedAnswer:
    """Read a page; if there are more, the answer is written page by page."""
    first, second = await _next(pages), await _next(pages)
    return PagedAnswer([first, second], pages) if second else first


async def _next(pages: Pages) -> list[Event]:
    async for page in pages:  # `anext` with a default cannot await a Deferred in CPython 3.11
        return page
    return []


def routes(service: SessionService) -> Sequence[Route]:
    """Return the routes that read logs."""
    streams = Streams(service)
    events = "/sessions/<session_id>/events"
    return (
        Route("GET", events, streams.events, "Read or follow events.", produces=NDJSON),
        Route("GET", events, streams.live_events, "Follow events.", produces=SSE),
        Route("GET", "/events", streams.log, "Read or follow all events.", produces=NDJSON),
        Route("GET", "/events", streams.live_log, "Follow all events.", produces=SSE),
    )
