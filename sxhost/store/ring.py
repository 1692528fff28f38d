"""The hot end of one session's log."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice

from sxhost.model import Event

__all__ = ["Ring"]


class Ring:
    """The newest `limit` events of a session, and the keys under which they came.

    It has all whose id is greater than `start`.
    """

    def __init__(self, limit: int, start: int = 0) -> None:
        self.start = start
        self._limit = limit
        self._events: deque[Event] = deque()
        self._keys: dict[str, Event] = {}
        self._key_of: dict[int, str] = {}

    def known(self, key: str | None) -> Event | None:
        """Return the event in the ring that was appended under `key`."""
        return None if key is None else self._keys.get(key)

    def extend(self, events: Sequence[Event], keys: Mapping[str, Event]) -> bool:
        """Keep events; return whether older ones had to leave."""
        self._events.extend(events)
        for key, event in keys.items():
            self._keys[key] = event
            self._key_of[event.seq] = key
        excess = len(self._events) - self._limit
        for _ in range(excess):
            gone = self._events.popleft()
            self.start = gone.id
            if self._key_of:
                self._keys.pop(self._key_of.pop(gone.seq, ""), None)
        return excess > 0

    def after(self, seq: int) -> list[Event]:
        """Return the events in the ring whose number is greater than `seq`."""
        if not self._events:
            return []
        return list(islice(self._events, max(0, seq - self._events[0].seq + 1), None))

    def since(self, position: int) -> list[Event]:
        """Return the events in the ring whose id is greater than `position`."""
        newer: list[Event] = []
        for event in reversed(self._events):
            if event.id <= position:
                break
            newer.append(event)
        newer.reverse()
        return newer

    @property
    def oldest(self) -> Event | None:
        """The oldest event in the ring."""
        return self._events[0] if self._events else None
