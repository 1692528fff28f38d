"""Whole summaries of sessions for the subscriptions that want them: all at first, then changes.

A change is a mark on a session, not an entry of a queue: what has changed ten times before a
reader takes it is told once, as it is then.  So titles, labels, queued messages and usage,
which change without an event that says so, come by the same way, and a reader that does not
keep up costs a set of names.

Only what may have changed is summarised: the sessions that a commit has touched, and those
that the mere passing of time changes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.model.session import Session, Summary
from sxhost.model.session_state import changes_by_silence
from sxhost.model.subscription import Summaries
from sxhost.slices import TimeSlicer
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.subscription import LogSubscription

__all__ = ["SummaryBroadcaster"]

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at what has changed, while a subscription wants it."""

COUNTS_EVERY: Final = 10
"""Looks after which a change of counts alone is told: they change with each piece of a text."""

SILENCE_EVERY: Final = 4
"""Looks after which sessions are looked at that change with time alone: two seconds."""

SLICE: Final = 50
"""Sessions that are summarised before others have their turn: half a millisecond."""


class Marks(Struct):
    """The sessions that a reader is to be told of, in the order of their changes."""

    sessions: dict[str, None]
    listed: bool = False
    """Whether it was told of all that there were when it began, or need not be."""


class SummaryBroadcaster:
    """Sends summaries to the subscriptions that want them.

    :param summarize: returns a session's summary as it is now.
    """

    def __init__(
        self,
        known: KnownSessions,
        clock: IReactorTime,
        slices: TimeSlicer,
        summarize: Callable[[Session], Awaitable[Summary]],
    ) -> None:
        self._known = known
        self._slices = slices
        self._summarize = summarize
        self._touched: dict[str, None] = {}
        """Sessions that were changed since they were summarised."""
        self._restless: set[str] = set()
        """Sessions that change with time, without being touched."""
        self._latest: dict[str, Summary] = {}
        self._marked: dict[str, Summary] = {}
        """Each session's summary as it was when it was marked last."""
        self._unmarked: dict[str, None] = {}
        """Sessions whose latest summary may be another one than that."""
        self._readers: dict[LogSubscription, Marks] = {}
        self._looks = 0
        self._summarizing = DeferredLock()
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    async def begin(self, reader: LogSubscription, wanted: Summaries = True) -> None:
        """Send a reader the summaries of all its sessions, if it wants them; changes follow."""
        is_first = not self._loop.running
        if is_first:
            self._known.watch(self._touch)
            self._touched = dict.fromkeys(session.id for session in self._known)
            self._loop.start(LOOK_EVERY, now=False)
        await self._catch_up()
        if is_first:
            self._marked, self._unmarked = dict(self._latest), {}
        at_first = () if wanted == "changes" else sorted(self._latest)
        marks = self._readers[reader] = Marks(dict.fromkeys(at_first))
        self._send(reader, marks)

    def stop(self) -> None:
        """Send no more."""
        if self._loop.running:
            self._loop.stop()
            self._known.unwatch(self._touch)
            self._latest, self._marked = {}, {}
            self._restless, self._unmarked = set(), {}

    def _touch(self, session_id: str) -> None:
        self._touched[session_id] = None

    def _look(self) -> Deferred[None] | None:
        for reader in [reader for reader in self._readers if reader.ended]:
            del self._readers[reader]
        if self._readers or self._summarizing.locked:
            return Deferred.fromCoroutine(self._mark_changes())
        self.stop()
        return None

    async def _catch_up(self) -> None:
        """Summarise what may have changed."""
        async with self._summarizing:
            due, self._touched = self._touched, {}
            if self._looks % SILENCE_EVERY == 0:
                due |= dict.fromkeys(self._restless)
            self._unmarked |= due
            for number, session_id in enumerate(due, 1):
                await self._look_at(session_id)
                if number % SLICE == 0:
                    await self._slices.turn()

    async def _look_at(self, session_id: str) -> None:
        self._restless.discard(session_id)
        session = self._known.get(session_id)
        if session is None:
            self._latest.pop(session_id, None)
            return
        summary = self._latest[session_id] = await self._summarize(session)
        if summary.queued_messages or changes_by_silence(session):
            self._restless.add(session_id)  # messages have an age at which they go

    async def _mark_changes(self) -> None:
        self._looks += 1
        await self._catch_up()
        changed = self._changed(with_counts=self._looks % COUNTS_EVERY == 0)
        for reader, marks in tuple(self._readers.items()):
            marks.sessions |= changed
            self._send(reader, marks)

    def _changed(self, *, with_counts: bool) -> dict[str, None]:
        """Return the sessions of which readers are to be told now."""
        changed: dict[str, None] = {}
        for session_id in self._unmarked:
            now, before = self._latest.get(session_id), self._marked.get(session_id)
            if _differ(now, before, with_counts=with_counts):
                changed[session_id] = None
                if now is None:
                    del self._marked[session_id]
                else:
                    self._marked[session_id] = now
        if with_counts:
            self._unmarked = {}
        return changed

    def _send(self, reader: LogSubscription, marks: Marks) -> None:
        """Tell a reader what is marked for it, as long as it takes more."""
        while marks.sessions and reader.takes_more:
            session_id = next(iter(marks.sessions))
            del marks.sessions[session_id]
            summary = self._latest.get(session_id)
            if summary is None:
                reader.control("forgotten", {"session": session_id})
            elif reader.feed.covers(session_id):
                reader.control("summary", {"session": session_id, "summary": summary})
        if not marks.listed and not marks.sessions and reader.takes_more:
            marks.listed = True
            reader.control("listed", {})


def _differ(now: Summary | None, before: Summary | None, *, with_counts: bool) -> bool:
    """Tell whether a summary has changed, by more than when its session was last heard."""
    if now is None or before is None:
        return now is not before
    same: dict[str, object] = {"last_seen_ms": before.last_seen_ms}
    if not with_counts:
        same |= {"event_count": before.event_count, "last_event": before.last_event}
    return replace(now, **same) != before
