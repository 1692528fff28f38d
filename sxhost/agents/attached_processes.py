"""Processes of attached agents: what is over is told in the log, however it came about.

An agent that is killed runs no hook any more, and Codex has none for its end.  So the process
that a session has named is watched; once it is gone, the session has ended.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from sxhost.agents.attached_questions import AttachedQuestions
from sxhost.agents.dependencies import Dependencies, Watch, Watched
from sxhost.agents.unfinished import cut_unfinished
from sxhost.errors import HostError
from sxhost.logs import logger
from sxhost.model.event import EventDraft
from sxhost.model.session import Session
from sxhost.model.turn import OSProcess
from sxhost.os_process import how_ended
from sxhost.store.contracts import EventLog, Sessions
from sxhost.waiting import background

__all__ = ["AttachedProcesses"]

log = logger(__name__)

LAST_WORDS_S: Final = 1.0
"""Seconds until the log says that it has ended: what is under way (a last hook, a file's last
lines) goes first, and says it better.
"""

GONE: Final = "its process is gone"


class Watching(NamedTuple):
    """A session's process, and its watch."""

    process: OSProcess
    watched: Watched


class AttachedProcesses:
    """Watches the processes of attached sessions.

    `on_gone` is called with a session's id when its process is gone, before the log says so.
    """

    def __init__(
        self,
        sessions: Sessions,
        events: EventLog,
        questions: AttachedQuestions,
        dependencies: Dependencies,
        watch: Watch,
    ) -> None:
        self.on_gone: Callable[[str], object] = lambda _session_id: None
        self._sessions = sessions
        self._events = events
        self._questions = questions
        self._dependencies = dependencies
        self._watch = watch
        self._watching: dict[str, Watching] = {}
        self._telling: set[Deferred[None]] = set()

    async def reconcile(self) -> None:
        """Watch what a former life of the host has watched, or find that it has ended."""
        for session in await self._sessions.sessions():
            if session.state.name != "ended":
                self.follow(session)

    def follow(self, session: Session) -> None:
        """Watch the process that an attached session has now."""
        process, known = session.os_process, self._watching.get(session.id)
        if process is None or session.kind != "attached":
            return
        if known is not None and known.process == process:
            return
        self.forget(session.id)
        watched = self._watch(process, partial(self._gone, session.id, process))
        if watched is not None:
            self._watching[session.id] = Watching(process, watched)

    def lives(self, session_id: str) -> bool:
        """Return whether a session's process is watched, and so is there still."""
        return session_id in self._watching

    def forget(self, session_id: str) -> None:
        """Watch a session's process no longer."""
        known = self._watching.pop(session_id, None)
        if known is not None:
            known.watched.cancel()

    def close(self) -> None:
        """Watch nothing any more."""
        for session_id in tuple(self._watching):
            self.forget(session_id)
        for telling in tuple(self._telling):
            telling.cancel()

    def _gone(self, session_id: str, process: OSProcess) -> None:
        self.on_gone(session_id)
        expected = (HostError, CancelledError)
        telling = background(self._tell(session_id, process), log, session_id, expected)
        self._telling.add(telling)
        telling.addBoth(lambda _: self._telling.discard(telling))

    async def _tell(self, session_id: str, process: OSProcess) -> None:
        """Tell of a session's end, unless its agent has, or has come back."""
        await deferLater(self._dependencies.clock, LAST_WORDS_S)
        known = self._watching.get(session_id)
        if known is None or known.process != process:
            return
        status = known.watched.status
        self.forget(session_id)
        data: dict[str, object] = {"reason": GONE}
        if status is not None:
            data = how_ended(os.waitstatus_to_exitcode(status), "its process")
        if not self._runs_still(session_id, process):
            return
        await self._questions.withdraw_all(session_id, GONE)
        most = self._dependencies.limits.event_size
        cut = await cut_unfinished(self._events, session_id, most)
        if self._runs_still(session_id, process):
            await self._dependencies.append(session_id, [*cut, EventDraft.of("ended", data)])

    def _runs_still(self, session_id: str, process: OSProcess) -> bool:
        """Return whether a session is, by what its log says, one of this process that runs."""
        session = self._sessions.known.get(session_id)
        return (
            session is not None
            and session.os_process == process
            and session.state.name != "ended"
        )
