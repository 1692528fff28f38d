"""The hosted sessions of one kind of agent, and the newest of what they said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import nlargest

from sxhost.errors import UnknownSession
from sxhost.model.session import Event, Session
from sxhost.model.subscription import Selection
from sxhost.store.contracts import Store

__all__ = ["AgentDirectory"]

TAILS = (256, 2048)
"""How far back the end of a log is looked through; the first is in memory as a rule."""

HEARD = 16
"""Sessions, heard of last, among whose events the newest are looked for."""


class AgentDirectory:
    """What a face for one kind of agent shows.  `wall_ms` is the time of day in Unix ms."""

    def __init__(self, store: Store, agent: str, wall_ms: Callable[[], int]) -> None:
        self.selection = Selection(agent=agent)
        """What chooses their events."""
        self.wall_ms = wall_ms
        self.since_ms = wall_ms()
        """When this life of the host began."""
        self._store = store

    @property
    def epoch(self) -> str:
        """The name of the log's life."""
        return self._store.epoch

    @property
    def position(self) -> int:
        """The id of the last event that may be read."""
        return self._store.recent.position

    def get(self, session_id: str) -> Session | None:
        """Return a session, if it is one of them."""
        session = self._store.known.get(session_id)
        return session if session is not None and self.selection.chooses(session) else None

    def sessions(self) -> list[Session]:
        """Return them all in the order in which they were begun."""
        chosen = filter(self.selection.chooses, self._store.known)
        return sorted(chosen, key=lambda session: (session.start_ms, session.id))

    def find_native(self, native_id: str) -> Session | None:
        """Return the session of a conversation by the agent's own name for it."""
        for session in self.sessions():
            resumed = session.launch.resume if session.launch else None
            if native_id in (session.native_id, resumed):
                return session
        return None

    async def latest(
        self,
        most: int,
        until: int,
        *,
        without: frozenset[str] = frozenset(),
        session: Session | None = None,
    ) -> list[Event]:
        """Return the newest events up to an id in order, but for some names.

        They are those of one session, or of all that were heard of lately.
        """
        heard = nlargest(HEARD, self.sessions(), key=lambda session: session.last_seen_ms)
        found: list[Event] = []
        for chosen in heard if session is None else [session]:
            found += await self._tail(chosen, most, until, without)
        found.sort(key=lambda event: event.id)
        return found[-most:]

    async def _tail(
        self, session: Session, most: int, until: int, without: frozenset[str]
    ) -> list[Event]:
        wanted: list[Event] = []
        for reach in TAILS:
            seq = max(0, session.event_count - reach)
            wanted = list(_chosen(await self._after(session.id, seq), until, without))
            if seq == 0 or len(wanted) >= most:
                break
        return wanted[-most:]

    async def _after(self, session_id: str, seq: int) -> list[Event]:
        try:
            return await self._store.read_events(session_id, seq=seq)
        except UnknownSession:  # forgotten meanwhile
            return []


def _chosen(events: Iterable[Event], until: int, without: frozenset[str]) -> Iterable[Event]:
    return (event for event in events if event.id <= until and event.event not in without)
