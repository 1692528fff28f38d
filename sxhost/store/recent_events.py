"""The end of all logs in memory: each session's newest events, and the last of all sessions.

It is bounded in number and in bytes: `ring_bytes` for a session, `hot_bytes` for all.  What
leaves it is read from the journal, where there is one; but for superseded pieces, which nobody
needs to read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heapreplace, merge
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

from sxhost.errors import UnknownSession
from sxhost.model.event import Event
from sxhost.model.event_types import PIECES
from sxhost.model.limits import Limits
from sxhost.model.pieces import Superseded, stream_of
from sxhost.model.status import Memory
from sxhost.store.event_ring import EventRing, weight
from sxhost.store.superseded import SupersededPieces, by_session

__all__ = ["RECENT", "Floor", "RecentEvents", "take_enough"]

RECENT = 4096
"""Events of all sessions together that are kept in one line, for those who read them all."""

SHRINK = 0.95
"""Share of `hot_bytes` that remains when it is reached: leaving in bulk is cheaper."""

_event_id = attrgetter("id")


def take_enough(events: Iterable[Event], limit: int | None, size: int | None) -> list[Event]:
    """Take events until there are `limit`, or `size` bytes of data."""
    taken: list[Event] = []
    for event in islice(events, limit):
        taken.append(event)
        if size is not None:
            size -= len(event.data)
            if size <= 0:
                break
    return taken


class Floor(NamedTuple):
    """Where a retained log begins: its first `seq`, and the id that was dropped last."""

    seq: int
    pruned: int


WHOLE = Floor(1, 0)
"""The floor of a log of which retention has dropped nothing."""

SessionEvents = tuple[str, Sequence[Event], Mapping[str, Event]]
"""A session's id, its new events, and those of them that have an idempotency key, by key."""


class RecentEvents:
    """A cache of the newest events, which a store feeds with what was committed.

    It knows where the logs end (`position`) and begin (`pruned`) as well.  It may be behind
    by what another writer has just committed; `EventLog.read_events` is not.

    An event that is both in its session's ring and in the line of all counts once; each of
    the two has all that is newer than its `start`, so an event's id tells where it is.

    :param only_copy: whether there is no journal: what leaves memory is pruned.
    """

    def __init__(
        self, limits: Limits, *, only_copy: bool = False, line_length: int = RECENT
    ) -> None:
        self.position = 0
        """The id of the last event that may be read."""
        self.size = 0
        """Bytes of memory that the events take, `hot_bytes` at the most."""
        self.line_start = 0
        """The id after which the line of all sessions has every event."""
        self.superseded = SupersededPieces()
        """Pieces that the log has whole and that are still there."""
        self._limits = limits
        self._only_copy = only_copy
        self._line_length = line_length
        self._line: deque[Event] = deque()
        self._rings: dict[str, EventRing] = {}
        self._floors: dict[str, Floor] = {}
        self._archived: dict[str, int] = {}
        """Where the logs of archived sessions end."""
        self._pruned = 0

    # What readers ask.

    @property
    def buffered(self) -> int:
        """The id after which a reader of all sessions begins that names no place.

        With a journal it is counted from the end, so that a restart does not move it.
        """
        if self._only_copy:
            return self.line_start
        return max(self._pruned, self.position - RECENT)

    def floor(self, session_id: str) -> Floor:
        """Return where the retained log of a session begins.

        :raises UnknownSession: there is no such session.
        """
        if session_id not in self._rings and session_id not in self._archived:
            raise UnknownSession(session_id)
        return self._floors.get(session_id, WHOLE)

    def pruned(self, session_id: str | None) -> int:
        """Return the id up to which retention has dropped events, 0 if it has dropped none.

        No session means all of them together.

        :raises UnknownSession: there is no such session.
        """
        return self._pruned if session_id is None else self.floor(session_id).pruned

    def since(self, session_id: str | None, position: int) -> list[Event] | None:
        """Return the events after the id `position`, or None if memory has not all of them.

        No session means all of them together.

        :raises UnknownSession: there is no such session.
        """
        if session_id is None:
            return self._line_since(position)
        end = self._archived.get(session_id)
        if end is not None:
            return [] if position >= end else None
        pruned, ring = self.pruned(session_id), self._rings[session_id]
        if position >= ring.start:
            return list(ring.since(position))
        # What a flood has driven out of the ring is still among the last of all sessions.
        newer = self._line_since(position) if position >= pruned else None
        return newer and [event for event in newer if event.session == session_id]

    def after_seq(self, session_id: str, seq: int) -> list[Event] | None:
        """Return a session's events after a number, or None if memory has not all of them."""
        ring = self._rings.get(session_id)
        if ring is None or ring.oldest is None or seq + 1 < ring.oldest.seq:
            return None
        return ring.after(seq)

    def seq_before(self, session_id: str, count: int) -> int | None:
        """Return the number after which a session's last `count` facts come; 0 for all.

        None means that memory has not so many.
        """
        ring = self._rings.get(session_id)
        if ring is None:
            return None
        seq = ring.seq_before(count)
        return 0 if seq is None and (self._only_copy or not ring.start) else seq

    def retained(
        self, session_id: str | None, *, seq: int = 0, position: int = 0
    ) -> Iterable[Event]:
        """Go through what memory has, even if that is not all that comes after a place.

        The place is `seq` for a session, and the id `position` for all sessions together.
        """
        if session_id is not None:
            return self._rings[session_id].after(seq)
        return self._line_since(position) or merge(
            *(ring.since(position) for ring in self._rings.values()), key=_event_id
        )

    def backwards(self, before: int) -> Iterable[Event]:
        """Go through what sessions' rings have whose id is less, the newest first."""
        rings = (ring.backwards(before) for ring in self._rings.values())
        return merge(*rings, key=_event_id, reverse=True)

    def _line_since(self, position: int) -> list[Event] | None:
        if position < self.line_start:
            return None
        newer: list[Event] = []
        for event in reversed(self._line):
            if event.id <= position:
                break
            newer.append(event)
        newer.reverse()
        return newer

    def memory(self) -> Memory:
        """Return the figures of what is in memory."""
        largest = max((ring.size for ring in self._rings.values()), default=0)
        return Memory(events=self.size, largest=largest, superseded=len(self.superseded))

    # What a store feeds.

    def start_at(self, position: int) -> None:
        """Begin empty at the end of a log that a journal has."""
        self.position = self.line_start = position

    def open(self, session_id: str, start: int = 0) -> EventRing:
        """Add a session that has no events after `start`; return its ring."""
        self._archived.pop(session_id, None)
        ring = EventRing(self._limits.events, self._limits.ring_bytes, start)
        self._rings[session_id] = ring
        return ring

    def append(self, logs: Iterable[SessionEvents], position: int) -> None:
        """Add the events of one commit, after which the log ends at the id `position`."""
        added: list[Sequence[Event]] = []
        for session_id, events, keys in logs:
            added.append(events)
            left = self._rings[session_id].extend(events, keys)
            for event in left:
                self._left_ring(event)
            if left:
                self._ring_begins_after(left[-1])
        self.position = position
        self._extend_line(added[0] if len(added) == 1 else list(merge(*added, key=_event_id)))
        if self.size > self._limits.hot_bytes:
            self._shrink()

    def drop_pieces(self, superseded: Iterable[Superseded]) -> None:
        """Let go of pieces that the log has whole."""
        dropped: dict[int, Event] = {}
        ends = by_session(superseded)
        for session_id, streams in ends.items():
            ring = self._rings.get(session_id)
            if ring is not None:
                # Without a journal nothing else would know what an idempotency key stands for.
                left = ring.drop_pieces(streams, but_keys=self._only_copy)
                dropped.update((event.id, event) for event in left)

        def leaves(event: Event) -> bool:
            if event.event not in PIECES or event.session not in ends:
                return False
            ring = self._rings.get(event.session)
            if ring is not None and event.id > ring.start:
                return event.id in dropped
            return event.seq < ends[event.session].get(stream_of(event) or "", 0)

        in_line = [event for event in self._line if leaves(event)]
        dropped.update((event.id, event) for event in in_line)
        if in_line:
            self._line = deque(event for event in self._line if event.id not in dropped)
        self.size -= sum(map(weight, dropped.values()))

    def drop(self, session_id: str, floor: Floor) -> None:
        """Take note that retention has moved the floor of a session's log."""
        pruned = max(floor.pruned, self._floors.get(session_id, WHOLE).pruned)
        self._floors[session_id] = Floor(floor.seq, pruned)
        self._pruned = max(self._pruned, pruned)

    def archive(self, session_id: str, end: int) -> None:
        """Let go of a session's events; none of them has an id greater than `end`."""
        self._close(session_id)
        self._archived[session_id] = end

    def remove(self, session_id: str) -> None:
        """Remove a session that was deleted, and all its events."""
        self._close(session_id)
        self.superseded.forget(session_id)
        self._floors.pop(session_id, None)
        end = self._archived.pop(session_id, self.position)
        if end > self.line_start:  # one that was archived long ago has nothing in the line
            self.size -= sum(weight(e) for e in self._line if e.session == session_id)
            self._line = deque(e for e in self._line if e.session != session_id)

    def _close(self, session_id: str) -> None:
        ring = self._rings.pop(session_id, None)
        while ring:
            self._left_ring(ring.pop())

    def _left_ring(self, event: Event) -> None:
        if event.id <= self.line_start:
            self.size -= weight(event)

    def _ring_begins_after(self, left: Event) -> None:
        if self._only_copy:  # ids only rise, so this floor is above the one before
            self._floors[left.session] = Floor(left.seq + 1, left.id)
            self._pruned = max(self._pruned, left.id)

    def _extend_line(self, events: Sequence[Event]) -> None:
        self._line.extend(events)
        self.size += sum(map(weight, events))
        while len(self._line) > self._line_length:
            self._pop_line()

    def _pop_line(self) -> None:
        event = self._line.popleft()
        self.line_start = event.id
        ring = self._rings.get(event.session)
        if ring is None or event.id <= ring.start:
            self.size -= weight(event)

    def _shrink(self) -> None:
        """Let the oldest events of all go, until there is some room."""
        oldest = [(ring.oldest.id, ring) for ring in self._rings.values() if ring.oldest]
        heapify(oldest)
        left: dict[str, Event] = {}
        while self.size > self._limits.hot_bytes * SHRINK and (oldest or self._line):
            if self._line and (not oldest or self._line[0].id <= oldest[0][0]):
                self._pop_line()
                continue
            ring = oldest[0][1]
            event = ring.pop()
            self._left_ring(event)
            left[event.session] = event
            if ring.oldest:
                heapreplace(oldest, (ring.oldest.id, ring))
            else:
                heappop(oldest)
        for event in left.values():
            self._ring_begins_after(event)
