"""Feeds by what they select, so that a write wakes only those that it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator

from sxhost.model.event import Event
from sxhost.model.subscription import Selection
from sxhost.store.known_sessions import KnownSessions
from sxhost.streams.subscription import Feed

__all__ = ["FeedIndex"]

EVERY = None
"""The key of feeds that any event may concern."""


class FeedIndex:
    """Finds feeds by their sessions, else by one of their labels, else by their names."""

    def __init__(self, known: KnownSessions) -> None:
        self._known = known
        self._feeds: defaultdict[Hashable, set[Feed]] = defaultdict(set)

    def add(self, feed: Feed) -> None:
        """Add a feed."""
        for key in _keys(feed.selection):
            self._feeds[key].add(feed)

    def discard(self, feed: Feed) -> None:
        """Undo `add`."""
        for key in _keys(feed.selection):
            self._feeds[key].discard(feed)
            if not self._feeds[key]:
                del self._feeds[key]

    def of_session(self, session_id: str) -> set[Feed]:
        """Return the feeds that name a session."""
        return self._feeds.get(("session", session_id), set())

    def concerned(self, events: Iterable[Event]) -> set[Feed]:
        """Return the feeds that events may concern: all that they do, and few others."""
        names_by_session: defaultdict[str, set[str]] = defaultdict(set)
        for event in events:
            names_by_session[event.session].add(event.event)
        every = frozenset[str]().union(*names_by_session.values())
        found = {f for f in self._feeds.get(EVERY, ()) if f.selection.names_one(every)}
        for session_id, names in names_by_session.items():
            for key in self._keys_of(session_id):
                found.update(
                    f for f in self._feeds.get(key, ()) if f.selection.names_one(names)
                )
            for name in names:
                found |= self._feeds.get(("name", name), set())
        return found

    def _keys_of(self, session_id: str) -> Iterator[Hashable]:
        yield "session", session_id
        session = self._known.get(session_id)
        for label in session.labels.items() if session else ():
            yield "label", label


def _keys(selection: Selection) -> list[Hashable]:
    """Return under which keys a selection stands; all its labels have to be there anyway."""
    if selection.sessions:
        return [("session", session_id) for session_id in selection.sessions]
    if selection.labels:
        return [("label", min(selection.labels))]
    return [("name", name) for name in selection.names] or [EVERY]
