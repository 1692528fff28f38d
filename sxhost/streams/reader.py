"""The logs read once, in pages, and where a cursor points to."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Sequence

from sxhost.codec.compact import compact_events
from sxhost.codec.frames import NDJSON
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event, EventQuery, LogQuery
from sxhost.model.limits import Limits
from sxhost.model.names import END_OF_LOG
from sxhost.model.subscription import selection_of
from sxhost.slices import TimeSlicer
from sxhost.store.contracts import EventLog, Sessions
from sxhost.streams.subscription import Feed, Position

__all__ = ["PAGE", "PAGE_SIZE", "LogReader", "Pages", "newest"]

Pages = AsyncGenerator[list[Event], None]

MOST = 10_000
"""Events of all sessions that one answer brings at the most."""

PAGE = 1024
"""Events of one page."""

PAGE_SIZE = 128 * 1024
"""Bytes of data of one page; its last event may go beyond."""

TURN_EVERY = 8
"""Pages after which others have their turn, where memory answers without a pause."""


class LogReader:
    """Reads the logs of one session or of all, each page when it is asked for."""

    def __init__(
        self, log: EventLog, sessions: Sessions, limits: Limits, slices: TimeSlicer
    ) -> None:
        self._log = log
        self._sessions = sessions
        self._limits = limits
        self._slices = slices

    async def events(self, session_id: str, query: EventQuery) -> Pages:
        """Read events in order: the buffered ones, or all that are retained after a cursor.

        They come in pages.  A cursor of another epoch begins with the oldest.
        """
        await self._sessions.session(session_id)
        buffered = await self._log.seq_before(session_id, self._limits.events)
        cursor = Cursor.parse(query.after or str(buffered))
        ours = cursor.epoch == self._log.epoch
        start = cursor.position if ours else 0
        seq = 0 if cursor.epoch else cursor.position
        first = min(query.limit, PAGE)
        pages = self._pages(session_id, start, seq=seq, names=query.names(), first=first)
        async for page in _at_most(query.limit, self._chosen(pages, query)):
            yield page

    async def _chosen(self, pages: Pages, query: EventQuery) -> Pages:
        """Leave out what is not asked for: pieces that the log has whole, some names."""
        superseded, without = self._log.recent.superseded, query.without()
        async for page in pages:
            chosen = [
                event
                for event in page
                if event.event not in without and (query.pieces or not superseded.has(event))
            ]
            joined = query.deltas == "merged"
            yield list(compact_events(chosen, native=query.native, joined=joined))

    async def log(self, query: LogQuery) -> Pages:
        """Read the events of many sessions, in the order of their ids, in pages."""
        feed = Feed(self._log, self._sessions.known, selection_of(query), NDJSON)
        begin = await self.find_position(None, query.after)
        pages = self._pages(None, begin.position, names=frozenset())
        wanted = (list(filter(feed.wants, page)) async for page in pages)
        chosen = self._chosen(wanted, query)
        async for page in _at_most(min(query.limit, MOST), chosen):
            yield page

    async def _pages(
        self,
        session_id: str | None,
        position: int,
        *,
        seq: int = 0,
        names: frozenset[str],
        first: int = PAGE,
    ) -> Pages:
        """Read up to where the log ends as the first page is read, each when asked for.

        :param first: events of the first page: often no more are wanted.
        """
        end, number, most = None, 0, first
        while end is None or position < end:
            events = await self._log.read_events(
                session_id, seq=seq, position=position, limit=most, size=PAGE_SIZE, names=names
            )
            most = PAGE
            if end is None:  # only a read is sure to know what other writers have added
                end = self._log.recent.position
            if not events:
                return
            yield [event for event in events if event.id <= end]
            position, number = events[-1].id, number + 1
            if number % TURN_EVERY == 0:
                await self._slices.turn()

    async def find_position(self, session_id: str | None, after: str) -> Position:
        """Find the position that a cursor means; without one, where the buffer begins.

        A cursor that this log never gave out means its oldest event.
        """
        recent, cursor = self._log.recent, Cursor.parse(after)
        oldest = Position(recent.pruned(session_id), after, "another epoch")
        if cursor.epoch not in ("", self._log.epoch):
            return oldest
        if session_id is None or cursor.epoch:
            position = cursor.position if after else recent.buffered
            if recent.position < position < END_OF_LOG:
                # Another writer may be ahead of the cache, until something was read.
                await self._log.read_events(None, position=position, limit=1)
                if position > recent.position:  # an old copy of the store was put back
                    return oldest
            return Position(min(position, recent.position))
        session = await self._sessions.session(session_id)
        if session.event_count < cursor.position < END_OF_LOG:
            return oldest
        buffered = 0 if after else await self._log.seq_before(session_id, self._limits.events)
        seq = cursor.position if after else buffered
        end = recent.position  # as of now: what is appended during the read comes after it
        events = await self._log.read_events(
            session_id, seq=min(seq, session.event_count), limit=1
        )
        # Events that are not there are missing if retention has dropped them.
        is_missing = seq + 1 < recent.floor(session_id).seq
        missed = f"{seq}" if after and events and is_missing else ""
        return Position(events[0].id - 1 if events else end, missed, "retention")


async def newest(pages: Pages, size: int) -> Sequence[Event]:
    """Go through pages; return the last events, as many as have `size` bytes of data."""
    kept: deque[Event] = deque()
    left = size
    async for page in pages:
        for event in page:
            kept.append(event)
            left -= len(event.data)
            while left < 0:
                left += len(kept.popleft().data)
    return kept


async def _at_most(limit: int, pages: Pages) -> Pages:
    """Go through pages that are not empty, until there are `limit` events."""
    left = limit
    async for page in pages:
        if page:
            yield page[:left]
        left -= len(page)
        if left <= 0:
            return
