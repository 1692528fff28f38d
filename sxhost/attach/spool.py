"""The events that an agent has fired and the host has not yet: in order, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice

from msgspec import Struct

from sxhost.codec.json import encode
from sxhost.model.event import EventDraft

__all__ = ["MOST_BYTES", "MOST_EVENTS", "Spool"]

MOST_EVENTS = 2000
"""Events that are kept while the host is not there: an hour of lively work."""

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of their JSON."""


class SpooledEvent(Struct, frozen=True):
    """An event that waits, and the bytes of its JSON."""

    draft: EventDraft
    size: int


class Spool:
    """A queue of events; the oldest are dropped when it is full.

    `lost` counts the dropped ones that nobody has reported yet.
    """

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self.lost = 0
        self._waiting: deque[SpooledEvent] = deque()
        self._bytes = 0
        self._most_events = most_events
        self._most_bytes = most_bytes

    def __len__(self) -> int:
        """Return how many events wait."""
        return len(self._waiting)

    def put(self, draft: EventDraft) -> None:
        """Append an event."""
        entry = SpooledEvent(draft, len(encode(draft)))
        self._waiting.append(entry)
        self._bytes += entry.size
        while len(self._waiting) > self._most_events or self._bytes > self._most_bytes:
            self._pop()
            self.lost += 1

    def first(self, most_events: int, most_bytes: int) -> Sequence[EventDraft]:
        """Return the oldest events without removing them, at least one if there is any."""
        chosen: list[EventDraft] = []
        size = 0
        for entry in islice(self._waiting, most_events):
            size += entry.size
            if chosen and size > most_bytes:
                break
            chosen.append(entry.draft)
        return chosen

    def remove(self, drafts: Sequence[EventDraft]) -> None:
        """Remove events that `first` has returned; some may have been dropped meanwhile."""
        sent = {id(draft) for draft in drafts}
        while self._waiting and id(self._waiting[0].draft) in sent:
            self._pop()

    def drop(self, draft: EventDraft) -> None:
        """Remove one event, wherever it stands: no host will ever take it."""
        self._waiting = deque(e for e in self._waiting if e.draft is not draft)
        self._bytes = sum(entry.size for entry in self._waiting)

    def _pop(self) -> None:
        self._bytes -= self._waiting.popleft().size
