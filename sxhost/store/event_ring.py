"""The newest events of one session's log, in memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter

from sxhost.model.event import Event
from sxhost.model.event_types import PIECES
from sxhost.model.pieces import stream_of

__all__ = ["OVERHEAD", "EventRing", "weight"]

OVERHEAD = 512
"""Bytes that an event takes in memory beside its data: its struct, numbers, names and key."""


_seq, _id = attrgetter("seq"), attrgetter("id")


def weight(event: Event) -> int:
    """Return how many bytes of memory an event counts for."""
    return len(event.data) + OVERHEAD


class EventRing:
    """The newest events of a session: at most `limit` facts with the pieces between them.

    They have at most `max_size` bytes.  It has all events whose id is greater than `start`, but
    for superseded pieces.
    """

    def __init__(self, limit: int, max_size: int, start: int = 0) -> None:
        self.start = start
        self.size = 0
        self.facts = 0
        """How many of the events are no pieces."""
        self.keys_start = start
        """It finds the keys of all events whose id is greater."""
        self._limit = limit
        self._max_size = max_size
        self._events: deque[Event] = deque()
        self._keys: dict[str, Event] = {}
        self._key_of: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._events)

    def find_key(self, key: str) -> Event | None:
        """Return the event in the ring that was appended under an idempotency key."""
        return self._keys.get(key)

    def extend(self, events: Sequence[Event], keys: Mapping[str, Event]) -> list[Event]:
        """Add events at the end, with the idempotency keys of some; return those that left."""
        self._events.extend(events)
        for event in events:
            self.size += weight(event)
            self.facts += event.event not in PIECES
        for key, event in keys.items():
            self._keys[key] = event
            self._key_of[event.seq] = key
        left: list[Event] = []
        while self.facts > self._limit or self.size > self._max_size:
            left.append(self.pop())
        return left

    def pop(self) -> Event:
        """Remove the oldest event."""
        oldest = self._events.popleft()
        self.start = oldest.id
        self.facts -= oldest.event not in PIECES
        self._left(oldest)
        return oldest

    def _left(self, event: Event) -> None:
        self.size -= weight(event)
        if self._key_of and event.seq in self._key_of:
            self._keys.pop(self._key_of.pop(event.seq), None)
        self.keys_start = max(self.keys_start, event.id)

    def lose_keys(self, until: int) -> None:
        """Take note that keys of events up to an id may be found in the journal alone."""
        self.keys_start = max(self.keys_start, until)

    def drop_pieces(self, ends: Mapping[str, int], *, but_keys: bool) -> list[Event]:
        """Remove the pieces of streams that precede the streams' ends; return them.

        :param but_keys: whether those stay that have an idempotency key.
        """
        dropped = [
            event
            for event in self._events
            if event.event in PIECES
            and event.seq < ends.get(stream_of(event) or "", 0)
            and not (but_keys and event.seq in self._key_of)
        ]
        left = {event.seq for event in dropped}
        if left:
            self._events = deque(event for event in self._events if event.seq not in left)
        for event in dropped:
            self._left(event)
        return dropped

    def seq_before(self, count: int) -> int | None:
        """Return the number after which the last `count` facts come; None if it has fewer."""
        if count > self.facts:
            return None
        for event in reversed(self._events):
            count -= event.event not in PIECES
            if count <= 0:
                return event.seq - 1
        return None

    def after(self, seq: int) -> list[Event]:
        """Return the events in the ring whose number is greater than `seq`."""
        return list(islice(self._events, bisect_right(self._events, seq, key=_seq), None))

    def since(self, position: int) -> Iterator[Event]:
        """Go through the events in the ring whose id is greater than `position`."""
        return islice(self._events, bisect_right(self._events, position, key=_id), None)

    def backwards(self, before: int) -> Iterator[Event]:
        """Go through the events in the ring whose id is less, the newest first."""
        newer = len(self._events) - bisect_left(self._events, before, key=_id)
        return islice(reversed(self._events), newer, None)

    @property
    def oldest(self) -> Event | None:
        """The oldest event in the ring."""
        return self._events[0] if self._events else None
