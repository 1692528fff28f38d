"""Room for another session when the host is full: the one that is missed least is archived."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sxhost.agents.supervisor import Supervisor
from sxhost.errors import SessionLimit
from sxhost.logs import logger
from sxhost.model.limits import Limits
from sxhost.model.session import Session
from sxhost.store.contracts import Inbox, Sessions
from sxhost.streams.presence import Presence

__all__ = ["Eviction"]

log = logger(__name__)
T = TypeVar("T")


class Eviction:
    """Archives a session when a write needs its place.

    Chosen is one that has ended, or an attached one that has been silent for a while; those
    for which something waits (a message, an approval) go last.  A hosted session whose agent
    lives is never chosen, whatever its log says: others may write there.

    `current` returns a session with its state as it is at this moment.
    """

    def __init__(
        self,
        sessions: Sessions,
        inbox: Inbox,
        *,
        supervisor: Supervisor,
        presence: Presence,
        current: Callable[[Session], Session],
        limits: Limits,
    ) -> None:
        self._sessions = sessions
        self._inbox = inbox
        self._supervisor = supervisor
        self._presence = presence
        self._current = current
        self._limits = limits

    async def run_with_room(self, write: Callable[[], Awaitable[T]]) -> T:
        """Run a write that may create a session; once more if another one makes room for it.

        :raises SessionLimit: the host is full, and all of its sessions are busy.
        """
        try:
            return await write()
        except SessionLimit:
            await self.make_room()
            return await write()

    async def make_room(self) -> None:
        """Archive the session that is missed least, if there is one."""
        session_id = await self._choose()
        if session_id is not None:
            await self._supervisor.release(session_id)
            await self._sessions.archive(session_id)
            self._presence.forget(session_id)
            log.info("session {session} has made room", session=session_id)

    async def _choose(self) -> str | None:
        sessions = [self._current(session) for session in await self._sessions.sessions()]
        spare = [s for s in sessions if self._has_ended(s) or self._is_silent(s)]
        ranks = [(await self._rank(session), session.id) for session in spare]
        return min(ranks)[1] if ranks else None

    def _is_silent(self, session: Session) -> bool:
        silence = self._presence.silence(session.id)
        return session.kind == "attached" and silence > self._limits.busy_within

    def _has_ended(self, session: Session) -> bool:
        has_ended = session.state.name in ("ended", "lost") or session.rest != ""
        return has_ended and not self._supervisor.is_alive(session.id)

    async def _rank(self, session: Session) -> tuple[bool, bool, int]:
        """Return what sessions are ordered by, the one that goes first being the least."""
        pending = bool(session.pending_approvals or await self._inbox.count_waiting(session.id))
        ended = self._has_ended(session)
        return pending, not ended, session.state.since_ms if ended else session.last_seen_ms
