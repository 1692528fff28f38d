"""What the transcripts of attached sessions say beside their hooks.

Hooks alone cannot tell that a permission dialog was answered at the terminal, nor that its user
has pressed Esc.  The agent's own files do: they are followed if the hook comes from the host's
user on this machine; else the hook sends new lines along.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec import Struct, field
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sxhost.agent_files.facts import Fact, TranscriptReader
from sxhost.agent_files.follower import Follower, Reading
from sxhost.agent_files.merge import Merged, SessionMerger
from sxhost.agent_files.places import READERS, find_transcript, transcript_path
from sxhost.agent_files.running import RunningAgent
from sxhost.agent_files.status import ClaudeStatus
from sxhost.errors import HostError
from sxhost.files import UnsafeFile
from sxhost.hooks.body import LINES_FIELD
from sxhost.hooks.payload import DENIED, Hook
from sxhost.logs import logger
from sxhost.model.approval import TerminalAnswer
from sxhost.model.event import EventDraft
from sxhost.model.host import Host
from sxhost.model.session import Registration
from sxhost.visible import escape_hidden
from sxhost.waiting import background

__all__ = ["AttachedTranscripts"]

log = logger(__name__)

SETTLE_S: Final = 0.3
"""Seconds that what a file says waits for hooks to say it: they say it better, and may be late.

Codex writes its file before its hooks run, and gives the tool another name in it.
"""

AT_REST_S: Final = 0.5
"""Seconds for which Claude says that it is at rest until a turn that nobody has ended was cut.

Esc before the model's first word leaves no trace in the transcript.
"""

PAST_MOST: Final = 200
"""Facts of the past that are told of an agent without hooks."""

LINGER_S: Final = 5.0
"""Seconds for which the transcript of an agent that has ended is followed."""

LAST_LOOK_S: Final = 0.5
"""Seconds for which it is, once its process is gone: then that is told."""

MOST_SESSIONS: Final = 1024
"""Sessions whose hooks and transcripts are merged."""

MOST_LINES: Final = 1024
"""Lines of a transcript that hooks have sent along, remembered since each hook repeats some."""

Settle = Callable[[str, int | None, TerminalAnswer], Awaitable[None]]
"""Closes the questions of a session that were answered at the terminal: those that were asked
before a time (Unix ms), or None, those of the turn that was cut.
"""


class Attached(Struct):
    """What is known of one attached session beside what the host stores."""

    merger: SessionMerger = field(default_factory=SessionMerger)
    facts: list[Fact] = []
    """What its file has said and hooks may still say."""
    settling: IDelayedCall | None = None
    named: str | None = None
    """The path that its hooks have named last."""
    with_past: bool = False
    """Whether what its file had said before is told, too: no hook has."""
    leaving: IDelayedCall | None = None
    """Ends the following, once its agent has ended."""
    status: str = ""
    """Claude's own word for what it does."""
    title: str = ""
    """The title that it was given for what it has said."""
    reader: TranscriptReader | None = None
    """Reads lines that hooks send along."""
    lines: OrderedDict[int, None] = field(default_factory=OrderedDict)


class Sought(NamedTuple):
    """The transcript of a conversation; `path` is where a hook says that it lies."""

    agent: str
    conversation: str
    path: str = ""


class AttachedTranscripts:
    """Merges transcripts with hooks; appends what hooks have not said.

    `settle` closes what was answered at the terminal.
    """

    def __init__(
        self, host: Host, clock: IReactorTime, follower: Follower | None, settle: Settle
    ) -> None:
        self._host = host
        self._clock = clock
        self._follower = follower
        self._settle_questions = settle
        self._attached: OrderedDict[str, Attached] = OrderedDict()

    def merge_hook(
        self, session_id: str, hook: Hook, drafts: Sequence[EventDraft]
    ) -> list[EventDraft]:
        """Return the events of a hook that the transcript has not said before."""
        merger = self._of(session_id).merger
        if hook.was_woken or (hook.may_ask and not hook.text("agent_id")):
            merger.note_work(hook.turn)
        return merger.merge_hook(hook.turn, drafts)

    def _of(self, session_id: str) -> Attached:
        attached = self._attached.get(session_id)
        if attached is None:
            attached = self._attached[session_id] = Attached()
            if len(self._attached) > MOST_SESSIONS:
                self.forget(next(iter(self._attached)))
        self._attached.move_to_end(session_id)
        return attached

    def forget(self, session_id: str) -> None:
        """Follow a session no longer."""
        attached = self._attached.pop(session_id, None)
        for timer in (attached.settling, attached.leaving) if attached is not None else ():
            if timer is not None:
                timer.cancel()
        if self._follower is not None:
            self._follower.stop_following(session_id)

    def close(self) -> None:
        """Follow nothing any more."""
        for session_id in tuple(self._attached):
            self.forget(session_id)
        if self._follower is not None:
            self._follower.close()

    def follow(
        self, session_id: str, hook: Hook, environ: Mapping[str, str], *, is_local: bool
    ) -> None:
        """Follow the transcript that a hook names, or take the lines that it brings.

        :param is_local: whether the hook comes from the host's user on this machine; the path
            that any other hook names is none of ours.
        """
        lines = hook.payload.get(LINES_FIELD)
        if not is_local:
            if isinstance(lines, list):
                self._receive_lines(session_id, hook.agent, lines)
            return
        if self._follower is None:
            return
        attached, named = self._of(session_id), hook.text("transcript_path")
        if attached.leaving is not None:
            attached.leaving.cancel()
            attached.leaving = None
        if hook.name == "SessionEnd":  # its last lines are still to come
            attached.leaving = self._clock.callLater(LINGER_S, self._leave, session_id)
        if attached.named == named and self._follower.follows(session_id):
            self._follower.wake(session_id)
            return
        attached.named = named
        sought = Sought(hook.agent, hook.session_id, named)
        finding = self._begin_following(self._follower, session_id, sought, environ)
        self._in_background(session_id, finding)

    def follow_conversation(
        self, session_id: str, agent: str, conversation: str, environ: Mapping[str, str]
    ) -> None:
        """Follow the transcript of a conversation that goes on at a terminal."""
        if self._follower is not None and agent in READERS:
            self._of(session_id)
            sought = Sought(agent, conversation)
            finding = self._begin_following(self._follower, session_id, sought, environ)
            self._in_background(session_id, finding)

    async def _begin_following(
        self,
        follower: Follower,
        session_id: str,
        sought: Sought,
        environ: Mapping[str, str],
    ) -> None:
        """Find and check a session's transcript, which waits for disks, and follow it."""

        def find() -> str | None:
            agent, conversation, named = sought
            path = named or find_transcript(agent, conversation, environ)
            return None if path is None else transcript_path(agent, conversation, path)

        try:
            path = await follower.run_in_thread(find)
        except (UnsafeFile, OSError) as error:
            log.debug(
                "the transcript of {session} is not followed: {error}",
                session=session_id,
                error=escape_hidden(str(error)),
            )
            return
        if path is not None and session_id in self._attached:
            follower.follow(session_id, sought.agent, path, self)

    def follow_running(self, running: RunningAgent, *, with_past: bool) -> None:
        """Follow the transcript of an agent without hooks.

        :param with_past: whether what it has said before is told, too.
        """
        attached = self._of(running.session_id)
        attached.with_past = attached.with_past or with_past
        if attached.leaving is not None:
            attached.leaving.cancel()
            attached.leaving = None
        if self._follower is not None:
            self._follower.follow(running.session_id, running.agent, running.transcript, self)

    def follow_asking(self, running: RunningAgent) -> None:
        """Follow the transcript of an agent that waits for an answer, in a turn of its own."""
        self._of(running.session_id).merger.note_work("")
        self.follow_running(running, with_past=False)

    def read_last_words(self, session_id: str) -> None:
        """Look at a transcript once more, and then no longer: its agent's process is gone."""
        attached = self._attached.get(session_id)
        if attached is None or self._follower is None:
            return
        self._follower.wake(session_id)
        if attached.leaving is None:
            attached.leaving = self._clock.callLater(LAST_LOOK_S, self._leave, session_id)

    def _leave(self, session_id: str) -> None:
        attached = self._of(session_id)
        attached.leaving, attached.with_past = None, False
        if self._follower is not None:
            self._follower.stop_following(session_id)

    def _receive_lines(self, session_id: str, agent: str, lines: Sequence[Any]) -> None:
        attached = self._of(session_id)
        reader = attached.reader = attached.reader or READERS[agent]()
        facts: list[Fact] = []
        for line in lines:
            mark = hash(line) if isinstance(line, str) else None
            if mark is None or mark in attached.lines:
                continue
            attached.lines[mark] = None
            facts += reader.read_line(line.encode("utf-8", "replace"))
        while len(attached.lines) > MOST_LINES:
            attached.lines.popitem(last=False)
        self._settle(session_id, attached, facts)

    # What was read.

    def receive_reading(self, session_id: str, reading: Reading) -> None:
        """Take what one look at a session's files has found."""
        attached = self._of(session_id)
        if reading.status is not None:
            self._take_status(session_id, attached, reading.status)
        past = _worth_telling(
            reading.past, attached.merger.turn, PAST_MOST if attached.with_past else 0
        )
        self._settle(session_id, attached, [*past, *reading.new])

    def _take_status(self, session_id: str, attached: Attached, found: ClaudeStatus) -> None:
        before, attached.status = attached.status, found.status
        if before in ("", "waiting") and found.status in ("busy", "idle"):
            denied = before == "waiting" and found.status == "idle"
            answer = DENIED if denied else TerminalAnswer()
            settling = self._settle_questions(session_id, found.status_updated_at, answer)
            self._in_background(session_id, settling)
        if found.status == "idle":
            self._clock.callLater(AT_REST_S, self._check_rest, session_id)

    def _check_rest(self, session_id: str) -> None:
        """End the turn of a session whose agent is at rest, if nothing else has."""
        attached = self._attached.get(session_id)
        if attached is not None and attached.status == "idle":
            drafts = attached.merger.interrupt()
            if drafts:
                self._in_background(session_id, self._append(session_id, drafts))

    def _settle(self, session_id: str, attached: Attached, facts: Sequence[Fact]) -> None:
        attached.facts += facts
        if not attached.facts:
            return
        if attached.settling is None:
            attached.settling = self._clock.callLater(
                SETTLE_S, self._append_settled, session_id
            )
        if any(fact.kind == "interrupted" for fact in facts):  # no hook will say it
            attached.settling.reset(0)

    def _append_settled(self, session_id: str) -> None:
        attached = self._attached[session_id]
        facts, attached.facts, attached.settling = attached.facts, [], None
        merged = attached.merger.merge_facts(facts)
        self._in_background(session_id, self._append_merged(session_id, merged))

    async def _append_merged(self, session_id: str, merged: Merged) -> None:
        if merged.is_over:
            answer = DENIED if merged.is_cut else TerminalAnswer()
            await self._settle_questions(session_id, None, answer)
        await self._append(session_id, merged.drafts)
        if merged.title is not None:
            await self.give_title(session_id, merged.title)
        known = self._host.stored_session(session_id)
        if known is not None and merged.model not in (None, known.model):
            await self._host.register(session_id, Registration(model=merged.model))

    async def _append(self, session_id: str, drafts: Sequence[EventDraft]) -> None:
        is_gone = not self._host.knows(session_id)  # it was deleted since
        if is_gone or self._host.is_hosted(session_id):  # or the host goes on with it
            self.forget(session_id)
        elif drafts:
            await self._host.fire_batch(session_id, drafts)

    def _in_background(self, session_id: str, work: Awaitable[None]) -> None:
        background(work, log, f"telling of the transcript of {session_id}", (HostError,))

    # Titles.

    async def give_title(self, session_id: str, title: str) -> None:
        """Give a session a title, unless somebody else has given it one."""
        known = self._host.stored_session(session_id)
        attached = self._of(session_id)
        if known is None or known.title not in ("", attached.title) or not title:
            return
        attached.title = title[:512]
        if attached.title != known.title:
            await self._host.register(session_id, Registration(title=attached.title))


def _worth_telling(past: Sequence[Fact], turn: str, most: int) -> list[Fact]:
    """Return what is told of the past: the turn that runs, how things stand, the last facts."""
    usages = [fact for fact in past if fact.kind == "usage"][-1:]
    last = past[len(past) - most :] if most else ()
    return [
        fact
        for fact in past
        if fact.kind in ("model", "title")
        or (fact.kind == "usage" and fact in usages)
        or (fact.kind != "usage" and ((turn and fact.turn == turn) or fact in last))
    ]
