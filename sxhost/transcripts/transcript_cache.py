"""The transcripts of the sessions that are read, in bounded memory.

An event can be understood at once if its turn's transcript is here; else the turn is first read
back from the log (`TranscriptCache.read_back`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from sxhost.model.event import Event
from sxhost.model.event_types import AgentEvent, decode_event
from sxhost.transcripts.transcript import Transcript, begins_turn, ends_turn
from sxhost.waiting import Signal

__all__ = ["FoldRules", "TranscriptCache"]

KEPT = 64 << 20
"""Bytes of transcripts that are kept; the least recently used is dropped first."""

OVERHEAD = 1000
"""Bytes that a transcript takes besides its messages."""

BACK = 10_000
"""Events that are read back at the most to find where a turn begins."""

PAGE = 500
"""Events that are read back at once."""

ReadEvents = Callable[[int, int], Awaitable[Sequence[Event]]]
"""Returns events of a session after a sequence number, at most so many."""


class FoldRules(NamedTuple):
    """Where the turns of an agent begin and end, and how its events are added."""

    begins: Callable[[Event, Transcript | None], bool] = begins_turn
    ends: Callable[[Event], bool] = ends_turn
    append: Callable[[Transcript, Event, AgentEvent], None] = Transcript.append


HOST_RULES = FoldRules()
"""Of agents whose transcript the host's events have whole."""


class TranscriptCache:
    """The transcripts of the last turns that were read, of all sessions.

    :param agent: returns the agent's name of a session, empty if the host does not run it.
    :param limit: bytes of messages that are kept of a turn.
    :param growing_limit: bytes of a growing message above which its content is not kept.
    :param rules: by agent, where its own messages say more than the host's events.
    """

    def __init__(
        self,
        agent: Callable[[str], str],
        limit: int,
        growing_limit: int,
        rules: Mapping[str, FoldRules],
    ) -> None:
        self._agent = agent
        self._limit = limit
        self._growing_limit = growing_limit
        self._rules = rules
        self._transcripts: dict[str, list[Transcript]] = {}
        self._used: OrderedDict[int, Transcript] = OrderedDict()
        self._size = 0
        self._missing: dict[str, int] = {}
        """By session: the id up to which a reader was told that events are missing."""
        self._reading: dict[str, Signal] = {}
        """The sessions whose events are being read back, and who waits for that."""

    def add(self, event: Event, data: AgentEvent) -> Transcript:
        """Return the transcript of an event's turn, to which it is added unless it was."""
        rules, transcripts = self._rules_of(event.session), self._of(event.session)
        missing = self._missing.get(event.session, 0)
        covering = (each for each in reversed(transcripts) if each.covers(event, missing))
        found = next(covering, None)
        if found is None or (event.seq > found.last and rules.begins(event, found)):
            found = self._begin(event)
        self._used.move_to_end(id(found))
        if event.seq > found.last:
            size = found.size
            rules.append(found, event, data)
            self._size += found.size - size
            self._drop_unused()
        return found

    def note_gap(self, session_id: str, end: int) -> None:
        """Note that a reader misses events of a session up to an id."""
        self._missing[session_id] = max(end, self._missing.get(session_id, 0))

    def _rules_of(self, session_id: str) -> FoldRules:
        return self._rules.get(self._agent(session_id), HOST_RULES)

    def _of(self, session_id: str) -> list[Transcript]:
        return self._transcripts.setdefault(session_id, [])

    def _begin(self, event: Event, *, after: bool = False) -> Transcript:
        """Begin a transcript with an event; with `after`, behind one that ended a turn."""
        agent = self._agent(event.session)
        transcript = Transcript(event, agent, self._limit, self._growing_limit)
        if after:
            transcript.first, transcript.last = event.seq + 1, event.seq
            transcript.ended = True
        transcripts = self._of(event.session)
        transcripts.append(transcript)
        transcripts.sort(key=lambda each: each.first)
        self._used[id(transcript)] = transcript
        self._size += OVERHEAD
        return transcript

    def _drop_unused(self) -> None:
        while self._size > KEPT and len(self._used) > 1:
            _, dropped = self._used.popitem(last=False)
            self._transcripts[dropped.session].remove(dropped)
            self._size -= dropped.size + OVERHEAD

    def covers(self, session_id: str, seq: int) -> bool:
        """Tell whether all that precedes an event in its turn is known."""
        transcripts = self._transcripts.get(session_id, ())
        return any(each.first <= seq <= each.last + 1 for each in transcripts)

    async def read_back(self, session_id: str, seq: int, read: ReadEvents) -> None:
        """Read the part of a turn that precedes an event; callers for one session share it."""
        while not self.covers(session_id, seq):
            reading = self._reading.get(session_id)
            if reading is None:
                await self._read_back(session_id, seq, read)
                return
            await reading.wait()

    async def _read_back(self, session_id: str, seq: int, read: ReadEvents) -> None:
        self._reading[session_id] = Signal()
        try:
            before = await self._events_before(self._rules_of(session_id), seq, read)
            if before and self._rules_of(session_id).ends(before[0]):
                self._begin(before.pop(0), after=True)
            if before and not self.covers(session_id, before[0].seq):
                self._begin(before[0])
            for event in before:
                self.add(event, decode_event(event))
        finally:
            self._reading.pop(session_id).fire()

    async def _events_before(self, rules: FoldRules, seq: int, read: ReadEvents) -> list[Event]:
        """Return the events between an event and the last start or end of a turn before it."""
        found: list[Event] = []
        start, reach = seq - 1, PAGE
        while start > 0 and len(found) < BACK:
            before = max(0, start - reach)
            page = [event for event in await read(before, reach) if event.seq <= start]
            for index in reversed(range(len(page))):
                if rules.begins(page[index], None) or rules.ends(page[index]):
                    return [*page[index:], *found]
            found, start = [*page, *found], before
            if not page:  # pieces have left, or retention has dropped what was there
                reach *= 2
        return found

    def drop_ended(self, session_id: str, seq: int) -> bool:
        """Drop the transcripts of a session's turns that have ended, from an event on, if any.

        They have what the log may have lost since: lines of the agent that no fact has.  Who
        begins to read there is told the turn as the log has it now.
        """
        known = self._transcripts.get(session_id, ())
        ended = [each for each in known if each.ended and each.last >= seq]
        for transcript in ended:
            self._transcripts[session_id].remove(transcript)
            self._used.pop(id(transcript))
            self._size -= transcript.size + OVERHEAD
        return bool(ended)

    def forget(self, session_id: str) -> None:
        """Drop the transcripts of a session that is deleted, or begun anew."""
        self._missing.pop(session_id, None)
        for transcript in self._transcripts.pop(session_id, ()):
            self._used.pop(id(transcript))
            self._size -= transcript.size + OVERHEAD
