"""Where readings of the logs begin, and the logs read once: without a hub, without time."""

from __future__ import annotations

from sxhost.codec.frames import NDJSON
from sxhost.limits import Limits
from sxhost.model import Cursor, Event, EventQuery, LogQuery
from sxhost.store import Store
from sxhost.subscription import Feed, Place, Selection

__all__ = ["Logs", "selection"]

PAGE = 10_000
"""Events of all sessions that one answer brings at the most."""


class Logs:
    """The logs of all sessions, for reading."""

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def events(self, session_id: str, query: EventQuery) -> list[Event]:
        """Read events in order: the buffered ones, or all that are retained after a cursor.

        A cursor of another epoch begins with the oldest.
        """
        session = await self._store.session(session_id)
        buffered = max(0, session.event_count - self._limits.events)
        cursor = Cursor.parse(query.after or str(buffered))
        ours = cursor.epoch == self._store.epoch
        return await self._store.read(
            session_id,
            seq=0 if cursor.epoch else cursor.position,
            position=cursor.position if ours else 0,
            limit=query.limit,
            names=query.names(),
        )

    async def log(self, query: LogQuery) -> list[Event]:
        """Read the events of many sessions, in the order of their ids: a page at the most."""
        feed = Feed(self._store, selection(query), NDJSON)
        place = await self.place(None, query.after)
        found: list[Event] = []
        position, most = place.position, min(query.limit, PAGE)
        while len(found) < most:
            events = await self._store.read(None, position=position, limit=PAGE)
            found += filter(feed.wants, events)
            if len(events) < PAGE:
                break
            position = events[-1].id
        return found[:most]

    async def place(self, session_id: str | None, after: str) -> Place:
        """Find the place that a cursor means; without one, where the buffer begins."""
        now = self._store.position
        cursor = Cursor.parse(after)
        if cursor.epoch and cursor.epoch != self._store.epoch:
            return Place(self._store.pruned(session_id), after, "another epoch")
        if cursor.epoch or session_id is None:
            position = cursor.position if after else self._store.buffered
            if cursor.epoch and position > now:  # an old copy of the store was put back
                return Place(now, after, "another epoch")
            return Place(min(position, now))
        session = await self._store.session(session_id)
        seq = cursor.position if after else max(0, session.event_count - self._limits.events)
        events = await self._store.read(session_id, seq=min(seq, session.event_count), limit=1)
        missed = f"{seq}" if after and events and events[0].seq > seq + 1 else ""
        return Place(events[0].id - 1 if events else now, missed, "retention")


def selection(query: EventQuery, session_id: str | None = None) -> Selection:
    """Return what a query selects."""
    sessions = [] if session_id is None else [session_id]
    labels: list[tuple[str, str]] = []
    if isinstance(query, LogQuery):
        sessions += filter(None, query.session.split(","))
        name, colon, value = query.label.partition(":")
        labels += [(name, value)] if colon else []
    return Selection(frozenset(sessions), frozenset(labels), query.names())
