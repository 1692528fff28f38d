"""Whole summaries of sessions for the subscriptions that want them: all at first, then changes.

A change is a mark on a session, not an entry of a queue: what has changed ten times before a
reader takes it is told once, as it is then.  So titles, labels, queued messages and usage,
which change without an event that says so, come by the same way, and a reader that does not
keep up costs a set of names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sxhost.model.session import Session, Summary
from sxhost.slices import TimeSlicer
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.subscription import LogSubscription

__all__ = ["SummaryBroadcaster"]

LOOK_EVERY: Final = 0.5
"""Seconds between two looks at the sessions, while a subscription wants them."""

COUNTS_EVERY: Final = 10
"""Looks after which a change of counts alone is told: they change with each piece of a text."""

SLICE: Final = 50
"""Sessions that are summarised before others have their turn: half a millisecond."""


class Marks(Struct):
    """The sessions that a reader is to be told of, in the order of their changes."""

    sessions: dict[str, None]
    listed: bool = False
    """Whether it was told of all that there were when it began."""


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
        self._latest: dict[str, Summary] = {}
        self._marked: dict[str, Summary] = {}
        """Each session's summary as it was when it was marked last."""
        self._readers: dict[LogSubscription, Marks] = {}
        self._looks = 0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    async def begin(self, reader: LogSubscription) -> None:
        """Send a reader the summaries of all its sessions; changes follow."""
        await self._summarize_all()
        self._marked = self._marked or dict(self._latest)
        marks = self._readers[reader] = Marks(dict.fromkeys(sorted(self._latest)))
        self._send(reader, marks)
        if not self._loop.running:
            self._loop.start(LOOK_EVERY, now=False)

    def stop(self) -> None:
        """Send no more."""
        if self._loop.running:
            self._loop.stop()

    def _look(self) -> Deferred[None] | None:
        for reader in [reader for reader in self._readers if reader.ended]:
            del self._readers[reader]
        if self._readers:
            return Deferred.fromCoroutine(self._mark_changes())
        self._latest, self._marked = {}, {}
        self._loop.stop()
        return None

    async def _summarize_all(self) -> None:
        latest: dict[str, Summary] = {}
        for number, session in enumerate(self._known, 1):
            latest[session.id] = await self._summarize(session)
            if number % SLICE == 0:
                await self._slices.turn()
        self._latest = latest

    async def _mark_changes(self) -> None:
        self._looks += 1
        await self._summarize_all()
        with_counts = self._looks % COUNTS_EVERY == 0
        changed = [
            session_id
            for session_id, now in self._latest.items()
            if _differ(now, self._marked.get(session_id), with_counts=with_counts)
        ]
        removed = [session_id for session_id in self._marked if session_id not in self._latest]
        self._marked |= {session_id: self._latest[session_id] for session_id in changed}
        for session_id in removed:
            del self._marked[session_id]
        for reader, marks in tuple(self._readers.items()):
            marks.sessions |= dict.fromkeys((*changed, *removed))
            self._send(reader, marks)

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


def _differ(now: Summary, before: Summary | None, *, with_counts: bool) -> bool:
    """Tell whether a summary has changed, by more than when its session was last heard."""
    if before is None:
        return True
    same: dict[str, object] = {"last_seen_ms": before.last_seen_ms}
    if not with_counts:
        same |= {"event_count": before.event_count, "last_event": before.last_event}
    return replace(now, **same) != before
