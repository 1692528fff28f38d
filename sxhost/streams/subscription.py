"""One live reader of the log: a feed, a position in it, and a sink to write to.

Readers with the same selection and encoding share a feed, so that bytes are made once, and
what is only on disk is read once for all who come to it together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from weakref import WeakSet

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from sxhost.codec.compact import CompactEncoding
from sxhost.codec.frames import encode_events
from sxhost.errors import HostError, UnknownSession
from sxhost.logs import logger
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event
from sxhost.model.subscription import Encoding, Selection, Sink
from sxhost.store.contracts import EventLog
from sxhost.store.known_sessions import KnownSessions
from sxhost.waiting import Signal

__all__ = ["Feed", "LogSubscription", "Position"]

log = logger(__name__)

CHUNK = 128 * 1024
"""Bytes written to a reader before it is asked whether it keeps up."""

CACHED = 8 * 1024 * 1024
"""Bytes of chunks that are kept for readers who come to the same places."""

CHUNK_OVERHEAD = 256
"""Bytes that a chunk takes beside its own."""

PAGE = 256
"""Events that a reader of the past takes from the store at once."""


Chunk = tuple[bytes, int]
"""Bytes, and the position after them."""


class Position(Struct, frozen=True):
    """Where a reader begins: after the id `position`.

    `missed` is its cursor, if what followed that is there no more, and `why` the reason.
    """

    position: int
    missed: str = ""
    why: str = ""


class ChunkCache:
    """Bytes that were made for readers lately; the oldest are dropped beyond `max_size`."""

    def __init__(self, max_size: int = CACHED) -> None:
        self.size = 0
        self._max_size = max_size
        self._chunks: dict[tuple[Feed, int, int], Chunk] = {}

    def get(self, feed: Feed, position: int, end: int) -> Chunk | None:
        """Return the bytes of a feed after a position, made while the log ended at `end`."""
        return self._chunks.get((feed, position, end))

    def put(self, feed: Feed, position: int, end: int, chunk: Chunk) -> None:
        """Keep bytes for readers that come to the same position."""
        self._chunks[feed, position, end] = chunk
        self.size += CHUNK_OVERHEAD + len(chunk[0])
        while self.size > self._max_size:
            oldest = next(iter(self._chunks))
            self.size -= CHUNK_OVERHEAD + len(self._chunks.pop(oldest)[0])


class ColdPage:
    """Events from `start` to `end` that are no longer in memory.

    It is read once for all, and lives as long as one of its readers has not caught up.
    """

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.events: Sequence[Event] | None = None
        self.made: dict[int, tuple[bytes, int]] = {}
        self._read = Signal()

    def covers(self, position: int) -> bool:
        """Return whether a reader at this position goes on with this page."""
        return self.start <= position < self.end

    async def read(self, events: Awaitable[Sequence[Event]], pruned: Callable[[], int]) -> None:
        """Read it, and let the others that wait for it go on; they fail as this does."""
        outcome: Failure | None = None
        try:
            self.events = await events
            # Set before anything goes on: a reader that waits beyond `end` reads another page,
            # and one that is before what was pruned gets a gap.
            self.end = self.events[-1].id if self.events else self.end
            self.start = max(self.start, pruned())
        except BaseException:
            self.end, outcome = self.start, Failure()
            raise
        finally:
            self._read.fire(outcome)

    async def wait(self) -> None:
        """Return once another reader has had it read."""
        if self.events is None:
            await self._read.wait()


class Feed:
    """What readers with the same selection and encoding share: bytes that are made once."""

    __slots__ = (
        *("_cache", "_known", "_log", "_newest", "_only", "_pages"),
        *("encoding", "readers", "selection"),
    )

    def __init__(
        self,
        log: EventLog,
        known: KnownSessions,
        selection: Selection,
        encoding: Encoding,
        cache: ChunkCache | None = None,
    ) -> None:
        self.selection = selection
        self.encoding = encoding
        self.readers: set[LogSubscription] = set()
        self._log = log
        self._known = known
        self._only = selection.only
        self._cache = cache or ChunkCache()
        self._newest: tuple[int, int, Chunk] = (0, 0, (b"", 0))
        """The last chunk of the cache, and where it begins: all that keep up come for it."""
        self._pages: WeakSet[ColdPage] | None = None
        """What readers of the past have; most feeds never have any, and a set takes 1 kB."""

    def chunk(self, position: int) -> tuple[bytes, int] | None:
        """Return the bytes after `position`, and the position after them.

        None means that they are neither in memory nor in a page that another reader has.

        :raises UnknownSession: the one session that it selects was deleted.
        """
        only, end = self._only, self._log.recent.position
        if only is not None and not self._known.holds(only):
            raise UnknownSession(only)
        if position >= end:  # beyond it, what was read is newer than what the cache knows of
            return b"", position
        start, until, chunk = self._newest
        if (start, until) == (position, end):
            return chunk
        found = self._cache.get(self, position, end)
        if found is None:
            events = self._log.recent.since(only, position)
            if events is None:
                return self._paged(position)
            found = self.encoded(events, end)
            self._cache.put(self, position, end, found)
        self._newest = position, end, found
        return found

    def _paged(self, position: int) -> tuple[bytes, int] | None:
        page = self._page(position)
        if page is None or page.events is None:
            return None
        if position not in page.made:
            events = [event for event in page.events if event.id > position]
            page.made[position] = self.encoded(events, page.end)
        return page.made[position]

    def _page(self, position: int) -> ColdPage | None:
        pages: Iterable[ColdPage] = self._pages or ()
        return next((page for page in pages if page.covers(position)), None)

    @property
    def end(self) -> int:
        """The id of the last event that may be read."""
        return self._log.recent.position

    def cursor(self, position: int) -> str:
        """Return a position as the cursor that clients keep."""
        return str(Cursor(position, self._log.epoch))

    async def page(self, position: int) -> ColdPage:
        """Read events after `position` that are no longer in memory."""
        page = self._page(position)
        if page is not None:
            await page.wait()
            return page
        page = ColdPage(position, self.end)
        if self._pages is None:
            self._pages = WeakSet()
        self._pages.add(page)
        only = self.selection.only
        events = self._log.read_events(only, position=position, limit=PAGE, size=CHUNK)
        await page.read(events, self.pruned)
        return page

    def encoded(self, events: Sequence[Event], end: int) -> tuple[bytes, int]:
        """Encode the events that are selected; return the position after them too."""
        wanted: Sequence[Event] = [event for event in events if self.wants(event)]
        if isinstance(self.encoding, CompactEncoding):
            wanted = self.encoding.compact(wanted)
        data, count = encode_events(self.encoding, wanted, self._log.epoch, CHUNK)
        return data, end if count == len(wanted) else wanted[count - 1].id

    def wants(self, event: Event) -> bool:
        """Return whether the selection has this event."""
        return self.selection.names_one((event.event,)) and self.covers(event.session)

    def covers(self, session_id: str) -> bool:
        """Return whether the selection has this session."""
        chosen = self.selection
        if not (chosen.labels or chosen.agent):
            return not chosen.sessions or session_id in chosen.sessions
        session = self._known.get(session_id)
        return session is not None and chosen.chooses(session)

    def pruned(self) -> int:
        """Return the id up to which something of the selection may have been dropped."""
        chosen = self.selection
        if chosen.only is not None or not (chosen.sessions or chosen.agent):
            return self._log.recent.pruned(chosen.only)
        known = filter(chosen.chooses, self._known)
        return max((self._log.recent.pruned(session.id) for session in known), default=0)


@implementer(IPushProducer)
class LogSubscription:
    """One live reader: a feed, a position in it, and a sink.

    The transport pauses and resumes it; in between it reads what there is, past and present
    alike, and writes it.  That is all the back-pressure there is.

    :param leave: called once with the subscription when it ends.
    :param states: whether it is sent sessions' states as well.
    """

    def __init__(
        self,
        feed: Feed,
        sink: Sink,
        leave: Callable[[LogSubscription], None],
        *,
        states: bool = False,
        token: str | None = None,
    ) -> None:
        self.feed = feed
        self.states = states
        self.token = token
        """The id of the token that it reads with; None for the host's own user."""
        self.ended = False
        self.position = 0
        self._leave = leave
        self._sink = sink
        self._paused = False
        self._reading = True
        self._idle = False
        """Whether it has read all there is; until it is `due`, nothing new concerns it."""
        self._page: ColdPage | None = None

    @property
    def takes_more(self) -> bool:
        """Whether there is room for another frame now."""
        return not self._paused and not self.ended

    def start(self, begin: Position, hello: dict[str, object]) -> None:
        """Send ``hello``, and ``gap`` if something was missed, and begin at a position."""
        if not self.ended:
            self.position = begin.position
            self._sink.begin(self)
            self.control("hello", {"cursor": self.feed.cursor(begin.position), **hello})
            if begin.missed:
                self.gap(begin.missed, begin.position, begin.why)
            self._reading = False
            self.poke()

    def control(self, name: str, fields: dict[str, object]) -> None:
        """Send a control frame."""
        self._sink.write(self.feed.encoding.control(name, {**fields, **self._sink.tag}))

    def due(self, position: int) -> None:
        """Note that there may be something for it after `position`, and nothing before."""
        if self._idle:
            self.position = max(self.position, position)
            self._idle = False

    def poke(self) -> None:
        """Deliver what there is, unless the reader is behind or being served already."""
        if self._reading or self._paused or self.ended:
            return
        try:
            self._catch_up()
        except UnknownSession:
            self.end("the session is forgotten", reconnect=False)

    def _catch_up(self) -> None:
        while not self._paused and not self.ended:
            before = self.position
            chunk = self.feed.chunk(before)
            if chunk is None:
                pruned = self.feed.pruned()
                if self.position < pruned:
                    self.gap(self.feed.cursor(self.position), pruned, "retention")
                self._reading = True
                Deferred.fromCoroutine(self._read_on()).addErrback(self._failed)
                return
            data, self.position = chunk
            if data:
                self._sink.write(data)
            if self.position >= self.feed.end or self.position == before:
                self._page, self._idle = None, True
                return

    async def _read_on(self) -> None:
        """Have a page of the past read, then go on with it."""
        self._page = await self.feed.page(self.position)
        self._reading = False
        self.poke()

    def gap(self, start: str, end: int, reason: str) -> None:
        """Report that events up to the id `end` are missing, and go on from there."""
        self.control("gap", {"from": start, "to": self.feed.cursor(end), "reason": reason})
        self.position = end

    def _failed(self, failure: Failure) -> None:
        if not failure.check(HostError):
            log.failure("a subscription failed", failure)
        self.end(failure.getErrorMessage(), reconnect=True)

    def beat(self, position: int) -> None:
        """Send a heartbeat, if there is room; an idle reader has come to `position`."""
        if self._idle:
            self.position = max(self.position, position)
        if not self._paused and not self.ended:
            self.control("heartbeat", {"cursor": self.feed.cursor(self.position)})

    def end(self, reason: str, *, reconnect: bool) -> None:
        """End with an ``end`` frame, which says why, and whether to connect again."""
        if not self.ended:
            self.control("end", {"reason": reason, "reconnect": reconnect})
            self.close()
            self._sink.end()

    def close(self) -> None:
        """End without a frame: its client is gone, or has had one."""
        if not self.ended:
            self.ended = True
            self._leave(self)

    def pauseProducing(self) -> None:
        """The transport is full: read no more, and keep nothing."""
        self._paused = True
        self._page = None

    def resumeProducing(self) -> None:
        """The transport has room again: read on from the position."""
        self._paused = False
        self.poke()

    def stopProducing(self) -> None:
        """The client is gone."""
        self.close()
