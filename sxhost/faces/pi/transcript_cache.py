"""The transcripts of the sessions that clients read, in bounded memory.

An event can be translated at once if its run's transcript is here; else the run is first read
back from the log (`read_back`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.defer import Deferred

from sxhost.faces.pi import translate_any, translate_pi
from sxhost.faces.pi.translate_any import LoggedEvent
from sxhost.model.event_types import AgentEvent, decode_event
from sxhost.model.limits import Limits
from sxhost.model.session import Event
from sxhost.streams.transcript import Transcript, begins_turn, ends_turn

__all__ = ["TranscriptCache"]

KEPT = 64 << 20
"""Bytes of transcripts that are kept; the least recently used is dropped first."""

OVERHEAD = 1000
"""Bytes that a transcript takes besides its messages."""

BACK = 10_000
"""Events that are read back at the most to find where a run begins."""

PAGE = 500
"""Events that are read back at once."""

ReadEvents = Callable[[int, int], Awaitable[Sequence[Event]]]
"""Returns events of a session after a sequence number, at most so many."""


class TranscriptCache:
    """Translates events of a log to pi's protocol, with the transcript of their run.

    :param agent: returns the agent's name of a session, empty if the host does not run it.
    """

    def __init__(self, limits: Limits, agent: Callable[[str], str]) -> None:
        self._limits = limits
        self._agent = agent
        self._transcripts: dict[str, list[Transcript]] = {}
        self._used: OrderedDict[int, Transcript] = OrderedDict()
        self._size = 0
        self._reading: dict[str, list[Deferred[None]]] = {}
        """The sessions whose events are being read back, and who waits for that."""

    def translate(self, event: Event, *, snapshots: bool = True) -> Sequence[bytes]:
        """Return pi's events for an event, as JSON.

        :param snapshots: repeat a growing message with each of its deltas.
        """
        data = decode_event(event)
        transcript = self._record(event, data)
        translator = translate_pi if transcript.agent == "pi" else translate_any
        logged = LoggedEvent(transcript, event, data, snapshots)
        return tuple(translator.translate(logged))

    def covers(self, session_id: str, seq: int) -> bool:
        """Tell whether all that precedes an event in its run is known."""
        transcripts = self._transcripts.get(session_id, ())
        return any(each.first <= seq <= each.last + 1 for each in transcripts)

    async def read_back(self, session_id: str, seq: int, read: ReadEvents) -> None:
        """Read the part of a run that precedes an event; callers for one session share it."""
        while not self.covers(session_id, seq):
            waiting = self._reading.get(session_id)
            if waiting is None:
                await self._read_back(session_id, seq, read)
                return
            done: Deferred[None] = Deferred()
            waiting.append(done)
            await done

    async def _read_back(self, session_id: str, seq: int, read: ReadEvents) -> None:
        self._reading[session_id] = []
        try:
            before = await self._events_before(seq, read)
            if before and self._ends_run(before[0]):
                self._add_transcript(before.pop(0), after=True)
            for event in before:
                self._record(event, decode_event(event))
        finally:
            for done in self._reading.pop(session_id):
                done.callback(None)

    async def _events_before(self, seq: int, read: ReadEvents) -> list[Event]:
        """Return the events between the nearest start or end of a run and an event."""
        found: list[Event] = []
        start = seq - 1
        while start > 0 and len(found) < BACK:
            before = max(0, start - PAGE)
            page = [event for event in await read(before, PAGE) if event.seq <= start]
            for index in reversed(range(len(page))):
                if self._begins_run(page[index], None) or self._ends_run(page[index]):
                    return [*page[index:], *found]
            if not page:
                break
            found, start = [*page, *found], before
        return found

    def forget(self, session_id: str) -> None:
        """Drop the transcripts of a session that is deleted, or run anew."""
        for transcript in self._transcripts.pop(session_id, ()):
            self._used.pop(id(transcript))
            self._size -= transcript.size + OVERHEAD

    # Transcripts and their events.

    def _record(self, event: Event, data: AgentEvent) -> Transcript:
        """Record an event in the transcript of its run, unless that was done; return it."""
        transcripts = self._transcripts.setdefault(event.session, [])
        found = next((each for each in reversed(transcripts) if each.covers(event)), None)
        if found is None or (event.seq > found.last and self._begins_run(event, found)):
            found = self._add_transcript(event)
        self._used.move_to_end(id(found))
        if event.seq > found.last:
            self._append(found, event, data)
        return found

    def _begins_run(self, event: Event, before: Transcript | None) -> bool:
        if self._agent(event.session) == "pi":
            return translate_pi.begins_run(event)
        return begins_turn(event, before)

    def _ends_run(self, event: Event) -> bool:
        is_pi = self._agent(event.session) == "pi"
        return translate_pi.ends_run(event) if is_pi else ends_turn(event)

    def _add_transcript(self, event: Event, *, after: bool = False) -> Transcript:
        """Begin a transcript with an event; with `after`, behind one that ended a run."""
        limits, agent = self._limits, self._agent(event.session)
        transcript = Transcript(event, agent, limits.mux_run, limits.mux_snapshot)
        if after:
            transcript.first, transcript.last = event.seq + 1, event.seq
            transcript.ended = True
        transcripts = self._transcripts.setdefault(event.session, [])
        transcripts.append(transcript)
        transcripts.sort(key=lambda each: each.first)
        self._used[id(transcript)] = transcript
        self._size += OVERHEAD
        return transcript

    def _append(self, transcript: Transcript, event: Event, data: AgentEvent) -> None:
        size = transcript.size
        if transcript.agent == "pi":
            translate_pi.record(transcript, event, data)
        else:
            transcript.append(event, data)
        self._size += transcript.size - size
        while self._size > KEPT and len(self._used) > 1:
            _, dropped = self._used.popitem(last=False)
            self._transcripts[dropped.session].remove(dropped)
            self._size -= dropped.size + OVERHEAD
