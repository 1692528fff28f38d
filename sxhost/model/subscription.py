"""Following the log live: which events, in which encoding, written where.

`Host.subscribe` brings these together.  A subscription is the one live object that a host hands
out; all else that its verbs return are values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, Never, Protocol

from msgspec import Struct

from sxhost.model.event import Event, EventQuery, LogQuery
from sxhost.model.session import Session

__all__ = ["Encoding", "Selection", "Sink", "Subscription", "Summaries", "selection_of"]

Summaries = bool | Literal["changes"]
"""Whether summaries of sessions are sent: all at first and as they change, or changes alone."""


NOTHING: Final[frozenset[Never]] = frozenset()
"""What is not asked about: one for all readers, who keep theirs as long as they read."""


class Selection(Struct, frozen=True):
    """Which events a subscription is for; what is empty is not asked about."""

    sessions: frozenset[str] = frozenset()
    labels: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    """Names of events that it is not for."""
    agent: str = ""
    """The kind of agent; it means hosted sessions alone."""

    def names_one(self, names: Iterable[str]) -> bool:
        """Tell whether it is for an event of one of these names."""
        return any(
            (not self.names or name in self.names) and name not in self.without
            for name in names
        )

    def chooses(self, session: Session) -> bool:
        """Tell whether it is for this session."""
        if self.agent and (session.kind, session.agent) != ("hosted", self.agent):
            return False
        named = not self.sessions or session.id in self.sessions
        return named and self.labels <= session.labels.items()

    @property
    def only(self) -> str | None:
        """The one session that it is for, if it is one."""
        return next(iter(self.sessions)) if len(self.sessions) == 1 else None


def selection_of(query: EventQuery, session_id: str | None = None) -> Selection:
    """Return what a query selects, among the events of one session or of all."""
    sessions = [] if session_id is None else [session_id]
    labels: list[tuple[str, str]] = []
    if isinstance(query, LogQuery):
        sessions += filter(None, query.session.split(","))
        name, colon, value = query.label.partition(":")
        labels += [(name, value)] if colon else []
    return Selection(
        frozenset(sessions) or NOTHING,
        frozenset(labels) or NOTHING,
        query.names() or NOTHING,
        query.without() or NOTHING,
    )


class Encoding(Protocol):
    """Encodes frames for one kind of transport."""

    def event(self, event: Event, epoch: str) -> bytes:
        """Encode an event; SSE adds its cursor, made of `epoch` and the event's id."""

    def control(self, name: str, fields: dict[str, object]) -> bytes:
        """Encode a control frame: ``hello``, ``gap``, ``state``, ``heartbeat``, ``end``."""


class Subscription(Protocol):
    """A reader of the log that writes to its sink: a push producer that its holder may end.

    While it is paused it keeps nothing; it goes on from its position.
    """

    def pauseProducing(self) -> None:
        """Write nothing until it is resumed."""

    def resumeProducing(self) -> None:
        """Go on from the position that it has come to."""

    def stopProducing(self) -> None:
        """Stop, as `close` does."""

    def end(self, reason: str, *, reconnect: bool) -> None:
        """Write the frame ``end`` and stop; `reconnect` says whether to come again."""

    def close(self) -> None:
        """Stop without another word: the reader has left."""


class Sink(Protocol):
    """Where a subscription writes: a response, a WebSocket, a pipe."""

    tag: Mapping[str, object]
    """Fields that each control frame has besides its own."""

    def begin(self, reader: Subscription) -> object:
        """Pause and resume this reader from now on; it is about to write."""

    def write(self, data: bytes) -> object:
        """Send bytes, or keep them until they can be sent."""

    def end(self) -> object:
        """Send what is kept, and close."""
