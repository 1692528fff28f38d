"""The newest events of one session's log, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from sxhost.model.session import Event

__all__ = ["OVERHEAD", "EventRing", "weight"]

OVERHEAD = 512
"""Bytes that an event takes in memory beside its data: its struct, numbers, names and key."""


def weight(event: Event) -> int:
    """Return how many bytes of memory an event counts for."""
    return len(event.data) + OVERHEAD


class EventRing:
    """The newest events of a session: at most `limit`, and `max_size` bytes.

    It has all whose id is greater than `start`.
    """

    def __init__(self, limit: int, max_size: int, start: int = 0) -> None:
        self.start = start
        self.size = 0
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
        self.size += sum(map(weight, events))
        for key, event in keys.items():
            self._keys[key] = event
            self._key_of[event.seq] = key
        left: list[Event] = []
        while len(self._events) > self._limit or self.size > self._max_size:
            left.append(self.pop())
        return left

    def pop(self) -> Event:
        """Remove the oldest event."""
        oldest = self._events.popleft()
        self.start = oldest.id
        self.size -= weight(oldest)
        if self._key_of:
            self._keys.pop(self._key_of.pop(oldest.seq, ""), None)
        return oldest

    def after(self, seq: int) -> list[Event]:
        """Return the events in the ring whose number is greater than `seq`."""
        if not self._events:
            return []
        return list(islice(self._events, max(0, seq - self._events[0].seq + 1), None))

    def since(self, position: int) -> Iterator[Event]:
        """Go through the events in the ring whose id is greater than `position`."""
        low, high = 0, len(self._events)
        while low < high:
            middle = (low + high) // 2
            if self._events[middle].id > position:
                high = middle
            else:
                low = middle + 1
        return islice(self._events, low, None)

    @property
    def oldest(self) -> Event | None:
        """The oldest event in the ring."""
        return self._events[0] if self._events else None
