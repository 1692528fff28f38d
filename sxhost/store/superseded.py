"""The pieces of logs that are there whole: they linger for a moment, then they leave.

Whoever reads live gets them in that moment; whoever comes later reads the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, takewhile

from sxhost.model.event import Event
from sxhost.model.event_types import PIECES
from sxhost.model.pieces import Superseded, stream_of

__all__ = ["LINGER_S", "STEP", "SupersededPieces", "by_session"]

LINGER_S = 1.0
"""Seconds that pieces stay once they are superseded: readers who keep up have them by then."""

STEP = 16
"""Streams whose pieces leave in one step: well below a millisecond of work, mostly."""


class SupersededPieces:
    """What is superseded and may still be somewhere in memory or in the journal."""

    def __init__(self) -> None:
        self._since: dict[Superseded, float] = {}
        self._ends: dict[str, dict[str, int]] = {}
        """By session and stream: the last event that has the stream whole."""

    def __len__(self) -> int:
        return len(self._since)

    def add(self, pieces: Iterable[Superseded], since: float) -> None:
        """Note what is superseded since a monotonic time."""
        for each in pieces:
            self._since[each] = since
            self._ends.setdefault(each.session, {})[each.stream] = each.seq

    def has(self, event: Event) -> bool:
        """Tell whether an event is a piece that the log has whole."""
        if event.event not in PIECES or event.session not in self._ends:
            return False
        return event.seq < self._ends[event.session].get(stream_of(event) or "", 0)

    def due(self, now: float) -> Sequence[Superseded]:
        """Return what leaves in the next step: what has lingered, oldest first."""
        if not self._since:
            return ()
        until = now - LINGER_S
        lingered = takewhile(lambda pair: pair[1] <= until, self._since.items())
        return [each for each, _ in islice(lingered, STEP)]

    def remove(self, pieces: Iterable[Superseded]) -> None:
        """Take note that nothing is left of these."""
        for each in pieces:
            if self._since.pop(each, None) is not None:
                self._remove_end(each)

    def _remove_end(self, left: Superseded) -> None:
        ends = self._ends[left.session]
        if ends.get(left.stream) == left.seq:
            del ends[left.stream]
            if not ends:
                del self._ends[left.session]

    def forget(self, session_id: str) -> None:
        """Forget a session that was deleted."""
        if self._ends.pop(session_id, None) is not None:
            for each in [one for one in self._since if one.session == session_id]:
                del self._since[each]


def by_session(pieces: Iterable[Superseded]) -> Mapping[str, Mapping[str, int]]:
    """Return the last event that has a stream whole, by session and stream."""
    ends: dict[str, dict[str, int]] = {}
    for session, stream, seq in pieces:
        streams = ends.setdefault(session, {})
        streams[stream] = max(seq, streams.get(stream, 0))
    return ends
