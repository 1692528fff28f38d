"""What an agent has to report and could not yet: in order, and of bounded size."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from sxhost.codec.json import encode
from sxhost.model.session import EventDraft

__all__ = ["MOST_BYTES", "MOST_EVENTS", "Spool"]

MOST_EVENTS = 2000
"""Events that are kept while the host is away: an hour of lively work."""

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of their JSON."""


class Entry(Struct, frozen=True):
    """An event that waits, and how many bytes of JSON it is."""

    draft: EventDraft
    size: int


class Spool:
    """Events in the order of their firing; the oldest go when there is no more room.

    `lost` counts those that went, until somebody was told.
    """

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self.lost = 0
        self._waiting: deque[Entry] = deque()
        self._bytes = 0
        self._most_events = most_events
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._waiting)

    def put(self, draft: EventDraft) -> None:
        """Keep an event.

        :raises TypeError: its data are no JSON.
        """
        entry = Entry(draft, len(encode(draft)))
        self._waiting.append(entry)
        self._bytes += entry.size
        while len(self._waiting) > self._most_events or self._bytes > self._most_bytes:
            self._pop()
            self.lost += 1

    def first(self, most_events: int, most_bytes: int) -> Sequence[EventDraft]:
        """Return the oldest events, at least one if there is any; they stay."""
        chosen: list[EventDraft] = []
        size = 0
        for entry in islice(self._waiting, most_events):
            size += entry.size
            if chosen and size > most_bytes:
                break
            chosen.append(entry.draft)
        return chosen

    def remove(self, drafts: Sequence[EventDraft]) -> None:
        """Let go of events that were `first`; some of them may have gone already."""
        done = {id(draft) for draft in drafts}
        while self._waiting and id(self._waiting[0].draft) in done:
            self._pop()

    def drop(self, draft: EventDraft) -> None:
        """Let go of one event, wherever it stands: nobody will ever take it."""
        self._waiting = deque(e for e in self._waiting if e.draft is not draft)
        self._bytes = sum(entry.size for entry in self._waiting)

    def _pop(self) -> None:
        self._bytes -= self._waiting.popleft().size
