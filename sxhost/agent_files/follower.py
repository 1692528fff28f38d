"""Many files followed at once: when each is read, and how much of it.

Files are read in one thread, some at a time.  A file whose session works is looked at often,
one at rest seldom; where the system tells of changes, at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.agent_files.claude import ClaudeTranscript
from sxhost.agent_files.facts import Fact, TranscriptReader
from sxhost.agent_files.places import READERS, claude_status_directory
from sxhost.agent_files.status import ClaudeStatus, read_statuses, status_of
from sxhost.agent_files.subagents import SubagentFiles, SubagentLine
from sxhost.agent_files.tail import Lines, Tail
from sxhost.files import UnsafeFile
from sxhost.logs import logger
from sxhost.visible import escape_hidden
from sxhost.waiting import RunInThread, background

__all__ = ["ChangeNotices", "Follower", "NoNotices", "Reading"]

log = logger(__name__)

BUSY_S: Final = 0.2
"""Seconds between two looks at a file whose session works or waits."""

REST_S: Final = 3.0
"""Seconds between two looks at a file whose session is at rest."""

BUSY_FOR_S: Final = 30.0
"""Seconds for which a session counts as busy after something was read or its hook fired."""

SOON_S: Final = 0.03
"""Seconds until a file is read that has changed: it changes again at once, often."""

MOST_FILES: Final = 256
"""Files that are followed; beyond them the one that has been at rest for longest is let go."""

MOST_AT_ONCE: Final = 32
"""Files that are looked at in one visit to the thread."""


class Reading(Struct, frozen=True, kw_only=True):
    """What one look at a session's files has found; `past` was there before it was followed."""

    past: Sequence[Fact] = ()
    new: Sequence[Fact] = ()
    status: ClaudeStatus | None = None


class ReadingReceiver(Protocol):
    """Takes what is read."""

    def receive_reading(self, session_id: str, reading: Reading) -> None:
        """Take what one look has found, if that is anything."""


class ChangeNotices(Protocol):
    """Where the system tells of changes."""

    def watch(self, path: str, name: str, poke: Callable[[], None]) -> None:
        """Have `poke` called whenever a file, or what is in a directory, changes.

        `name` is who cares; a second time for the same name replaces the first.
        """

    def unwatch(self, path: str, name: str) -> None:
        """End that."""

    def close(self) -> None:
        """Watch nothing any more."""


class NoNotices:
    """A system that tells of nothing: files are looked at now and then."""

    def watch(self, path: str, name: str, poke: Callable[[], None]) -> None:
        """Do nothing."""

    def unwatch(self, path: str, name: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Followed(Struct):
    """A followed session: its file, and when it is looked at."""

    session_id: str
    tail: Tail
    reader: TranscriptReader
    statuses: str
    """The directory of Claude's status files; empty for others."""
    due: float
    busy_until: float
    status: ClaudeStatus | None = None
    subagents: SubagentFiles | None = None


class Found(Struct, frozen=True):
    """What the thread brings back of one session."""

    lines: Lines
    status: ClaudeStatus | None
    error: str = ""
    subagents: Sequence[SubagentLine] = ()


class Follower:
    """Follows transcripts of files that belong to the user `uid`."""

    def __init__(
        self,
        clock: IReactorTime,
        run_in_thread: RunInThread,
        uid: int,
        notices: ChangeNotices | None = None,
    ) -> None:
        self._clock = clock
        self.run_in_thread = run_in_thread
        self._uid = uid
        self._notices = notices or NoNotices()
        self._followed: dict[str, Followed] = {}
        self._refused: set[str] = set()
        """Paths of files that could not be read."""
        self._sink: ReadingReceiver | None = None
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None

    def follow(self, session_id: str, agent: str, path: str, sink: ReadingReceiver) -> None:
        """Follow a session's transcript at a path that was checked; it need not be there yet.

        What is followed already goes on being so, and is looked at soon.
        """
        self._sink = sink
        known = self._followed.get(session_id)
        if known is not None and known.tail.path == path:
            self.wake(session_id)
            return
        self.stop_following(session_id)
        if len(self._followed) >= MOST_FILES:
            self.stop_following(min(self._followed.values(), key=_busy_until).session_id)
        is_claude = agent == "claude"
        statuses = claude_status_directory(path) if is_claude else ""
        now = self._clock.seconds()
        self._followed[session_id] = Followed(
            session_id,
            Tail(path, self._uid),
            READERS[agent](),
            statuses,
            due=now,
            busy_until=now + BUSY_FOR_S,
            subagents=SubagentFiles(path, self._uid) if is_claude else None,
        )
        self._watch(self._followed[session_id])
        self._schedule()

    def follows(self, session_id: str) -> bool:
        """Return whether a session's transcript is followed."""
        return session_id in self._followed

    def wake(self, session_id: str) -> None:
        """Look at a session's files soon: its hook has fired."""
        followed = self._followed.get(session_id)
        if followed is not None:
            now = self._clock.seconds()
            followed.busy_until = now + BUSY_FOR_S
            followed.due = min(followed.due, now + SOON_S)
            self._watch(followed)
            self._schedule()

    def stop_following(self, session_id: str) -> None:
        """Follow a session's transcript no longer."""
        followed = self._followed.pop(session_id, None)
        if followed is None:
            return
        if self._looking is None:
            followed.tail.close()
        for place in filter(None, (followed.tail.path, followed.statuses)):
            self._notices.unwatch(place, session_id)

    def close(self) -> None:
        """Follow nothing any more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._looking is not None:
            self._looking.cancel()
        for session_id in tuple(self._followed):
            self.stop_following(session_id)
        self._notices.close()

    def _watch(self, followed: Followed) -> None:
        """Ask for notices; again with each hook, since a file may not have been there yet."""
        session_id = followed.session_id
        for place in filter(None, (followed.tail.path, followed.statuses)):
            self._notices.watch(place, session_id, lambda: self._changed(session_id))

    def _changed(self, session_id: str) -> None:
        followed = self._followed.get(session_id)
        if followed is not None:
            followed.due = min(followed.due, self._clock.seconds() + SOON_S)
            self._schedule()

    def _schedule(self) -> None:
        """Set the timer to the moment when the next file is due."""
        if self._looking is not None or not self._followed:
            return
        due = max(0.0, min(map(_due, self._followed.values())) - self._clock.seconds())
        if self._timer is not None and self._timer.active():
            self._timer.reset(due)
        else:
            self._timer = self._clock.callLater(due, self._look)

    def _look(self) -> None:
        self._looking = background(self._look_at_due(), log, "following transcripts")
        self._looking.addBoth(self._looked)

    def _looked(self, _result: object) -> None:
        self._looking = None
        self._schedule()

    async def _look_at_due(self) -> None:
        now = self._clock.seconds()
        due = sorted((f for f in self._followed.values() if f.due <= now), key=_due)
        chosen = due[:MOST_AT_ONCE]
        for followed in chosen:
            followed.due = now + (BUSY_S if followed.busy_until > now else REST_S)
        found = await self.run_in_thread(lambda: [_look_at(followed) for followed in chosen])
        for followed, each in zip(chosen, found, strict=True):
            if self._followed.get(followed.session_id) is followed:
                self._take(followed, each)
            else:
                followed.tail.close()

    def _take(self, followed: Followed, found: Found) -> None:
        """Hand on what was found of a session."""
        if found.error:
            self._refuse(followed, found.error)
            return
        lines, now = found.lines, self._clock.seconds()
        if lines.more:
            followed.due = now
        past = [fact for line in lines.past for fact in followed.reader.read_line(line)]
        new = [fact for line in lines.new for fact in followed.reader.read_line(line)]
        new += _used_by_subagents(followed.reader, found.subagents)
        status = found.status if found.status != followed.status else None
        followed.status = found.status or followed.status
        if new or status is not None:
            followed.busy_until = now + BUSY_FOR_S
        if (past or new or status is not None) and self._sink is not None:
            self._sink.receive_reading(
                followed.session_id, Reading(past=past, new=new, status=status)
            )

    def _refuse(self, followed: Followed, error: str) -> None:
        """Follow a file no longer that cannot be read; it is said once, not with each hook."""
        path = followed.tail.path
        if path not in self._refused:
            log.warn(
                "the transcript of {session} is not followed: {error}",
                session=followed.session_id,
                error=escape_hidden(error),
            )
            if len(self._refused) >= MOST_FILES:
                self._refused.clear()
            self._refused.add(path)
        self.stop_following(followed.session_id)


def _look_at(followed: Followed) -> Found:
    """Look at a session's files, in the thread."""
    try:
        lines = followed.tail.read()
    except UnsafeFile as error:
        return Found(Lines(), None, str(error))
    except OSError as error:
        return Found(Lines(), None, error.strerror or str(error))
    status = None
    if followed.statuses:
        status = status_of(followed.session_id, read_statuses(followed.statuses))
    subagents = followed.subagents.read() if followed.subagents is not None else ()
    return Found(lines, status, subagents=subagents)


def _used_by_subagents(
    reader: TranscriptReader, lines: Sequence[SubagentLine]
) -> Sequence[Fact]:
    """Return what a session has used with its subagents: a sum, of which the last says all."""
    if not isinstance(reader, ClaudeTranscript):
        return ()
    return [fact for each in lines for fact in reader.read_subagent_line(each.name, each.line)][
        -1:
    ]


def _due(followed: Followed) -> float:
    return followed.due


def _busy_until(followed: Followed) -> float:
    return followed.busy_until
