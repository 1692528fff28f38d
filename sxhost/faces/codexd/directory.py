"""The sessions of codex, and the newest of their events: what codexd's clients are shown."""

from __future__ import annotations

from heapq import nlargest

from sxhost.errors import UnknownSession
from sxhost.faces.codexd.requests_to_host import AGENT
from sxhost.model.cursor import Cursor
from sxhost.model.event import Event, EventQuery
from sxhost.model.host import Host
from sxhost.model.session import Session
from sxhost.model.subscription import Selection

__all__ = ["CodexDirectory"]

TAILS = (256, 2048)
"""How far back the end of a log is looked through; the first is in memory as a rule."""

MOST_SESSIONS = 16
"""Sessions, active last, among whose events the newest are looked for."""


class CodexDirectory:
    """The hosted sessions of codex."""

    def __init__(self, host: Host) -> None:
        self.selection = Selection(agent=AGENT)
        """What chooses their events."""
        self.since_ms = host.now_ms()
        """When the host has started, in Unix milliseconds."""
        self._host = host

    @property
    def end(self) -> Cursor:
        """The end of the log."""
        return Cursor.parse(self._host.cursor)

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        return self._host.now_ms()

    def get(self, session_id: str) -> Session | None:
        """Return a session, if it is one of codex."""
        session = self._host.stored_session(session_id)
        return session if session is not None and self.selection.chooses(session) else None

    def sessions(self) -> list[Session]:
        """Return them all in the order in which they were begun."""
        return self._host.hosted_sessions(AGENT)

    def find_thread(self, thread_id: str) -> Session | None:
        """Return the session of a thread by codex's own id of it."""
        for session in self.sessions():
            resumed = session.launch.resume if session.launch else None
            if thread_id in (session.native_id, resumed):
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

        They are those of one session, or of all that were active lately.
        """
        active = nlargest(MOST_SESSIONS, self.sessions(), key=lambda each: each.last_seen_ms)
        found: list[Event] = []
        for chosen in active if session is None else [session]:
            found += await self._tail(chosen, most, until, without)
        found.sort(key=lambda event: event.id)
        return found[-most:]

    async def _tail(
        self, session: Session, most: int, until: int, without: frozenset[str]
    ) -> list[Event]:
        wanted: list[Event] = []
        for reach in TAILS:
            seq = max(0, session.event_count - reach)
            try:
                events = await self._host.events(session.id, EventQuery(after=str(seq)))
            except UnknownSession:  # forgotten meanwhile
                return []
            upto = (event for event in events if event.id <= until)
            wanted = [event for event in upto if event.event not in without]
            if seq == 0 or len(wanted) >= most:
                break
        return wanted[-most:]
