"""The sessions of a store as this process knows them: read at once, without the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sxhost.model.names import conversation_name
from sxhost.model.session import Session

__all__ = ["KnownSessions"]


class KnownSessions:
    """A cache of all sessions, which a store feeds with what was committed.

    It is whole, but may be behind by what another writer has just committed; the store's
    own `Sessions.session` is not.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._archived: set[str] = set()
        self._conversations: dict[str, str] = {}
        """The session that each conversation of an agent is of, by the agent's own id of it."""
        self._watchers: set[Callable[[str], object]] = set()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[Session]:
        """Go through the sessions that are not archived, in no order, as they are now."""
        return iter(tuple(self._sessions.values()))

    def get(self, session_id: str) -> Session | None:
        """Return a session, unless it is archived or there is none."""
        return self._sessions.get(session_id)

    def of_conversation(self, native_id: str) -> Session | None:
        """Return the session that has an agent's conversation; the latest, if several have."""
        name = conversation_name(native_id)
        session = self._sessions.get(self._conversations.get(name, ""))
        is_its = session is not None and conversation_name(session.native_id) == name
        return session if is_its else None

    def holds(self, session_id: str) -> bool:
        """Tell whether there is such a session, archived or not."""
        return session_id in self._sessions or session_id in self._archived

    def watch(self, watcher: Callable[[str], object]) -> None:
        """Have `watcher` called with the id of each session that is put or goes, at once."""
        self._watchers.add(watcher)

    def unwatch(self, watcher: Callable[[str], object]) -> None:
        """Undo `watch`."""
        self._watchers.discard(watcher)

    # What a store feeds.

    def put(self, session: Session) -> None:
        """Add a session, or replace it by what a commit has made of it."""
        self._sessions[session.id] = session
        if session.native_id:
            self._conversations[conversation_name(session.native_id)] = session.id
        self._archived.discard(session.id)
        self._tell(session.id)

    def archive(self, session_id: str) -> None:
        """Take a session out of the list; `holds` still finds it."""
        self._drop(session_id)
        self._archived.add(session_id)
        self._tell(session_id)

    def remove(self, session_id: str) -> None:
        """Remove a session that was deleted, archived or not."""
        self._drop(session_id)
        self._archived.discard(session_id)
        self._tell(session_id)

    def _drop(self, session_id: str) -> None:
        session = self._sessions.pop(session_id, None)
        name = "" if session is None else conversation_name(session.native_id)
        if self._conversations.get(name) == session_id:
            del self._conversations[name]

    def _tell(self, session_id: str) -> None:
        for watcher in self._watchers:
            watcher(session_id)
