"""The runs that are known of sessions that somebody reads: where the log is told from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from twisted.internet.defer import Deferred

from sxhost.faces.pi import translate_any, translate_pi
from sxhost.faces.pi.transcript import Data, Transcript
from sxhost.model.limits import Limits
from sxhost.model.session import Event

__all__ = ["TranscriptCache"]

KEPT = 64 << 20
"""Bytes of runs that are kept for readers; who was not told for long goes first."""

OVERHEAD = 1000
"""Bytes that keeping one takes besides."""

BACK = 10_000
"""Events that are read back, at the most, to where a run begins."""

PAGE = 500
"""Events that are read back at once."""

Read = Callable[[int, int], Awaitable[Sequence[Event]]]

_data = msgspec.json.Decoder(Data).decode


class TranscriptCache:
    """Tells of events what pi would; `agent` says whose session it is."""

    def __init__(self, limits: Limits, agent: Callable[[str], str]) -> None:
        self._limits = limits
        self._agent = agent
        self._runs: dict[str, list[Transcript]] = {}
        self._used: OrderedDict[int, Transcript] = OrderedDict()
        self._size = 0
        self._recalled: dict[str, list[Deferred[None]]] = {}
        """Of which sessions something is being read back, and who waits for that."""

    def tell(self, event: Event, *, thin: bool = False) -> Sequence[bytes]:
        """Return what is told of an event; `thin` without repeating a message that grows."""
        data = _data_of(event)
        run = self._learned(event, data)
        teller = translate_pi if run.agent == "pi" else translate_any
        return tuple(teller.tell(run, event, data, thin=thin))

    def knows(self, session_id: str, seq: int) -> bool:
        """Tell whether it is known what an event follows."""
        runs = self._runs.get(session_id, ())
        return any(run.first <= seq <= run.last + 1 for run in runs)

    async def recall(self, session_id: str, seq: int, read: Read) -> None:
        """Learn what comes before an event; `read` returns events after one, so many.

        Whoever wants the same meanwhile waits for it.
        """
        while not self.knows(session_id, seq):
            waiting = self._recalled.get(session_id)
            if waiting is None:
                await self._recall(session_id, seq, read)
                return
            done: Deferred[None] = Deferred()
            waiting.append(done)
            await done

    async def _recall(self, session_id: str, seq: int, read: Read) -> None:
        self._recalled[session_id] = []
        try:
            before = await self._before(seq, read)
            if before and self._ends(before[0]):
                self._begin(before.pop(0), after=True)
            for event in before:
                self._learned(event, _data_of(event))
        finally:
            for done in self._recalled.pop(session_id):
                done.callback(None)

    async def _before(self, seq: int, read: Read) -> list[Event]:
        """Return what of a run comes before an event; or what follows a run, and its end."""
        found: list[Event] = []
        start = seq - 1
        while start > 0 and len(found) < BACK:
            before = max(0, start - PAGE)
            page = [one for one in await read(before, PAGE) if one.seq <= start]
            first = next((n for n in reversed(range(len(page))) if self._cuts(page[n])), None)
            if first is not None:
                return [*page[first:], *found]
            if not page:
                break
            found, start = [*page, *found], before
        return found

    def _cuts(self, event: Event) -> bool:
        """Tell whether a run need not be read back beyond an event."""
        return self._begins(event, None) or self._ends(event)

    def _ends(self, event: Event) -> bool:
        is_pi = self._agent(event.session) == "pi"
        return translate_pi.ends(event) if is_pi else translate_any.ends(event)

    def forget(self, session_id: str) -> None:
        """Forget a session: nobody reads it, or it is no more."""
        for run in self._runs.pop(session_id, ()):
            self._used.pop(id(run))
            self._size -= run.size + OVERHEAD

    # How it is done.

    def _learned(self, event: Event, data: Data) -> Transcript:
        """Return the run that an event belongs to, which knows of it from now on."""
        runs = self._runs.setdefault(event.session, [])
        run = next((run for run in reversed(runs) if run.covers(event)), None)
        if run is None or (event.seq > run.last and self._begins(event, run)):
            run = self._begin(event)
        self._used.move_to_end(id(run))
        if event.seq > run.last:
            self._learn(run, event, data)
        return run

    def _begins(self, event: Event, before: Transcript | None) -> bool:
        if self._agent(event.session) == "pi":
            return translate_pi.begins(event)
        return translate_any.begins(event, before)

    def _begin(self, event: Event, *, after: bool = False) -> Transcript:
        """Begin a run with an event, or `after` one that ended another."""
        run = Transcript(event, self._agent(event.session), self._limits)
        if after:
            run.first, run.last, run.over = event.seq + 1, event.seq, True
        runs = self._runs.setdefault(event.session, [])
        runs.append(run)
        runs.sort(key=lambda one: one.first)
        self._used[id(run)] = run
        self._size += OVERHEAD
        return run

    def _learn(self, run: Transcript, event: Event, data: Data) -> None:
        size = run.size
        (translate_pi if run.agent == "pi" else translate_any).learn(run, event, data)
        run.last, run.last_id = event.seq, event.id
        self._size += run.size - size
        while self._size > KEPT and len(self._used) > 1:
            _, gone = self._used.popitem(last=False)
            self._runs[gone.session].remove(gone)
            self._size -= gone.size + OVERHEAD


def _data_of(event: Event) -> Data:
    try:
        return _data(event.data)
    except msgspec.DecodeError:
        return Data()
