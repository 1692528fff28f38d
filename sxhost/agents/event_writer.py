"""From what an agent reports to its log: gathered, bounded, in order, never twice.

What comes while a commit runs goes into the next one, and pieces of a text wait a moment for
those that follow.  While too much waits, whoever makes it is held back; when the store
refuses, it is asked again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice

from msgspec import Raw, Struct, json
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

from sxhost.codec.json import encode
from sxhost.codec.shorten import cut_large_fields
from sxhost.errors import HostError, SessionLimit, UnknownSession
from sxhost.logs import logger
from sxhost.model.event import EventDraft
from sxhost.model.event_types import PIECES, AgentEvent, encode_data
from sxhost.waiting import Signal, background

__all__ = ["EventWriter", "fitting"]

log = logger(__name__)

Append = Callable[[str, Sequence[EventDraft]], Awaitable[object]]

HIGH, LOW = 4096, 1024
"""Events that wait for the store when agents are held back, and when they may go on."""

HIGH_BYTES, LOW_BYTES = 4 * 1024 * 1024, 1024 * 1024
"""The same in bytes of their data: pieces may be large."""

BATCH, BATCH_BYTES = 1000, 1024 * 1024
"""Events of one commit, and bytes: a flood of one session lets others have their turn."""

GATHER_S = 0.05
"""Seconds between two commits of nothing but pieces: what an eye takes for flowing.

They end for all sessions at once, so that many agents that talk share one commit.
"""

RETRY_S = 1.0
"""Seconds until a store that refused is asked again."""

FINISH_S = 2.0
"""Seconds that an agent's last events have to be written: a stop takes 5 in all."""

TEXT = 64 * 1024
"""Characters of a text that is kept of an event which is too large."""


FRAME = 32
"""Bytes around a text that was cut: `Cut` without it."""


class EventWriter:
    """Takes one session's events to its log.

    `hold` is called with True when too much waits, with False when it is better.
    """

    def __init__(
        self,
        session_id: str,
        append: Append,
        clock: IReactorTime,
        *,
        most: int,
        hold: Callable[[bool], object],
    ) -> None:
        self._session_id = session_id
        self._append = append
        self._clock = clock
        self._max_size = most
        self._hold = hold
        self._drafts: deque[EventDraft] = deque()
        self._bytes = 0
        self._next: IDelayedCall | None = None
        self._wrote_at = float("-inf")
        self._urgent = False
        self._progress = Signal()
        self._put = self._written = 0
        self._writing = False
        self._held = False
        self._closed = False

    def put(self, event: AgentEvent) -> None:
        """Take an event; it is written with others, soon."""
        if self._closed:
            return
        self._put += 1
        fit = fitting(encode_data(event), self._max_size)
        self._drafts.append(EventDraft(event=event.name, data=fit))
        self._bytes += size_of(fit)
        if not self._held and (len(self._drafts) > HIGH or self._bytes > HIGH_BYTES):
            self._held = True
            self._hold(True)
        if not self._writing:
            self._writing = True
            background(self._write(), log, f"{self._session_id}: writing events")
        fills_a_batch = len(self._drafts) >= BATCH or self._bytes >= BATCH_BYTES
        if event.name not in PIECES or fills_a_batch:
            self._hasten()

    async def flushed(self) -> None:
        """Return once all that was put so far is in the log, or the session is forgotten.

        What comes later is not waited for: whoever floods would hold up everyone else.
        """
        if self._writing:
            self._hasten()
        last = self._put
        while self._writing and self._written < last:
            await self._progress.wait()

    async def finish(self) -> None:
        """Let all be written, but for a store that refuses for too long; then close."""
        flushed = Deferred.fromCoroutine(self.flushed())
        flushed.addTimeout(FINISH_S, self._clock)
        try:
            await flushed
        except TookTooLong:
            log.warn("{session}: its last events are not written", session=self._session_id)
        self.close()

    def close(self) -> None:
        """Take nothing more, and throw away what is not written."""
        self._closed = True
        self._drafts.clear()
        self._bytes = 0
        self._release()

    async def _write(self) -> None:
        try:
            while self._drafts:
                await self._gather()
                await self._write_some()
        finally:
            self._writing = False
            self._progress.fire()

    async def _gather(self) -> None:
        """Return once it is time to write: now if something is urgent, else a while later."""
        now, done = self._clock.seconds(), Deferred[None]()
        hurry = self._urgent or now - self._wrote_at >= GATHER_S
        wait = 0 if hurry else GATHER_S - now % GATHER_S
        self._next = self._clock.callLater(wait, done.callback, None)
        await done
        self._next = None

    def _hasten(self) -> None:
        """Write what there is; what comes in the same moment still goes with it."""
        if not self._urgent and self._next is not None:
            self._next.reset(0)
        self._urgent = True

    async def _write_some(self) -> None:
        batch = self._batch()
        self._urgent = len(self._drafts) > len(batch)
        self._wrote_at = self._clock.seconds()
        try:
            await self._append(self._session_id, batch)
        except (UnknownSession, SessionLimit):
            self.close()
            return
        except HostError as error:
            log.warn("events wait for the store: {error}", error=error)
            await deferLater(self._clock, RETRY_S)
            return
        if not self._closed:
            self._drop_written(batch)
        self._written += len(batch)
        self._progress.fire()

    def _batch(self) -> list[EventDraft]:
        """Return what goes in one commit: at least one event."""
        batch: list[EventDraft] = []
        size = 0
        for draft in islice(self._drafts, BATCH):
            size += size_of(draft.data)
            if batch and size > BATCH_BYTES:
                break
            batch.append(draft)
        return batch

    def _drop_written(self, batch: Sequence[EventDraft]) -> None:
        for draft in batch:
            self._drafts.popleft()
            self._bytes -= size_of(draft.data)
        if self._held and len(self._drafts) < LOW and self._bytes < LOW_BYTES:
            self._release()

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._hold(False)


class Cut(Struct):
    """What remains of data that was too large."""

    text: str
    cut: bool = True


def fitting(data: Raw, most: int) -> Raw:
    """Return data in at most so many bytes of JSON: first `native` goes, then texts are cut."""
    if size_of(data) <= most:
        return data
    whole = bytes(data)
    fields = json.decode(whole)
    if isinstance(fields, dict):
        rest = {
            name: _marked(value) if isinstance(value, str) else value
            for name, value in fields.items()
            if name != "native"
        }
        for fit in (rest, cut_large_fields(rest, most - FRAME)):
            if fit is not None and len(encode({**fit, "cut": True})) <= most:
                return Raw(encode({**fit, "cut": True}))
    room = (most - FRAME) // 2  # quotes and backslashes are written as two bytes each
    return Raw(encode(Cut(whole[: max(0, min(TEXT, room))].decode(errors="ignore"))))


def _marked(text: str) -> str:
    return text if len(text) <= TEXT else f"{text[:TEXT]}… ({len(text) - TEXT} characters more)"


def size_of(data: Raw) -> int:
    """Return how many bytes of JSON fitting data are."""
    return len(memoryview(data))
