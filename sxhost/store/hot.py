"""What memory has of all logs: the newest events of each session, and the last of all.

Everything is bounded in number and in bytes (`ring_bytes` for a session, `hot_bytes` for
all).  What leaves is read from the disk, where there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heapreplace, merge
from operator import attrgetter

from sxhost.model.limits import Limits
from sxhost.model.session import Event
from sxhost.store.recent_events import RecentEvents, weight

__all__ = ["RECENT", "EventCache"]

RECENT = 4096
"""Events of all sessions together that are kept in one line, for those who read them all."""

SHRINK = 0.95
"""Share of `hot_bytes` that remains when it is reached: leaving in bulk is cheaper."""

_number = attrgetter("id")


class EventCache:
    """The rings of all sessions and the last events of all; `size` is their bytes together.

    An event that is in both counts once.  Each has all that is newer than its `start`, so
    an event's id tells where it is.
    """

    def __init__(self, limits: Limits, most_recent: int = RECENT) -> None:
        self.start = 0
        self.size = 0
        self._limits = limits
        self._most_recent = most_recent
        self._rings: dict[str, RecentEvents] = {}
        self._recent: deque[Event] = deque()

    def open(self, session_id: str, start: int = 0) -> RecentEvents:
        """Return a new ring, for a session without events after `start`."""
        ring = RecentEvents(self._limits.events, self._limits.ring_bytes, start)
        self._rings[session_id] = ring
        return ring

    def extend(
        self, session_id: str, events: Sequence[Event], keys: Mapping[str, Event]
    ) -> bool:
        """Keep a session's events in its ring; return whether older ones had to leave it."""
        left = self._rings[session_id].extend(events, keys)
        for event in left:
            self._left_ring(event)
        return bool(left)

    def add_recent(self, events: Sequence[Event]) -> set[str]:
        """Keep events that their rings have by now in the line of all, in order.

        Return the sessions whose rings had to become shorter, so that all has room.
        """
        self._recent.extend(events)
        self.size += sum(map(weight, events))
        while len(self._recent) > self._most_recent:
            self._pop_recent()
        return self._shrink() if self.size > self._limits.hot_bytes else set()

    def recent(self, position: int) -> list[Event] | None:
        """Return all sessions' events after `position`, or None if memory has not all."""
        if position < self.start:
            return None
        newer: list[Event] = []
        for event in reversed(self._recent):
            if event.id <= position:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def merged(self, position: int) -> Iterator[Event]:
        """Go through what the rings have after `position`, in the order of the ids."""
        rings = [ring.since(position) for ring in self._rings.values()]
        return merge(*rings, key=_number)

    def close(self, session_id: str) -> None:
        """Let a session's ring go."""
        ring = self._rings.pop(session_id, None)
        while ring:
            self._left_ring(ring.pop())

    def forget(self, session_id: str) -> None:
        """Let a session's ring and all its events go."""
        self.close(session_id)
        kept = [event for event in self._recent if event.session != session_id]
        if len(kept) < len(self._recent):
            gone = (event for event in self._recent if event.session == session_id)
            self.size -= sum(map(weight, gone))
            self._recent = deque(kept)

    def _left_ring(self, event: Event) -> None:
        if event.id <= self.start:
            self.size -= weight(event)

    def _pop_recent(self) -> None:
        event = self._recent.popleft()
        self.start = event.id
        ring = self._rings.get(event.session)
        if ring is None or event.id <= ring.start:
            self.size -= weight(event)

    def _shrink(self) -> set[str]:
        """Let the oldest events of all go, until there is some room."""
        oldest = [(ring.oldest.id, ring) for ring in self._rings.values() if ring.oldest]
        heapify(oldest)
        shortened: set[str] = set()
        while self.size > self._limits.hot_bytes * SHRINK and (oldest or self._recent):
            if self._recent and (not oldest or self._recent[0].id <= oldest[0][0]):
                self._pop_recent()
                continue
            ring = oldest[0][1]
            event = ring.pop()
            self._left_ring(event)
            shortened.add(event.session)
            if ring.oldest:
                heapreplace(oldest, (ring.oldest.id, ring))
            else:
                heappop(oldest)
        return shortened
